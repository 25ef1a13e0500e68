"""May this person or key make this call? Apps are asked for grants instead (in the adapters)."""

from __future__ import annotations

from kernel.base.errors import FaztError
from kernel.syscall.call import ROLES, Who
from kernel.syscall.declare import Declaration


def authorize(declared: Declaration, who: Who) -> None:
    """Role and scope. Which app a `deploy:<app>` key reaches is asked once the app is known."""
    wanted = declared.role or "public"
    if ROLES[who.role] < ROLES[wanted]:
        if who.kind == "anonymous":
            raise FaztError(
                "UNAUTHORIZED", "This needs a session or an API key.", "Sign in, or send `Authorization: Bearer fzt_…`."
            )
        raise FaztError("FORBIDDEN", f"This needs the role {wanted}.", f"You are here as {who.role}.", needs=wanted)
    if wanted != "public" and not reaches(who, declared):
        held = " ".join(sorted(who.scopes))
        raise FaztError(
            "FORBIDDEN",
            f"The key's scope ({held}) does not reach {declared.name}.",
            "Use a key with the scope it needs.",
            scopes=sorted(who.scopes),
        )


def authorize_app(declared: Declaration, who: Who, app: str) -> None:
    """A key made for certain apps reaches those only."""
    reaching = [scope for scope in who.scopes if _reaches(scope, declared)]
    if reaching and all(scope.startswith("deploy:") and scope != f"deploy:{app}" for scope in reaching):
        raise FaztError("FORBIDDEN", "The key was made for another app.", scopes=sorted(who.scopes))


def is_narrow(who: Who) -> bool:
    """Is it a key that was made for certain apps only?"""
    return not any(scope in ("*", "admin", "deploy") for scope in who.scopes)


def authorize_named(who: Who, app: str | None) -> None:
    """For what names its app in an argument (scope="named"): a key made for certain apps reaches those only, and
    makes no new one."""
    if is_narrow(who) and (app is None or f"deploy:{app}" not in who.scopes):
        raise FaztError("FORBIDDEN", "The key was made for another app.", scopes=sorted(who.scopes))


def reaches(who: Who, declared: Declaration) -> bool:
    return any(_reaches(scope, declared) for scope in who.scopes)


def _reaches(scope: str, declared: Declaration) -> bool:
    if scope in ("*", "admin") or declared.scope == "any":
        return True
    if scope == "read":
        return not declared.writes
    if declared.scope == "named":
        return scope == "deploy" or scope.startswith("deploy:")
    # a key made for one app learns nothing of the others
    return declared.scope == "deploy" and (scope == "deploy" or declared.wants_app)
