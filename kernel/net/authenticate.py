"""Who is asking: a key in the Authorization header, the session cookie of the admin host, or the owner's own socket.

The admin host accepts nothing that an app's page could have caused: apps live on sibling hosts, which browsers call
"same site", so neither SameSite nor CORS is enough.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from kernel.base.errors import FaztError
from kernel.net.asked import Asked
from kernel.security import keys, sessions
from kernel.storage.memo import Memo
from kernel.storage.store import Store
from kernel.syscall.call import ANONYMOUS, LOCAL, Who

SECURE_COOKIE = "__Host-fazt_admin"
DEV_COOKIE = "fazt_admin_dev"
SAFE = ("GET", "HEAD", "OPTIONS")


def cookie_name(https: bool) -> str:
    return SECURE_COOKIE if https else DEV_COOKIE


class Authenticator:
    def __init__(self, store: Store, uses: keys.KeyUses, https: bool) -> None:
        self._store, self._uses, self._https = store, uses, https
        self._memo = Memo(lambda: store.commits)

    def renewed(self, asked: Asked) -> str:
        """The cookie again, so that the browser keeps it as long as the session lasts."""
        return cookie(cookie_name(self._https), asked.token, self._https, asked.touch // 1000)

    @property
    def scheme(self) -> str:
        return "https" if self._https else "http"

    def identify(self, asked: Asked) -> Who:
        """The caller, or ANONYMOUS when nothing was shown. Something wrong is refused, never ignored."""
        request = asked.request
        header = request.headers.getall("Authorization", [])
        if len(header) > 1:
            raise FaztError("BAD_REQUEST", "There are two Authorization headers.")
        if asked.local and not header:
            return LOCAL
        self.refuse_foreign(asked)
        asked.who, asked.ended = ANONYMOUS, None
        if header:
            return self.by_key(asked, header[0])
        token = session_token(asked, cookie_name(self._https))
        if token is None:
            return asked.who
        try:
            who, asked.touch = sessions.find(
                self._store.scoped(""), token, self._store.clock.now(), asked.address, asked.agent
            )
        except FaztError as error:
            # nobody, until something needs somebody: signing in must work with a dead cookie
            asked.ended = error
            return asked.who
        asked.token = token
        if request.method not in SAFE and "Origin" not in request.headers:
            raise _foreign()
        return who

    def by_key(self, asked: Asked, header: str) -> Who:
        return self.of_key(header, asked.address, asked.agent)

    def of_key(self, header: str, address: str, agent: str) -> Who:
        """Who shows this key. A client that does is a program: no page of another origin can make it do so."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise FaztError("INVALID_API_KEY", "The Authorization header must be `Bearer fzt_…`.")
        who = keys.find(self._store.scoped(""), token.strip(), address, agent, self._memo)
        self._uses.note(who.id, self._store.clock.now())
        return who

    def refuse_foreign(self, asked: Asked) -> None:
        """Refuse what a page of another origin caused. Programs send neither header."""
        headers = asked.request.headers
        origin = headers.get("Origin")
        if origin is not None and origin != self.own_origin(asked):
            raise _foreign()
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in ("same-origin", "none"):
            raise _foreign()

    def refuse_foreign_post(self, asked: Asked) -> None:
        """Pages may be opened from anywhere; forms may be sent from here only."""
        if asked.request.method not in SAFE:
            self.refuse_foreign(asked)

    def own_origin(self, asked: Asked) -> str:
        # the Host was checked to be ours before; its port is the one the browser sees
        return f"{self.scheme}://{asked.request.headers.get('Host', '').lower()}"


def session_token(asked: Asked, name: str) -> str | None:
    """The session cookie. Twice the same name means that somebody else set one of them."""
    values = []
    for header in asked.request.headers.getall("Cookie", []):
        for pair in header.split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                values.append(value.strip('"'))
    if len(values) > 1:
        raise FaztError(
            "BAD_REQUEST", "The session cookie was sent twice.", "Delete this site's cookies and sign in again."
        )
    return values[0] if values else None


def cookie(name: str, value: str, https: bool, max_age: int) -> str:
    """A Set-Cookie line: host-only, invisible to scripts, never sent by other sites."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar[name] = value
    except CookieError:  # pragma: no cover - our own names are legal
        raise FaztError("INTERNAL_ERROR", "The cookie cannot be set.") from None
    morsel = jar[name]
    morsel["path"], morsel["httponly"], morsel["samesite"], morsel["max-age"] = "/", True, "Strict", max_age
    if https:
        morsel["secure"] = True
    return morsel.OutputString()


def _foreign() -> FaztError:
    return FaztError("FORBIDDEN", "The request comes from another origin.", "Open the dashboard itself.")
