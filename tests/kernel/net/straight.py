"""A request as a program with a key writes it: nothing in it that would send it round about."""

from __future__ import annotations

from tests.support import Answer, Running


async def straight(node: Running, method: str, target: str, sent: bytes | None, *, around: bool = False) -> Answer:
    """`around`: it names a proxy on the way, which is aiohttp's to read."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {node.admin}:{node.site.port}"]
    lines.append(f"Authorization: Bearer {await node.key('*')}")
    if around:
        lines.append("Via: 1.1 somebody")
    if sent is not None:
        lines.append(f"Content-Length: {len(sent)}")
    return await node.raw("\r\n".join([*lines, "", ""]).encode() + (sent or b""))
