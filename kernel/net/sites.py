"""What visitors of an app's host get: the files of its release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import web

from kernel.apps import resolve
from kernel.apps.resolve import Target
from kernel.base.errors import FaztError
from kernel.fs import paths
from kernel.fs.edition import Edition, Editions
from kernel.net import lookup
from kernel.net.address import Address, understood
from kernel.net.asked import Asked
from kernel.net.authenticate import Authenticator
from kernel.net.lookup import Found
from kernel.net.sending import Sending
from kernel.net.visits import Visits
from kernel.storage.store import Store

LABELS = 4096
# what the node itself answers on every app's host
OURS = ("_fazt", "_services", "_lib", "_ws", "ipfs", "ipns")
NOWHERE = Address("", "")
CHALLENGE = ".well-known/acme-challenge/"


class Code(Protocol):
    """A port: what runs apps' code."""

    def entry(self, edition: Edition) -> str:
        """The file that answers under /api; empty: the app has none."""

    async def answer(
        self, asked: Asked, edition: Edition, entry: str, more: Mapping[str, str]
    ) -> web.StreamResponse: ...


class Sites:
    def __init__(
        self,
        *,
        store: Store,
        editions: Editions,
        sending: Sending,
        authenticator: Authenticator,
        visits: Visits,
        missing: Any,
    ) -> None:
        self._store, self.editions, self._sending = store, editions, sending
        self._authenticator, self._visits, self._missing = authenticator, visits, missing
        self._labels: dict[str, Target] = {}
        self._generation = -1
        # what a room below answers under one of OURS: (asked, path) → a response or None
        self.ours: dict[str, Any] = {}
        self.code: Code | None = None

    @property
    def generation(self) -> int:
        """Moves with every change of what visitors see."""
        return self._store.generation

    def target(self, label: str) -> Target:
        """What a label means; remembered until anything that visitors see changes."""
        generation = self._store.generation
        if generation != self._generation or len(self._labels) > LABELS:
            self._labels.clear()
            self._generation = generation
        found = self._labels.get(label)
        if found is None:
            found = resolve.resolve(self._store, label)
            if self._store.generation == generation:
                self._labels[label] = found
        return found

    async def answer(self, asked: Asked, label: str) -> web.StreamResponse | None:
        """None when nothing lives at the label."""
        # read before everything else: what is remembered of this answer holds only while it does
        generation = self._store.generation
        target = self.target(label)
        if target.kind == "none":
            return None
        address = understood(asked.request._message.path)
        if target.kind == "redirect":
            to = resolve.leads_to(target.url, address.path if address else "", address.query if address else "")
            return web.Response(status=target.status, headers={"Location": to, "Cache-Control": "no-cache"})
        cookie = ""
        if target.kind == "split":
            choice = resolve.pick(target.choices, _variant(asked), asked.address, asked.agent)
            if choice is None:
                return None
            target, cookie = Target("app", choice.app, choice.release), choice.name
        edition = self.editions.of(target.app, target.release)
        if edition is None:
            return None
        more: dict[str, str] = {}
        if cookie:
            more["Set-Cookie"] = (
                f"{resolve.VARIANT_COOKIE}={cookie}; Path=/; Max-Age={resolve.VARIANT_SECONDS}; SameSite=Lax"
            )
        elif target.release:
            more["X-Robots-Tag"] = "noindex"
        response = await self._of_edition(asked, edition, address, more, generation)
        if not response.prepared:
            for name, value in more.items():
                if name != "Set-Cookie":
                    response.headers[name] = value
                elif value not in response.headers.getall(name, []):
                    # beside those of the app
                    response.headers.add(name, value)
        return response

    async def _of_edition(
        self, asked: Asked, edition: Edition, address: Address | None, more: dict[str, str], generation: int
    ) -> web.StreamResponse:
        if address is not None:
            ours = await self._ours(asked, address)
            if ours is not None:
                return ours
        if edition.status != "active":
            raise FaztError("SERVICE_UNAVAILABLE", f"This app is {edition.status}.")
        guarded = not edition.is_open
        if guarded:
            self._permit(asked, edition)
        if address and is_api(address.path) and self.code and (entry := self.code.entry(edition)):
            response = await self.code.answer(asked, edition, entry, more)
            self._visits.count(edition.app, response.status, _size(response))
            return response
        method = asked.request.method
        if method not in ("GET", "HEAD", "POST"):
            raise _only_read(method)
        found = lookup.find(self.editions, edition, address) if address else Found(404)
        if paths.needs_permission(found.path) or (address and paths.needs_permission(address.path)):
            guarded = True
            self._permit(asked, edition)
        if method == "POST" and found.file is not None and found.status == 200:
            raise _only_read(method)
        if found.to:
            headers = {"Location": found.to, "Cache-Control": "no-cache"}
            response = web.Response(status=found.status, headers=headers)
        elif found.file is None:
            response = self._missing.answer(asked.request, "/" + (address.path if address else ""))
        else:
            response = await self._sending.send(
                asked,
                edition,
                address or NOWHERE,
                found,
                guarded=guarded,
                more=more,
                keep=not (more.keys() & {"Set-Cookie"} or guarded or found.passing or edition.mounts)
                and asked.place.own,
                generation=generation,
            )
        self._visits.count(edition.app, response.status, _size(response))
        return response

    async def _ours(self, asked: Asked, address: Address) -> web.StreamResponse | None:
        """The paths of the node on an app's host: never those of the app."""
        first = address.path.partition("/")[0]
        if first in OURS:
            answer = self.ours.get(first)
            found: web.StreamResponse | None = await answer(asked, address.path) if answer else None
        elif address.path.startswith(CHALLENGE):
            found = None
        else:
            return None
        return found or self._missing.answer(asked.request, "/" + address.path)

    def _permit(self, asked: Asked, edition: Edition) -> None:
        """Until people exist, a key that reaches the app is the only way in."""
        header = asked.request.headers.getall("Authorization", [])
        if len(header) != 1:
            raise FaztError("UNAUTHORIZED", "This is private.", "Send `Authorization: Bearer fzt_…`.")
        who = self._authenticator.by_key(asked, header[0])
        if not who.scopes & {"*", "admin", "read", "deploy", f"deploy:{edition.app}"}:
            raise FaztError("FORBIDDEN", "The key was made for another app.")


def is_api(path: str) -> bool:
    return path == "api" or path.startswith("api/")


def _only_read(method: str) -> FaztError:
    return FaztError("METHOD_NOT_ALLOWED", f"{method} is not answered here.", allow=["GET", "HEAD"])


def _variant(asked: Asked) -> str | None:
    for header in asked.request.headers.getall("Cookie", []):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == resolve.VARIANT_COOKIE:
                return str(value)
    return None


def _size(response: web.StreamResponse) -> int:
    return (response.content_length or 0) if response.status != 304 else 0
