"""Sites as their builders leave them, in a browser: an app with a router, a handbook, folders that begin with _."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Project, Visit, at_home
from tests.system.harness import Answer, Machine, Node

New = Callable[[], Visit]
NUMBERS = itertools.count(1)
# what browser and routers say of a page that is not there
NOT_FOUND = re.compile(r"status of 404 \(Not Found\)$|^.?: Not found: /")
FOR_EVER = "public, max-age=31536000, immutable"


class Site(NamedTuple):
    project: Project
    node: Node
    name: str
    url: str

    def get(self, path: str) -> Answer:
        return self.node.ask("GET", path, host=f"{self.name}.localhost")

    def names(self, pattern: str) -> list[str]:
        top = self.project.folder / "dist"
        return sorted(path.relative_to(top).as_posix() for path in top.glob(pattern) if path.is_file())


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    return at_home(shared)


@pytest.fixture
def deployed(node: Node, sites: Path, tmp_path: Path) -> Callable[..., Site]:
    """Deploys the built site of that name as its author would: from the folder of the project."""

    def deploy(built: str, *words: str, files: dict[str, str] | None = None) -> Site:
        project = Project(node.machine, tmp_path / f"{built}-{next(NUMBERS)}")
        shutil.copytree(sites / built, project.folder / "dist")
        for path, text in (files or {}).items():
            project.write(f"dist/{path}", text)
        done = project.deploy("dist", *words)
        assert done["name"] == project.folder.name, "the project around dist/ names the app"
        return Site(project, node, done["name"], done["url"])

    return deploy


class Guest(Visit):
    """Somebody whose browser notes every answer."""

    def __init__(self, context: BrowserContext) -> None:
        super().__init__(context)
        self.not_found: list[str] = []

    def page(self) -> Page:
        page = super().page()
        page.on("response", lambda answer: self.not_found.append(answer.url) if answer.status >= 400 else None)
        return page

    def lost(self, page: Page, url: str) -> None:
        """Open an address that the site does not have: nothing but that is missing."""
        answer = page.goto(url)
        assert answer
        assert answer.status == 404, url
        expect(page.get_by_role("link").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert self.not_found == [url]
        self.not_found.clear()


@pytest.fixture
def guest(visit: New) -> Iterator[Guest]:
    """Somebody whose browser finds nothing to complain about, but for pages that are not there."""
    made = Guest(visit().context)
    yield made
    assert made.not_found == []
    assert [said for said in made.complaints if not NOT_FOUND.search(said)] == []


def shows(page: Page, title: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{re.escape(title)}"))


def status(page: Page, url: str) -> int:
    answer = page.goto(url)
    assert answer
    return answer.status


APP_PAGES = {
    "/": "Garden one",
    "/plants": "Plants",
    "/plants/": "Plants",
    "/plants/rose": "One rose",
    "/plants/rose?from=mail#leaf": "One rose",
    "/late": "Late bloomer one",
    "/no/such/bed": "No such bed",
}


@pytest.fixture(params=["--spa", "_redirects"])
def app(request: pytest.FixtureRequest, deployed: Callable[..., Site]) -> Site:
    """The two ways to say that a router in the browser knows the addresses."""
    if request.param == "--spa":
        return deployed("app-one", "--spa")
    return deployed("app-one", files={"_redirects": "/* /index.html 200\n"})


def test_every_address_of_a_vite_app_opens_directly(app: Site, guest: Guest) -> None:
    page = guest.page()
    for path, title in APP_PAGES.items():
        assert status(page, app.url + path) == 200, path
        shows(page, title)
        page.reload()
        shows(page, title)
    page.goto(app.url + "/plants/rose")
    picture = page.get_by_role("img", name="rose")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.complete && image.naturalWidth") == 8


def test_the_ways_through_a_vite_app_and_back(app: Site, guest: Guest) -> None:
    page = guest.open(app.url)
    shows(page, "Garden one")
    page.get_by_role("link", name="/plants", exact=True).click()
    shows(page, "Plants")
    expect(page.locator("section")).to_have_css("color", "rgb(1, 99, 1)")
    page.get_by_role("link", name="Tulip").click()
    shows(page, "One tulip")
    expect(page).to_have_url(f"{app.url}/plants/tulip")
    page.go_back()
    shows(page, "Plants")
    page.go_back()
    shows(page, "Garden one")
    page.go_forward()
    shows(page, "Plants")
    page.goto(f"{app.url}/late")
    page.go_back()
    shows(page, "Plants")


def test_how_long_the_files_of_a_vite_app_are_kept(deployed: Callable[..., Site]) -> None:
    app = deployed("app-one", "--spa")
    assets = app.names("assets/*")
    assert len(assets) > 5
    for path in assets:
        assert app.get(f"/{path}").headers["Cache-Control"] == FOR_EVER, path
    for path in ("/", "/index.html", "/plants/rose"):
        answer = app.get(path)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-cache"), path


@pytest.mark.parametrize("path", ["/assets/late-AbCd3fGh.js", "/assets/none.css", "/none.png", "/robots.txt"])
def test_an_asset_that_is_not_there_is_not_the_front_page(deployed: Callable[..., Site], path: str) -> None:
    answer = deployed("app-one", "--spa").get(path)
    assert answer.status == 404
    assert b'id="app"' not in answer.body
    assert answer.headers["Cache-Control"] == "no-cache"


def test_an_open_page_goes_on_with_the_chunks_it_came_with(app: Site, sites: Path, guest: Guest) -> None:
    page = guest.open(app.url)
    shows(page, "Garden one")
    before = app.names("assets/*")
    shutil.rmtree(app.project.folder / "dist" / "assets")
    shutil.copytree(sites / "app-two", app.project.folder / "dist", dirs_exist_ok=True)
    assert {name for name in before if "late" in name}.isdisjoint(app.names("assets/*"))
    assert app.project.deploy("dist")["changed"] == 1, "how it is served was said once"
    page.get_by_role("link", name="/late").click()
    shows(page, "Late bloomer one")
    page.get_by_role("link", name="/plants/rose").click()
    shows(page, "One rose")
    page.reload()
    shows(page, "One rose")
    page.get_by_role("link", name="/late").click()
    shows(page, "Late bloomer two")
    assert guest.open(f"{app.url}/late").get_by_role("heading").inner_text() == "Late bloomer two"


def test_without_saying_so_no_address_is_made_up(deployed: Callable[..., Site], guest: Guest) -> None:
    app = deployed("app-one")
    page = guest.open(app.url)
    shows(page, "Garden one")
    guest.lost(page, f"{app.url}/plants")
    shows(page, "Nothing lives at this address")


DOC_PAGES = {
    "/": "Handbook",
    "/index.html": "Handbook",
    "/guide/start": "First steps",
    "/guide/start.html": "First steps",
    "/guide/start/": "First steps",
    "/guide/details#soil": "Details",
    "/api/": "API overview",
    "/api": "API overview",
    "/api/index.html": "API overview",
    "/api/store": "The store",
    "/api/store.html": "The store",
    "/api/store/": "The store",
}


@pytest.fixture(params=["docs", "docs-clean"])
def docs(request: pytest.FixtureRequest, deployed: Callable[..., Site]) -> Site:
    """With links that end in .html, and without."""
    return deployed(request.param)


def test_every_address_of_a_handbook_opens_directly(docs: Site, guest: Guest) -> None:
    page = guest.page()
    for path, title in DOC_PAGES.items():
        assert status(page, docs.url + path) == 200, path
        shows(page, title)
        # what is here only when the scripts came alive
        expect(page.get_by_role("button", name="Search").first).to_be_visible()
    for path in docs.names("assets/**/*"):
        assert docs.get(f"/{path}").headers["Cache-Control"] == FOR_EVER, path


def test_the_ways_through_a_handbook_and_back(docs: Site, guest: Guest) -> None:
    page = guest.open(docs.url)
    content = page.locator("main")
    content.get_by_role("link", name="the first steps").click()
    shows(page, "First steps")
    content.get_by_role("link", name="the details").click()
    shows(page, "Details")
    expect(page).to_have_url(re.compile(r"/guide/details(\.html)?#soil$"))
    page.get_by_role("banner").get_by_role("link", name="API").click()
    shows(page, "API overview")
    expect(page).to_have_url(f"{docs.url}/api/")
    content.get_by_role("link", name="the store").click()
    shows(page, "The store")
    page.reload()
    shows(page, "The store")
    for title in ("API overview", "Details", "First steps", "Handbook"):
        page.go_back()
        shows(page, title)
    page.go_forward()
    shows(page, "First steps")


def test_the_search_of_a_handbook(docs: Site, guest: Guest) -> None:
    page = guest.open(f"{docs.url}/api/")
    page.get_by_role("button", name="Search").first.click()
    page.get_by_role("searchbox").fill("chrysanthemums")
    expect(page.get_by_role("option")).to_have_count(1)
    page.get_by_role("option").click()
    shows(page, "Details")
    expect(page).to_have_url(re.compile(r"/guide/details(\.html)?#soil$"))


@pytest.mark.parametrize("path", ["/nothing", "/guide/", "/api/nothing/at/all", "/nothing.html"])
def test_the_404_page_of_a_handbook(docs: Site, guest: Guest, path: str) -> None:
    page = guest.page()
    guest.lost(page, docs.url + path)
    expect(page.get_by_text("PAGE NOT FOUND")).to_be_visible()
    page.get_by_role("link", name="home").click()
    shows(page, "Handbook")
    page.go_back()
    expect(page.get_by_text("PAGE NOT FOUND")).to_be_visible()


def test_a_site_whose_folders_begin_with_an_underscore(deployed: Callable[..., Site], guest: Guest) -> None:
    kit = deployed("kit")
    page = guest.page()
    pages = {
        "/": "Notebook",
        "/about": "About",
        "/about.html": "About",
        "/about/": "About",
        "/notes/first": "Note first",
    }
    for path, title in pages.items():
        assert status(page, kit.url + path) == 200, path
        shows(page, title)
    page.goto(kit.url)
    page.get_by_role("button").click()
    expect(page.get_by_role("button")).to_have_text("Pressed 1")
    page.get_by_role("link", name="About").click()
    shows(page, "About")
    expect(page.get_by_role("heading")).to_have_css("color", "rgb(1, 1, 99)")
    page.get_by_role("link", name="First").click()
    shows(page, "Note first")
    page.go_back()
    shows(page, "About")
    page.go_back()
    shows(page, "Notebook")
    forever = kit.names("_app/immutable/**/*")
    assert len(forever) > 8
    for path in forever:
        assert kit.get(f"/{path}").headers["Cache-Control"] == FOR_EVER, path
    assert kit.get("/_app/version.json").headers["Cache-Control"] != FOR_EVER
    assert kit.get("/_app/immutable/nodes/9.AbCd3fGh.js").status == 404


def test_the_404_page_of_a_site_that_routes_in_it(deployed: Callable[..., Site], guest: Guest) -> None:
    kit = deployed("kit")
    page = guest.page()
    guest.lost(page, f"{kit.url}/nowhere/at/all")
    shows(page, "Error 404")
    # not made beforehand, but the router knows it
    guest.lost(page, f"{kit.url}/notes/second")
    shows(page, "Note second")
    page.get_by_role("link", name="Home").click()
    shows(page, "Notebook")
