"""The first hour with a site: from an empty folder to a page in a browser, and everything that can go wrong there."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Project, Visit, at_home
from tests.system.harness import Machine, Node

New = Callable[[], Visit]
NUMBERS = itertools.count(1)
PAGE = "<!doctype html><title>Mine</title><link rel=icon href=data:,><h1>{}</h1>"


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    return at_home(shared)


@pytest.fixture
def project(node: Node, tmp_path: Path) -> Project:
    """An empty folder of a person whose node runs."""
    folder = tmp_path / f"site-{next(NUMBERS)}"
    folder.mkdir()
    return Project(node.machine, folder)


@pytest.fixture
def alone(machine: Machine) -> Project:
    """An empty folder of a person who has no node yet."""
    folder = machine.folder / "hello"
    folder.mkdir()
    return Project(machine, folder)


def url_in(said: str) -> str:
    """The first address that a command printed."""
    return next(word for word in said.split() if word.startswith("http://"))


def test_from_an_empty_folder_to_a_page(alone: Project, visit: New, capsys: pytest.CaptureFixture[str]) -> None:
    node = at_home(alone.machine)
    guest = visit()
    page = guest.page()
    alone.write("index.html", PAGE.format("Hello"))
    began = time.monotonic()
    done = alone.fazt("deploy")
    typed = time.monotonic()
    assert done.code == 0, done
    url = url_in(done.out)
    page.goto(url)
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    shown = time.monotonic()
    with capsys.disabled():
        print(f"\nfrom `fazt deploy` to the page: {shown - began:.2f} s, {typed - began:.2f} s of it the command")
    assert url == f"http://hello.localhost:{node.port}", "the folder's name is the app's"
    assert guest.complaints == []


def test_what_a_deploy_says(project: Project, visit: New) -> None:
    """All of it is for a person: the address, what changed, and the line that undoes it, which works as it is."""
    project.write("index.html", PAGE.format("First"))
    first = project.fazt("deploy")
    assert f"{project.folder.name} v1 is live" in first.out, first
    assert "1 added" in first.out
    assert "undo" not in first.out.lower(), "there is nothing to go back to"
    project.write("index.html", PAGE.format("Second"))
    second = project.fazt("deploy")
    assert "1 changed" in second.out, second
    undo = second.out.rpartition("To undo: ")[2].split()
    assert undo[0] == "fazt"
    page = visit().open(url_in(second.out))
    expect(page.get_by_role("heading")).to_have_text("Second")
    assert project.fazt(*undo[1:]).code == 0
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("First")
    assert "Nothing changed" not in project.fazt("deploy").out
    assert "Nothing changed" in project.fazt("deploy").out


def test_a_reload_shows_what_is_live_and_a_preview_what_it_is_of(project: Project, visit: New) -> None:
    guest = visit()
    page, old = guest.page(), guest.page()
    made = []
    for title in ("One", "Two", "Three"):
        project.write("index.html", PAGE.format(title))
        project.write("deep/page.html", PAGE.format(f"{title}, deep"))
        made.append(project.deploy())
        page.goto(made[-1]["url"]) if title == "One" else page.reload()
        expect(page.get_by_role("heading")).to_have_text(title)
    for release, title in zip(made, ("One", "Two", "Three"), strict=True):
        old.goto(release["preview_url"])
        expect(old.get_by_role("heading")).to_have_text(title)
        old.goto(release["preview_url"] + "/deep/page")
        expect(old.get_by_role("heading")).to_have_text(f"{title}, deep")
    back = project.fazt("rollback", "--json").data
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("Two")
    assert project.fazt(*back["undo"].split()[1:]).code == 0
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("Three")
    assert project.fazt("rollback", made[0]["release"]).code == 0
    page.reload()
    expect(page.get_by_role("heading")).to_have_text("One")
    assert guest.complaints == []


def test_an_address_without_a_file(project: Project, visit: New) -> None:
    project.write("index.html", PAGE.format("Hello"))
    url = project.deploy()["url"]
    guest = visit()
    page = guest.page()
    for path in ("/nothing", "/nothing/at/all.html", "/nothing.png", "/%C3%BC"):
        answer = page.goto(url + path)
        assert answer
        assert answer.status == 404, path
        expect(page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()
        styled = page.evaluate("[...document.styleSheets].map((sheet) => sheet.cssRules.length)")
        assert styled and all(styled), path
    page.get_by_role("link", name="front page").click()
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Nothing lives at this address")).to_be_visible()
    assert [said for said in guest.complaints if "404" not in said] == []


def test_a_site_with_a_404_page_of_its_own(project: Project, visit: New) -> None:
    project.write("index.html", PAGE.format("Hello"))
    project.write("404.html", PAGE.format("Lost") + "<link rel=stylesheet href=/lost.css>")
    project.write("lost.css", "h1 { color: rgb(99, 1, 1) }")
    url = project.deploy()["url"]
    guest = visit()
    page = guest.page()
    for path in ("/nothing", "/nothing/at/all/", "/404"):
        answer = page.goto(url + path)
        assert answer
        assert answer.status == (200 if path == "/404" else 404), path
        expect(page.get_by_role("heading", name="Lost")).to_have_css("color", "rgb(99, 1, 1)")
    assert [said for said in guest.complaints if "404" not in said] == []


def test_without_a_node(alone: Project) -> None:
    alone.write("index.html", PAGE.format("Hello"))
    done = alone.fazt("deploy")
    assert done.code == 3
    assert "There is no node" in done.err
    assert "fazt up" in done.err
    assert not (alone.machine.home / ".fazt" / "data.db").exists()
    error = alone.fazt("deploy", "--json").error
    assert error["code"] == "NOT_FOUND"
    assert "fazt up" in error["hint"]


def test_with_a_node_that_has_stopped(alone: Project, visit: New) -> None:
    """The release is made inside the data file, and shown when the node is there again."""
    alone.write("index.html", PAGE.format("Meanwhile"))
    at_home(alone.machine).stop()
    done = alone.fazt("deploy")
    assert done.code == 0, done
    assert "no node runs" in done.err
    assert "fazt up" in done.err
    again = at_home(alone.machine)
    page = visit().open(f"http://hello.localhost:{again.port}")
    expect(page.get_by_role("heading", name="Meanwhile")).to_be_visible()


def test_with_a_server_that_is_not_there(alone: Project) -> None:
    alone.write("index.html", PAGE.format("Hello"))
    done = alone.fazt("deploy", "--server", "http://admin.localhost:1", "--token", "fzt_" + "x" * 43)
    assert done.code == 5
    assert "http://admin.localhost:1" in done.err
    done = alone.fazt("deploy", "--server", "http://admin.localhost:1")
    assert done.code == 4, done
    assert "fazt keys create" in done.err


def test_what_is_no_site(node: Node, project: Project) -> None:
    done = project.fazt("deploy")
    assert done.code == 2
    assert f"nothing to deploy in {project.folder}." in done.err
    assert "index.html" in done.err
    done = project.fazt("deploy", "elsewhere")
    assert done.code == 3
    assert "There is no folder elsewhere" in done.err
    project.write("readme.txt", "Hello")
    done = project.fazt("deploy", "readme.txt")
    assert done.code == 2
    assert "is not a folder" in done.err
    missing = node.ask("GET", f"/api/apps/{project.folder.name}", scope="*")
    assert missing.status == 404, "nothing is left behind by what failed"


def test_a_folder_without_a_front_page(project: Project, visit: New) -> None:
    """It may be meant so, but it is said, with the folder that was meant perhaps."""
    project.write("readme.txt", "Hello")
    done = project.fazt("deploy")
    assert done.code == 0
    assert "there is no index.html" in done.err
    answer = visit().page().goto(url_in(done.out) + "/readme.txt")
    assert answer
    assert answer.status == 200
    project.write("dist/index.html", PAGE.format("Built"))
    assert "fazt deploy dist" in project.fazt("deploy").err


def test_the_sources_of_a_project_instead_of_what_it_builds(project: Project) -> None:
    project.write("index.html", PAGE.format("Source") + "<script type=module src=/src/main.js></script>")
    project.write("src/main.js", "")
    assert project.fazt("deploy").err == ""
    project.write("package.json", '{"scripts": {"build": "vite build"}}')
    done = project.fazt("deploy")
    assert done.code == 0
    assert "npm run build" in done.err
    assert "fazt deploy dist" in done.err


def test_secrets_stay_at_home(project: Project, visit: New) -> None:
    project.write("index.html", PAGE.format("Hello"))
    project.write(".env", "TOKEN=secret")
    done = project.fazt("deploy")
    assert done.code == 0
    assert ".env" in done.err
    answer = visit().page().goto(url_in(done.out) + "/.env")
    assert answer
    assert answer.status == 404
