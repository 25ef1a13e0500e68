"""Sign-in by password or by link, and sign-out: the endpoints that set and clear the cookie."""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.net.asked import Asked
from kernel.net.authenticate import cookie, cookie_name, session_token
from kernel.net.envelope import json_object, success
from kernel.net.pages import Pages
from kernel.net.pages import html as page
from kernel.net.router import Endpoint
from kernel.net.server import Server
from kernel.observe.activity import ActivityJournal
from kernel.security import links, sessions, users
from kernel.security.passwords import Passwords
from kernel.security.throttle import Throttle
from kernel.security.tokens import token_hash
from kernel.storage.store import Store
from kernel.syscall import Secret
from kernel.syscall.call import Who
from kernel.syscall.plan import Write

SIGN_IN_WEIGHT = 8
# a name and a password of a thousand characters each, every one of them escaped
MOST_LOGIN_BODY = 32 * 1024


class Login(msgspec.Struct, forbid_unknown_fields=True):
    username: str
    password: str
    remember_me: bool = False


class SignIn:
    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        passwords: Passwords,
        throttle: Throttle,
        journal: ActivityJournal,
        pages: Pages,
        https: bool,
    ) -> None:
        self.store, self.clock, self.passwords, self.throttle = store, clock, passwords, throttle
        self.journal, self.https = journal, https
        self.link_page, self.used_page = pages.template("signin.html"), pages.template("signin-used.html")

    def mount(self, server: Server) -> None:
        for endpoint in (
            Endpoint("POST", "/api/login", self.login, "Open a session with user name and password."),
            Endpoint("POST", "/api/auth/login", self.login, "The same as /api/login."),
            Endpoint("POST", "/api/logout", self.logout, "End the session."),
            Endpoint("GET", "/signin/{token}", self.show_link, "The page of a sign-in link; uses nothing up."),
            Endpoint("POST", "/signin/{token}", self.use_link, "Use a sign-in link: once, within fifteen minutes."),
        ):
            server.mount("admin", endpoint)

    async def login(self, asked: Asked) -> web.StreamResponse:
        given = _login(json_object(await asked.body(MOST_LOGIN_BODY)))
        account, address = given.username, asked.address
        store = self.store.scoped("")
        async with self.throttle.attempt(account, address):
            row = store.one(users.BY_USERNAME, username=account)
            # an unknown user costs the same hash as a known one
            right = await self.passwords.verify(given.password, row[3] if row else None)
            if not row or not right:
                self.throttle.failed(account, address)
                failed = Who("anonymous", address=address, agent=asked.agent)
                self.journal.remember(failed, "auth.login", "", "INVALID_CREDENTIALS", SIGN_IN_WEIGHT, asked.id)
                raise _wrong()
            self.throttle.succeeded(account, address)
        user, name, role, seen = row
        response = success({"message": "Signed in.", "user": {"id": user, "username": name, "role": role}})
        signed_in = store.do(users.SIGNED_IN_BY_PASSWORD, id=user, now=self.clock.now(), seen=seen).expect(1, _wrong())
        await self._begin(asked, response, user, "password", signed_in, given.remember_me)
        return response

    async def logout(self, asked: Asked) -> web.StreamResponse:
        given = json_object(await asked.body(MOST_LOGIN_BODY))
        if given:
            field = next(iter(given))
            raise FaztError("VALIDATION_FAILED", f"{field}: there is no such field.", field=field)
        if asked.who.session:
            plan = self.store.scoped("").do(sessions.END, hash=asked.who.session)
            await self.store.write(plan.steps)
        response = success({"message": "Signed out."})
        response.headers.add("Set-Cookie", cookie(cookie_name(self.https), "", self.https, 0))
        return response

    async def show_link(self, asked: Asked) -> web.StreamResponse:
        known = links.user_of(self.store.scoped(""), asked.words["token"], self.clock.now())
        return self._page(asked, self.link_page if known else self.used_page, 200 if known else 410)

    async def use_link(self, asked: Asked) -> web.StreamResponse:
        now, token = self.clock.now(), asked.words["token"]
        user = links.user_of(self.store.scoped(""), token, now)
        if user is None:
            return self._used(asked)
        response = web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        try:
            await self._begin(asked, response, user, "link", self._by_link(user, token, now))
        except FaztError as error:
            if error.code != "SESSION_EXPIRED":
                raise
            return self._used(asked)
        return response

    def _by_link(self, user: str, token: str, now: int) -> Write[None]:
        store = self.store.scoped("")
        used = FaztError("SESSION_EXPIRED", "The link leads to nobody any more.")
        return links.consume(store, token, now) + store.do(users.SIGNED_IN, id=user, now=now).expect(1, used)

    def _used(self, asked: Asked) -> web.StreamResponse:
        """A double click sends the form twice: whoever the first one signed in goes on."""
        token = session_token(asked, cookie_name(self.https))
        try:
            if token:
                sessions.find(self.store.scoped(""), token, self.clock.now(), asked.address, asked.agent)
                return web.Response(status=303, headers={"Location": "/", "Cache-Control": "no-store"})
        except FaztError:
            pass
        return self._page(asked, self.used_page, 410)

    async def _begin(
        self,
        asked: Asked,
        response: web.Response,
        user: str,
        amr: str,
        only_if: Write[None],
        remember: bool = False,
    ) -> None:
        """A new session id at every sign-in; the one the browser held ends with it. All of it, or nothing."""
        store, name = self.store.scoped(""), cookie_name(self.https)
        held = session_token(asked, name)
        token, plan = sessions.begin(
            store,
            user=user,
            host=asked.place.host,
            now=self.clock.now(),
            amr=amr,
            ip=asked.address,
            agent=asked.agent,
            remember=remember,
            replaces=token_hash(held) if held else b"",
        )
        who = Who("session", user)
        audit = self.journal.audit(who, "auth.login", amr, "ok", SIGN_IN_WEIGHT)
        await self.store.write([*only_if.steps, *plan.steps, audit])
        lasts = sessions.REMEMBERED if remember else sessions.SLIDING
        response.headers.add("Set-Cookie", cookie(name, token, self.https, lasts // 1000))

    def _page(self, asked: Asked, template: str, status: int) -> web.Response:
        return page(template.replace("{{host}}", html.escape(asked.place.host)), status)


def _wrong() -> FaztError:
    return FaztError(
        "INVALID_CREDENTIALS",
        "User name or password is wrong.",
        "Lost it? `fazt signin-link` makes a link that signs you in.",
    )


def toucher(store: Store, later: Callable[[Awaitable[object]], None]) -> Callable[[Who], None]:
    """Gives a session a new end, at most every ten minutes, without the request waiting for it."""

    def touch(who: Who) -> None:
        plan = store.scoped("").do(sessions.TOUCH, hash=who.session, now=store.clock.now())
        later(store.write(plan.steps))

    return touch


def _login(values: dict[str, object]) -> Login:
    try:
        given = msgspec.convert(values, Login)
    except msgspec.ValidationError as error:
        missing = next((name for name in ("username", "password") if name not in values), None)
        if missing:
            raise FaztError("MISSING_FIELD", f"{missing}: required and missing", field=missing) from None
        unknown = next((name for name in values if name not in Login.__struct_fields__), "body")
        field = next((name for name in Login.__struct_fields__ if f"`$.{name}`" in str(error)), unknown)
        raise FaztError("VALIDATION_FAILED", f"{field}: has a wrong type or is unknown.", field=field) from None
    for field in ("username", "password"):
        try:
            Secret.parse(getattr(given, field))
        except ValueError as error:
            raise FaztError("VALIDATION_FAILED", f"{field}: {error}", field=field) from None
        if len(getattr(given, field)) > 1024:
            raise FaztError("VALIDATION_FAILED", f"{field}: must have at most 1024 characters.", field=field)
    return given
