"""The owner's name and password, and who is asking."""

from __future__ import annotations

import msgspec

from kernel.base.errors import FaztError
from kernel.security.passwords import Password, Passwords
from kernel.security.sessions import end_others, fresh_from_link
from kernel.security.users import OWNER, SECRET_OF, SET_PASSWORD, SET_USERNAME, Username
from kernel.syscall import Call, Secret, Write, syscall


class Me(msgspec.Struct):
    id: str
    username: str
    role: str
    has_password: bool


class AuthStatus(msgspec.Struct, rename="camel", omit_defaults=True):
    authenticated: bool
    username: str | None = None
    expires_at: int | None = None


@syscall("auth.status", role="public", http="GET /api/auth/status", js=False)
def auth_status(call: Call) -> AuthStatus:
    """Is the caller signed in?"""
    if call.who.role == "public":
        return AuthStatus(False)
    return AuthStatus(True, call.who.name, call.who.expires_at)


@syscall("user.me", role="user", http="GET /api/user/me", cli="whoami", js=False)
def me(call: Call) -> Me:
    """Who is asking."""
    if call.who.kind == "session":
        found = call.store.one(SECRET_OF, id=call.who.id)
        return Me(call.who.id, call.who.name, call.who.role, bool(found and found[0]))
    return Me(call.who.id, call.who.name, call.who.role, False)


@syscall(
    "user.credentials", role="owner", http="POST /api/user/password", cli="server set-credentials", js=False, weight=9
)
async def credentials(
    call: Call,
    *,
    password: Password | None = None,
    username: Username | None = None,
    current: Secret | None = None,
) -> Write[Me]:
    """Change the owner's name or password; every other session of the owner ends."""
    owner, name, hashed = call.store.one(OWNER)
    passwords = call.use(Passwords)
    if password is None and username is None:
        raise FaztError("MISSING_FIELD", "Say what to change: username, password, or both.", field="password")
    if (
        hashed
        and call.who.kind != "local"
        and not fresh_from_link(call)
        and not await passwords.verify(current or "", hashed)
    ):
        raise FaztError(
            "INVALID_CREDENTIALS",
            "The current password is wrong.",
            "Use a sign-in link (`fazt signin-link`) if it is lost.",
            field="current",
        )
    plan: Write[None] = end_others(call, owner)
    if username is not None:
        plan = call.store.do(SET_USERNAME, id=owner, username=username, now=call.now) + plan
    if password is not None:
        plan = call.store.do(SET_PASSWORD, id=owner, password_hash=await passwords.hash(password), now=call.now) + plan
    answer = Me(owner, username or name, "owner", bool(password or hashed))
    return plan.giving(lambda _: answer)
