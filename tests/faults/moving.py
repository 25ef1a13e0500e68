"""Objects moved out to an S3 server and back while an app writes, and whoever takes part is killed again and again."""

from __future__ import annotations

import collections
import hashlib
import http.client
import json
import random
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3

from tests.faults.s3_server import ACCOUNT, S3Server
from tests.system.harness import PATIENCE, Answer, Machine, until

APP, BUCKET, PREFIX = "moving", "things", "some/prefix"
OUTSIDE, INTERNAL = f"s3://{BUCKET}/{PREFIX}", "internal"
USERS = ("", "usr_1", "usr_2")
WRITERS, CHANGING = 3, 40
PATIENT = 1200.0  # seconds a move may take
ODD = (
    "ä/ö ü", "a b+c%20d", "%2e%2e/x", "emoji 😀", "quote'\"&<>", "a?b#c;d=e", ".hidden", "user/usr_1/x", "app/x",
    "a", "a/b", "a/b/c", "~", "tab-less\u00a0space", "e\u0301", "é", "x" * 700, "nul-free/ﬀ/𝔘", "index.html", "*",
)  # fmt: skip
Who = tuple[str, str]
Content = str | None  # the hash of the bytes; None where there is no object


def some_bytes(chance: random.Random, most: int) -> bytes:
    """Many are small, some are empty, a few are large."""
    low, high = chance.choices(
        [(0, 0), (1, 4096), (4096, 1 << 18), (1 << 18, 2 << 20), (2 << 20, 16 << 20), (16 << 20, 64 << 20)],
        [4, 80, 10, 4, 1.4, 0.6],
    )[0]
    return chance.randbytes(min(chance.randint(low, high), most))


