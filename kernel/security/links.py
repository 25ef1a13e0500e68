"""Sign-in links: for the first visit, and for an owner who lost his password. One use, fifteen minutes.

Opening the link shows a page and uses nothing up (mail scanners open links); its button does.
"""

from __future__ import annotations

import msgspec

from kernel.base.errors import FaztError
from kernel.base.site import Site
from kernel.base.tables import Migration, Patch, Read, Sweep, Table
from kernel.security.tokens import new_token, token_hash
from kernel.security.users import OWNER
from kernel.syscall import Call, Write, syscall
from kernel.syscall.call import Scoped

LASTS = 15 * 60_000
LINKS = Table(
    "signin_links", ("token_hash", "user_id", "expires_at", "used_at", "created_at"), key=("token_hash",), scope="node"
)
MIGRATIONS = (
    Migration(
        "signin_links_0001",
        """
create table signin_links (token_hash blob primary key, user_id text not null, expires_at integer not null,
  used_at integer, created_at integer not null) strict, without rowid""",
    ),
)
OPEN = Read("select user_id from {signin_links} where token_hash = :hash and used_at is null and expires_at > :now")
CONSUME = Patch(LINKS, set="used_at = :now", where="token_hash = :hash and used_at is null and expires_at > :now")
SWEEP = Sweep(LINKS, due="expires_at")


class SigninLink(msgspec.Struct):
    url: str
    expires_at: int


def make(call: Call) -> Write[SigninLink]:
    owner = call.store.one(OWNER)
    token = new_token()
    answer = SigninLink(f"{call.use(Site).admin_url}/signin/{token}", call.now + LASTS)
    plan = call.store.insert(LINKS, token_hash=token_hash(token), user_id=owner[0], expires_at=answer.expires_at)
    return plan.giving(lambda _: answer)


def user_of(store: Scoped, token: str, now: int) -> str | None:
    found = store.one(OPEN, hash=token_hash(token), now=now)
    return found[0] if found else None


def consume(store: Scoped, token: str, now: int) -> Write[None]:
    """Of a hundred attempts at once, one succeeds."""
    used = FaztError("SESSION_EXPIRED", "The link was used or has expired.", "Make a new one: `fazt signin-link`.")
    return store.do(CONSUME, hash=token_hash(token), now=now).expect(1, used)


@syscall("signin.link", role="owner", cli="signin-link", js=False, weight=9)
def signin_link(call: Call) -> Write[SigninLink]:
    """A link that signs the owner in, once, within fifteen minutes."""
    return make(call)
