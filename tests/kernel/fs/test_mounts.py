"""A folder of this machine over an app: seen at once, never beyond its walls, for the owner here only."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from tests.kernel.fs.site import deploy, get
from tests.support import Running, running


async def mounted(node: Running, folder: Path, where: str = "blog", **how: object) -> None:
    await node.run("fs.mount", folder=str(folder), where=where, **how)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "sub").mkdir(parents=True)
    (made / "index.html").write_text("from the folder")
    (made / "sub" / "a.txt").write_text("a")
    return made


async def test_what_is_edited_is_seen_at_the_next_request(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released", "only.txt": b"released"})
        assert (await get(node, "/")).body == b"released"
        await mounted(node, folder)
        assert (await get(node, "/")).body == b"from the folder"
        (folder / "index.html").write_text("edited")
        answer = await get(node, "/")
        assert (answer.body, answer.headers["Cache-Control"]) == (b"edited", "no-store")
        assert (await get(node, "/sub/a.txt")).body == b"a"
        # what the folder does not have is the release's
        assert (await get(node, "/only.txt")).body == b"released"
        await node.run("fs.unmount", where="blog")
        assert (await get(node, "/")).body == b"released"


async def test_an_app_without_a_release_shows_the_folder(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        assert (await get(node, "/")).body == b"from the folder"
        assert (await get(node, "/nothing")).status == 404


async def test_a_folder_below_a_prefix(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder, "blog:/docs")
        assert (await get(node, "/")).body == b"released"
        assert (await get(node, "/docs/")).body == b"from the folder"


async def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, folder: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "out").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / ".env").write_text("secret")
    (folder / "inside").symlink_to(folder / "sub" / "a.txt")
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder)
        for path in (
            "/out",
            "/up/secret",
            "/../secret",
            "/%2e%2e/secret",
            "/sub/../../secret",
            "/.env",
            "/sub%2f..%2f..%2fsecret",
        ):
            answer = await get(node, path)
            assert answer.status in (400, 404) and answer.body != b"secret", path
        assert (await get(node, "/inside")).body == b"a"


@pytest.mark.parametrize("folder_", ["/", "/etc", "/proc/self", "/root", "relative", "/nowhere/at/all"])
async def test_folders_that_are_never_mounted(tmp_path: Path, folder_: str) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        before = node.content()
        with pytest.raises(FaztError) as refused:
            await mounted(node, Path(folder_))
        assert refused.value.code in ("FORBIDDEN", "VALIDATION_FAILED")
        for own in (node.node.path.parent, node.node.path.parent.parent):
            with pytest.raises(FaztError):
                await mounted(node, own)
        assert node.content() == before


async def test_only_the_owner_on_this_machine(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        answer = await node.ask(
            "POST", "/api/cmd", key="*", body={"command": "fs", "args": ["mount", str(folder), "blog"]}
        )
        assert answer.data["error"]["code"] == "FORBIDDEN"
        assert await node.run("fs.mount") == []


async def test_writing_through(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder, sync=True)
        entry = node.node.registry["fs.put"]
        from kernel.syscall.call import LOCAL

        call = node.node.caller.call(entry, LOCAL, "cli", None)
        await node.node.driver.invoke(entry, call, {"where": "/apps/blog/new/b.txt"}, raw=b"b")
        assert (folder / "new" / "b.txt").read_bytes() == b"b"
        await node.run("fs.rm", where="/apps/blog/sub/a.txt")
        assert not (folder / "sub" / "a.txt").exists()
        (folder / "out").symlink_to(tmp_path / "elsewhere")
        call = node.node.caller.call(entry, LOCAL, "cli", None)
        with pytest.raises(FaztError):
            await node.node.driver.invoke(entry, call, {"where": "/apps/blog/out"}, raw=b"b")
        assert not (tmp_path / "elsewhere").exists()
        # no release was made of it
        assert len((await node.ask("GET", "/api/apps/blog/releases", key="read")).data) == 1
        # from elsewhere the folder cannot be changed
        assert (await node.ask("PUT", "/api/apps/blog/files/x.txt", key="*", raw=b"x")).status == 403