class Moving:
    """An app with objects, and where they are; `possible` is what each may be by what its writers were told."""

    def __init__(self, machine: Machine, seed: int, total: int, most: int = 64 << 20) -> None:
        self.machine, self.seed, self.most, self.chance = machine, seed, most, random.Random(seed)
        self.s3 = S3Server(machine.folder / "s3", BUCKET)
        self.possible: dict[Who, set[Content]] = {}
        self.told: collections.Counter[str] = collections.Counter()
        self.kills: collections.Counter[str] = collections.Counter()
        self.moves = self.bytes = self.peak = 0
        self._rounds: list[str] = []
        try:
            self.node = machine.up()
            self.node.app(APP)
            for name, value in {"s3.endpoint": self.s3.endpoint, **ACCOUNT}.items():
                assert self.node.ask("PUT", f"/api/config/{name}", body={"value": value}, scope="*").status == 200
            self._fill(total)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.s3.close()

    @property
    def acknowledged(self) -> int:
        return self.told["201"] + self.told["204"]

    # --- one request

    def _send(self, method: str, who: Who, data: bytes | None = None) -> Answer:
        user, key = who
        path = f"/api/apps/{APP}/storage/s3/object?key={quote(key, safe='')}" + (f"&user={user}" if user else "")
        headers = {"Host": f"admin.localhost:{self.node.port}", "Authorization": f"Bearer {self.node.key('*')}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=2 * PATIENCE)
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def _fill(self, total: int) -> None:
        last = b""
        while self.bytes < total or len(self.possible) < len(ODD):
            n = len(self.possible)
            data = last if self.chance.random() < 0.05 else some_bytes(self.chance, self.most)
            who = self.chance.choice(USERS), ODD[n] if n < len(ODD) else f"folder {n % 7}/{n}"
            assert self._send("PUT", who, data).status == 201
            self.possible[who] = {hashlib.sha256(data).hexdigest()}
            self.bytes, last = self.bytes + len(data), data

    # --- one move

    def move(self, kills: int, clean: bool) -> list[str]:
        """To the other side, interrupted so many times, while others write. What is wrong then."""
        self.moves += 1
        to = OUTSIDE if self.place == INTERNAL else INTERNAL
        order = {"to": to, "deleteSource": clean}
        over = threading.Event()
        writers = [threading.Thread(target=self._write, args=(n, over)) for n in range(WRITERS)]
        try:
            self._ordered(order)
            for writer in writers:
                writer.start()
            for _ in range(kills):
                self._interrupted(order)
            self._waited_for(to)
        finally:
            over.set()
            for writer in writers:
                writer.join()
        self._look_at_memory()
        return self._rounds + self._judged(clean)

    @property
    def standing(self) -> dict[str, Any]:
        found: dict[str, Any] = self.node.ask("GET", f"/api/apps/{APP}/storage/move", scope="*").data
        return found

    @property
    def place(self) -> str:
        return str(self.standing["place"])

    def _ordered(self, order: dict[str, Any]) -> None:
        """Said again, a move goes on at once; where it is over, there is nothing more to do."""
        answer = self.node.ask("POST", f"/api/apps/{APP}/storage/move", body=order, scope="*")
        assert answer.status == 202 or self.place == order["to"], answer

    def _interrupted(self, order: dict[str, Any]) -> None:
        enough = self.s3.requests + self.chance.randrange(1, 2 * len(self.possible))
        end = time.monotonic() + PATIENT
        while self.s3.requests < enough and time.monotonic() < end:
            if self.standing["target"] is None:
                return  # it was faster
        who = self.chance.choice(["node", "s3", "both"])
        self.kills[who] += 1
        self._look_at_memory()
        if who != "s3":
            self.node.kill()
        if who != "node":
            self.s3.kill()
            self.s3.start()
        if who != "s3":
            self.node = self.machine.up(known=self.node)
        self._ordered(order)

    def _waited_for(self, place: str) -> None:
        end = time.monotonic() + PATIENT
        while (now := self.standing)["target"] is not None:
            assert time.monotonic() < end, now
            time.sleep(0.02)
        assert now["place"] == place, now

    def _look_at_memory(self) -> None:
        """The most bytes the node has ever had."""
        status = Path(f"/proc/{self.node.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        self.peak = max(self.peak, int(found[1]) << 10)

    # --- meanwhile

    def _write(self, writer: int, over: threading.Event) -> None:
        """Its own share of the objects is written by nobody else, so it knows what may be there."""
        chance = random.Random(f"{self.seed}/{self.moves}/{writer}")
        share = [who for n, who in enumerate(sorted(self.possible)) if n % WRITERS == writer]
        # not all of them, or copying would never come to an end before writers have to wait
        mine = chance.sample(share, min(len(share), CHANGING))
        mine += [(chance.choice(USERS), f"new {writer}/{self.moves}/{n}") for n in range(10)]
        while not over.wait(0.05):
            who, data = chance.choice(mine), b""
            method = chance.choice(["PUT", "PUT", "PUT", "DELETE"])
            if method == "PUT":
                data = some_bytes(chance, min(self.most, 1 << 20))
            wanted = hashlib.sha256(data).hexdigest() if method == "PUT" else None
            # until it is told, the one is as good as the other
            self.possible[who] = self.possible.get(who, {None}) | {wanted}
            try:
                answer = self._send(method, who, data)
            except (OSError, http.client.HTTPException):
                until(lambda: over.is_set() or self.node.process.poll() is None, "the next node")
                self.told["nothing"] += 1
                continue
            self.told[str(answer.status)] += 1
            if answer.status in (201, 204):
                self.possible[who] = {wanted}
            elif answer.status not in (409, 502):
                self._rounds.append(f"{method} {who} is answered with {answer.status}: {answer.body[:200]!r}")

    # --- in the end

    def _judged(self, clean: bool) -> list[str]:
        wrong = []
        there = {who: self._seen(who) for user in USERS for who in self._listed(user)}
        for who, may in self.possible.items():
            if there.get(who) not in may:
                wrong.append(f"{who} is {there.get(who)}, may be {may}")
        wrong += [f"{who} comes from nowhere" for who in there.keys() - self.possible.keys()]
        # what nobody was told is known now
        self.possible = {who: {there.get(who)} for who in self.possible}
        outside = self._outside()
        if self.place == OUTSIDE and outside != there:
            wrong.append(f"the server has something else: {len(outside)} for {len(there)} objects")
        if self.place == INTERNAL and clean and outside:
            wrong.append(f"{len(outside)} objects were left behind")
        return wrong

    def _seen(self, who: Who) -> Content:
        answer = self._send("GET", who)
        if answer.status == 404:
            return None
        sha256 = hashlib.sha256(answer.body).hexdigest()
        told = answer.headers.get("ETag", "").strip('"')
        return sha256 if (answer.status, told) == (200, sha256) else f"{answer.status} {told} {sha256}"

    def _listed(self, user: str) -> list[Who]:
        found: list[Who] = []
        after = ""
        while True:
            path = f"/api/apps/{APP}/storage/s3?limit=1000&user={user}" + (f"&after={quote(after)}" if after else "")
            answer = self.node.ask("GET", path if user else path.replace("&user=", ""), scope="*")
            found += [(user, one["key"]) for one in answer.data]
            after = json.loads(answer.body)["meta"]["next"]
            if not after:
                return found

    def _outside(self) -> dict[Who, Content]:
        """What the server has, by a client of another make."""
        words = {"aws_access_key_id": "name", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=self.s3.endpoint, **words)
        found: dict[Who, Content] = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for one in page.get("Contents", ()):
                path = one["Key"].removeprefix(f"{PREFIX}/").partition("/")[2]
                whose, _, key = path.partition("/")
                user, key = key.split("/", 1) if whose == "user" else ("", key)
                data = client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
                found[user, key] = hashlib.sha256(data).hexdigest()
        return found
