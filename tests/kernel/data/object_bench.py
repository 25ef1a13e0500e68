"""A node without sockets, and the objects of an app as its code sees them: inside, or on an S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
from moto.server import ThreadedMotoServer

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.data.collections import Declared, StorageSaid
from kernel.data.s3_shelf import Buckets
from kernel.syscall import Call
from kernel.syscall.call import LOCAL

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
BUCKET = "things"
PLACE = f"s3://{BUCKET}/some/prefix"


class Says(Declared):
    """What the apps of the test say of their storage."""

    def __init__(self) -> None:
        self.s3: dict[str, str] = {}

    def of(self, app: str, release: str = "") -> StorageSaid:
        return StorageSaid(s3=self.s3.get(app, "internal"))


class Bench:
    def __init__(self, path: Path, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.node = Node(path, clock=self.clock)
        self.says = Says()
        self.node.ports.fill(self.says, Declared)
        self.client = self.node.s3
        self.client.pause = self.pause
        self.pauses = 0

    async def pause(self, seconds: float) -> None:
        self.pauses += 1

    async def outside(self, endpoint: str, *apps: str) -> None:
        """Let these apps have their objects there."""
        values = {"s3.endpoint": endpoint, "s3.access_key": "name", "s3.secret_key": "secret"}
        for name, value in values.items():
            await self.named("config.set", name=name, value=value)
        for app in apps:
            self.says.s3[app] = f"external:{PLACE}"

    def call(self, app: str = APP, user: str = "", grants: frozenset[str] = frozenset({"storage:s3"})) -> Call:
        return self.node.driver.call(LOCAL, "js", app=app, user=user, grants=grants)

    async def js(self, name: str, *arguments: Any, app: str = APP, user: str = "", data: bytes | None = None) -> Any:
        entry, call = self.node.registry[f"storage.s3.{name}"], self.call(app, user)
        result = entry.javascript(call, msgspec.json.encode(arguments), data)
        return await self.node.driver.settle(entry, call, result, {})

    async def put(self, key: str, data: bytes, *mime: str, **how: Any) -> Any:
        return await self.js("put", key, *mime, data=data, **how)

    async def keys(self, prefix: str = "", **how: Any) -> list[str]:
        return [found.key for found in await self.js("list", prefix, **how)]

    async def named(self, name: str, /, *, app: str = "", raw: bytes | None = None, **values: Any) -> Any:
        entry = self.node.registry[name]
        return await self.node.driver.invoke(
            entry, self.node.driver.call(LOCAL, "http", app=app or None), values, raw=raw
        )

    def rows(self, sql: str) -> list[Any]:
        return self.node.store.reader().execute(sql).fetchall()

    @property
    def buckets(self) -> Buckets:
        return self.node.ports.use(Buckets)

    async def close(self) -> None:
        await self.client.close()
        self.node.close()


def server() -> Iterator[str]:
    """An S3 server of another make, on a port of this machine."""
    made = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    host, port = made.get_host_and_port()
    yield f"http://{host}:{port}"
    made.stop()


def other_client(endpoint: str) -> Any:
    """The same server through a client of another make."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="name",
        aws_secret_access_key="secret",
    )


def emptied(endpoint: str) -> None:
    client = other_client(endpoint)
    client.create_bucket(Bucket=BUCKET)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page.get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=found["Key"])
