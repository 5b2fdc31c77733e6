"""Browser tests of the gallery and the schema page: Debian's Chromium, and the service as a container runs it.

Exhaustive tests save screenshots in .data/screenshots.
"""

import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageOps
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, Route, expect
from psycopg.rows import scalar_row

from app.catalogue import tokens
from app.embedded_postgres import Server
from app.settings import ROOT
from tests.cli.test_entrypoint import ready
from tests.conftest import _database, free_port
from tests.migrations.test_backend import wait_until
from tests.support.browser import chromium, needs_chromium
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.pictures import photo, picture
from tests.support.serving import serving
from tests.web.test_tokens import bearer

AXE = Axe()
SCREENSHOTS = ROOT / ".data" / "screenshots"
MANY = 10_000 if EXHAUSTIVE else 3_000  # images that a user scrolls through

expect.set_options(timeout=60_000)
pytestmark = needs_chromium


class Site:
    """A running service, and its database."""

    def __init__(self, port: int, database: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self.api = f"{self.url}v1/images"
        self.database = database
        self.connection = psycopg.connect(database, autocommit=True, row_factory=scalar_row)

    def upload(self, seed: int = 0, size: tuple[int, int] = (640, 427), content: bytes = b"", **fields: Any) -> str:
        """Upload an image. Return its ID."""
        files = {"file": (fields.pop("filename", f"{seed}.png"), content or picture("PNG", size, seed))}
        response = httpx.post(self.api, files=files, data=fields, timeout=60)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def rows(self, count: int) -> None:
        """Insert rows without bytes. They are older than all other images."""
        self.connection.execute(
            """
            INSERT INTO images
                (id, filename, content_type, byte_size, width, height, content_sha256, own_key, created_at)
            SELECT gen_random_uuid(), n || '.jpg', 'image/jpeg', 3, 300 + n * 37 %% 500, 300, digest, 'gone/' || n,
                timestamptz '2020-01-01Z' - n * interval '1 second'
            FROM generate_series(1, %s) AS n, sha256(n::text::bytea) AS digest
            """,
            [count],
        )

    def token(self, scope: str) -> str:
        """Create a token, named after its scope. Return its text."""
        token = tokens.make()
        row = [token.id, scope, scope, token.sha256]
        self.connection.execute("INSERT INTO tokens (id, name, scope, sha256) VALUES (%s, %s, %s, %s)", row)
        return token.text

    def titles(self) -> list[str | None]:
        """Return all titles, oldest image first."""
        return self.connection.execute("SELECT title FROM images ORDER BY created_at, id").fetchall()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def module_database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    yield from _database(server, admin, template)


@pytest.fixture(scope="module")
def running(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port = free_port()
    with serving(module_database, port, tmp_path_factory.mktemp("objects")):
        wait_until(lambda: ready(port))
        site = Site(port, module_database)
        yield site
        site.connection.close()


@pytest.fixture
def site(running: Site) -> Site:
    """The service, with an empty database."""
    running.connection.execute("TRUNCATE images CASCADE")
    return running


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        locale="en-GB",
        timezone_id="Europe/Paris",
        reduced_motion="reduce",  # each step of an animation takes CPU
    )
    context.set_default_timeout(60_000)
    return context


@pytest.fixture(scope="module")
def shared(browser: Browser) -> BrowserContext:
    """The browser context of most tests. Each context starts a process."""
    context = new_context(browser)
    context.new_page()  # which keeps the process between two tests
    return context


@pytest.fixture
def context(shared: BrowserContext) -> Iterator[BrowserContext]:
    """The shared browser context. After the test, it is as it was: without pages, cached files, and permissions."""
    empty, *_ = shared.pages
    yield shared
    for page in shared.pages[1:]:
        page.close()
    shared.clear_permissions()
    shared.clear_cookies()
    session = shared.new_cdp_session(empty)
    session.send("Network.clearBrowserCache")
    session.detach()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    with watched_page(context) as page:
        yield page


@contextmanager
def watched_page(context: BrowserContext) -> Iterator[Page]:
    """Browser tab. The test fails if a script fails or if the content security policy blocks something."""
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if "Content Security" in message.text else None)
    yield page
    assert said == []


def tiles(page: Page) -> Locator:
    return page.locator("#grid li")


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("link", name=name, exact=True)


def show_form(page: Page) -> None:
    """Show the information of the open image, with the form."""
    page.get_by_role("button", name="Information").click()


def drop(page: Page, *paths: Path) -> None:
    """Drag files and folders from another window over the page, and drop them."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
        if kind == "dragOver":
            expect(page.get_by_text("Drop images or folders")).to_be_visible()


def axe(page: Page) -> list[str]:
    """Return the accessibility violations that axe-core finds."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)")
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def test_a_dropped_folder_is_uploaded_and_each_file_shows_its_result(site: Site, page: Page, tmp_path: Path) -> None:
    site.upload(seed=1, filename="old.jpg")
    folder = tmp_path / "holiday"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(picture(seed=2))
    (folder / "more" / "תמונה.png").write_bytes(picture("PNG", seed=3))
    (folder / "again.jpg").write_bytes(picture("PNG", (640, 427), 1))
    (folder / "notes.txt").write_text("These are no pictures.")
    (folder / ".hidden").write_bytes(picture(seed=4))
    page.goto(site.url)
    expect(tiles(page)).to_have_count(1)

    drop(page, folder)

    expect(page.locator("#tray-title")).to_have_text("Uploads: 2 new, 1 already here, 1 rejected")
    lines = page.locator("#tray li")
    problem = httpx.post(site.api, files={"file": ("notes.txt", b"These are no pictures.")}).json()
    expect(lines.filter(has_text="notes.txt")).to_contain_text(f"{problem['title']}: {problem['detail']}")
    expect(lines.filter(has_text="notes.txt").get_by_role("button")).to_have_count(0)
    expect(lines.first).to_contain_text("notes.txt")
    expect(lines.filter(has_text="again.jpg")).to_contain_text("Already here")
    expect(tiles(page)).to_have_count(3)
    lines.filter(has_text="תמונה.png").get_by_role("link", name="תמונה.png").click()
    expect(page.get_by_role("dialog", name="תמונה.png")).to_be_visible()
    assert axe(page) == []


def test_the_address_holds_search_and_filters_and_the_back_button_restores_them(
    site: Site, context: BrowserContext, page: Page
) -> None:
    site.upload(seed=1, title="Lighthouse in the fog", tags=["coast", "night"])
    site.upload(seed=2, title="Lighthouse at noon", tags=["coast", "noon"])
    site.upload(seed=3, title="Bridge", tags=["night"])
    page.goto(site.url)
    expect(tiles(page)).to_have_count(3)
    assert 10_000 < page.evaluate(WEIGHT) < 78_000

    page.keyboard.press("/")
    page.keyboard.type("lighthouse")
    page.keyboard.press("Enter")
    expect(tiles(page)).to_have_count(2)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("combobox", name="Tag").press_sequentially("ni")
    expect(page.locator("#with-known [role=option]")).to_have_text(["night2"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(tiles(page)).to_have_count(1)
    expect(page).to_have_url(f"{site.url}?q=lighthouse&tag=night")
    assert axe(page) == []

    shared = context.new_page()
    shared.goto(page.url)
    expect(tiles(shared)).to_have_text(["Lighthouse in the fog"])
    expect(shared.get_by_role("searchbox")).to_have_value("lighthouse")

    page.get_by_role("button", name="Remove the tag night").click()
    expect(tiles(page)).to_have_count(2)
    page.get_by_label("Sort by").select_option("Name")
    expect(tiles(page)).to_have_text(["Lighthouse in the fog", "Lighthouse at noon"])
    page.go_back()
    page.go_back()
    expect(tiles(page)).to_have_text(["Lighthouse in the fog"])
    page.go_back()
    page.go_back()
    expect(tiles(page)).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.get_by_label("Type").select_option("GIF")
    expect(page.locator("#state")).to_contain_text("No images match.")
    page.get_by_role("button", name="Show all images").click()
    expect(tiles(page)).to_have_count(3)


def test_a_user_scrolls_through_thousands_of_images_and_back(site: Site, page: Page) -> None:
    site.rows(MANY)
    site.upload(title="The newest")
    page.add_init_script(
        """
        shifts = 0; // of images: more of them move what is below
        new PerformanceObserver((list) => {
            const isInGrid = ({ node }) => document.getElementById("grid").contains(node);
            for (const one of list.getEntries()) if (one.sources.some(isInGrid)) shifts += one.value;
        }).observe({ type: "layout-shift", buffered: true });
        """
    )
    page.goto(site.url)
    expect(tile(page, "The newest")).to_be_visible()

    page.evaluate(
        """(all) => new Promise((done) => {
            const on = () => {
                scrollTo(0, document.body.scrollHeight);
                const end = document.getElementById("state").textContent.includes(all);
                end || performance.now() > 60_000 ? done() : requestAnimationFrame(on);
            };
            on();
        })""",
        f"{MANY + 1:,}",
    )

    expect(tile(page, f"{MANY}.jpg")).to_be_in_viewport()
    assert 0 < tiles(page).count() < 300
    page.keyboard.press("Home")
    expect(tile(page, "The newest")).to_be_in_viewport()
    expect(page.locator("#grid img.there")).to_have_count(1)
    assert 0 < tiles(page).count() < 300
    assert page.evaluate("shifts") < 0.01


PLACES = """
    [...document.querySelectorAll("#grid li")].map((tile) => {
        const { x, y, width, height } = tile.getBoundingClientRect();
        return [tile.textContent, [x, y + scrollY, width, height].map(Math.round).join()];
    })
"""


@pytest.mark.parametrize("fails", [False, True], ids=["page", "failure"])
def test_the_next_page_moves_no_image_that_is_shown(site: Site, page: Page, fails: bool) -> None:
    """A last row that is not full waits for the next page, which changes its height. It is shown if there is none."""
    site.rows(120)
    site.connection.execute("UPDATE images SET width = height")  # five in a row, and the sixth tells its height
    waiting: list[Route] = []
    page.route("**/v1/images?*cursor=*", lambda route: waiting.append(route))  # Playwright needs a function
    page.goto(site.url)
    tile(page, "1.jpg").focus()
    page.keyboard.press("End")
    expect(page.locator("#grid .none:focus")).to_be_in_viewport()  # it has no thumbnail, so its name is shown
    wait_until(lambda: page.evaluate("true") and waiting != [])
    before = dict(page.evaluate(PLACES))
    assert "45.jpg" in before
    assert "50.jpg" not in before

    if fails:
        waiting.pop().fulfill(status=500, json={})
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
        expect(tile(page, "50.jpg")).to_be_attached()
    else:
        waiting.pop().continue_()
        expect(tile(page, "51.jpg")).to_be_attached()

    after = dict(page.evaluate(PLACES))
    assert {name: after.get(name) for name in before} == before


def test_the_back_button_restores_the_scroll_position(site: Site, page: Page) -> None:
    site.rows(1000)
    site.upload(title="Bridge")
    page.goto(site.url)
    tile(page, "Bridge").focus()
    for _ in range(3):
        page.keyboard.press("End")
        page.wait_for_timeout(0)
    expect(tiles(page).first).not_to_contain_text("Bridge")
    y = page.evaluate("scrollY")
    assert y > 3000

    page.get_by_role("searchbox").fill("bridge")
    page.keyboard.press("Enter")
    expect(tiles(page)).to_have_count(1)
    page.go_back()

    expect(page.locator("#grid li").nth(20)).to_be_attached()
    assert abs(page.evaluate("scrollY") - y) < 2


def test_a_user_downloads_an_image_and_copies_its_link(site: Site, context: BrowserContext, page: Page) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    content = picture("GIF")
    id = site.upload(content=content, filename="kätzchen.gif")
    page.goto(f"{site.url}?q=kätzchen")
    tile(page, "kätzchen.gif").click()
    expect(page.locator("#full")).to_have_js_property("naturalWidth", 60)

    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()

    assert download.value.suggested_filename == "kätzchen.gif"
    assert download.value.path().read_bytes() == content
    assert page.evaluate("navigator.clipboard.readText()") == f"{site.url}?image={id}"


def test_an_edit_is_saved_and_a_conflicting_edit_of_another_user_is_shown(site: Site, page: Page) -> None:
    id = site.upload(title="Har\u202ebor", tags=["sea"])
    page.goto(f"{site.url}?image={id}")
    show_form(page)
    title = page.get_by_role("textbox", name="Title")
    expect(title).to_have_value("Har\u202ebor")
    expect(page).to_have_title("\u2068Harbor\u2069 · Images")  # U+202E would turn the direction of the words behind it

    title.fill("Harbour")
    page.get_by_role("combobox", name="Tags").fill("boats")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.get_by_role("dialog", name="Harbour")).to_be_visible()
    image = httpx.get(f"{site.api}/{id}").json()
    assert (image["title"], image["tags"]) == ("Harbour", ["sea", "boats"])

    httpx.patch(f"{site.api}/{id}", json={"title": "Port", "description": "Theirs"}, headers=MERGE)
    title.fill("Haven")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Their title")).to_contain_text("Port")
    expect(page.get_by_role("alert")).to_contain_text("Haven")
    assert axe(page) == []
    page.get_by_role("button", name="Keep yours").click()
    expect(page.locator("#saved")).to_have_text("Saved")
    image = httpx.get(f"{site.api}/{id}").json()
    assert (image["title"], image["description"]) == ("Haven", "Theirs")

    httpx.patch(f"{site.api}/{id}", json={"title": "Port"}, headers=MERGE)
    title.fill("Quay")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Use theirs").click()
    expect(title).to_have_value("Port")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()

    httpx.patch(f"{site.api}/{id}", json={"title": "Pier"}, headers=MERGE)
    page.get_by_role("textbox", name="Description").fill("Mine")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Both changes are saved")).to_be_visible()
    image = httpx.get(f"{site.api}/{id}").json()
    assert (image["title"], image["description"]) == ("Pier", "Mine")


# Bytes on the network, compressed, of the page and its files.
WEIGHT = """
    performance.getEntries().filter((entry) => entry.entryType === "navigation" || entry.name.includes("/static/"))
        .reduce((sum, { transferSize }) => sum + transferSize, 0)
"""
MERGE = {"Content-Type": "application/merge-patch+json"}


def test_the_gallery_asks_about_unsaved_changes_before_it_leaves_an_image(site: Site, page: Page) -> None:
    site.upload(seed=1, title="One")
    site.upload(seed=2, title="Two")
    page.goto(site.url)
    tile(page, "Two").click()
    show_form(page)
    title = page.get_by_role("textbox", name="Title")
    title.fill("Second")

    title.blur()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keep editing").click()
    expect(title).to_be_focused()
    page.get_by_role("button", name="Next image").click()
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.get_by_role("dialog", name="One")).to_be_visible()
    title.fill("First")
    page.go_back()
    page.get_by_role("alert").get_by_role("button", name="Save").click()

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(site.url)
    expect(tile(page, "First")).to_be_focused()
    assert site.titles() == ["First", "Two"]


def test_a_delete_can_be_undone_until_the_user_leaves_the_page(site: Site, page: Page) -> None:
    site.upload(seed=1, title="One")
    site.upload(seed=2, title="Two")
    site.upload(seed=3, title="Three")
    page.goto(site.url)

    tile(page, "Two").click()
    page.get_by_role("button", name="Delete").click()
    expect(tiles(page)).to_have_text(["Three", "One"])
    expect(tile(page, "One")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(tiles(page)).to_have_text(["Three", "Two", "One"])
    expect(tile(page, "Two")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete").click()
    page.keyboard.press("Control+z")
    expect(tiles(page)).to_have_count(3)
    assert site.titles() == ["One", "Two", "Three"]

    tile(page, "Three").click()
    page.get_by_role("button", name="Delete").click()
    expect(tiles(page)).to_have_text(["Two", "One"])
    page.goto("about:blank")
    wait_until(lambda: site.titles() == ["One", "Two"])


def test_a_rejected_delete_restores_the_image(site: Site, browser: Browser) -> None:
    """In a context of its own, because a clock that stands stays in its context."""
    id = site.upload(title="One")
    with new_context(browser) as context, watched_page(context) as page:
        page.goto(site.url)
        page.clock.install()
        tile(page, "One").click()
        expect(page.get_by_role("button", name="Delete")).to_be_enabled()
        httpx.patch(f"{site.api}/{id}", json={"title": "One, improved"}, headers=MERGE)
        page.get_by_role("button", name="Delete").click()
        expect(page.locator("#state")).to_contain_text("No images yet")
        expect(page.locator("[name=q]")).to_be_focused()  # no image is left

        page.clock.fast_forward(10_000)

        expect(page.get_by_text("One\u2069 was not deleted. Another user changed it.")).to_be_visible()
        expect(tiles(page)).to_have_count(1)
        assert site.titles() == ["One, improved"]


def test_the_keyboard_reaches_every_image(site: Site, page: Page) -> None:
    for seed in range(1, 9):
        site.upload(seed=seed, title=f"Image {seed}")
    page.goto(site.url)
    expect(tiles(page)).to_have_count(8)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the images")).to_be_focused()
    page.keyboard.press("Enter")
    expect(tile(page, "Image 8")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(tile(page, "Image 3")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(tile(page, "Image 7")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Image 7")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="Image 6")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(tile(page, "Image 6")).to_be_focused()
    page.keyboard.press("End")
    expect(tile(page, "Image 1")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("dialog", name="Image 2")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator("#grid :focus")).to_have_count(0)  # all images are one tab stop
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_a_tile_is_painted_before_its_thumbnail_arrives(site: Site, page: Page) -> None:
    site.upload(content=landscape(1, (640, 400)), title="One")
    waiting: list[Route] = []
    page.route("**/thumbnail*", lambda route: waiting.append(route))  # Playwright needs a function
    page.goto(site.url)

    canvas = tile(page, "One").locator("canvas")
    expect(canvas).to_be_visible()
    shape, top, bottom = canvas.evaluate(
        """canvas => {
            const pixel = (y) => [...canvas.getContext("2d").getImageData(16, y, 1, 1).data];
            return [[canvas.width, canvas.height], pixel(1), pixel(canvas.height - 2)];
        }"""
    )
    thumbnail = Image.open(io.BytesIO(landscape(1, (640, 400)))).convert("RGB").resize((32, 20))
    assert shape[0] == 32
    for found, y in ((top, 1), (bottom, 18)):
        expected = thumbnail.getpixel((16, y))
        assert isinstance(expected, tuple)
        assert max(abs(a - b) for a, b in zip(found[:3], expected, strict=True)) < 60
        assert found[3] == 255

    while waiting:
        waiting.pop().continue_()
    expect(page.locator("#grid img.there")).to_have_count(1)
    expect(canvas).to_have_count(0)


def test_the_information_has_the_capture_and_leads_to_the_camera(site: Site, page: Page) -> None:
    site.upload(content=photo(seed=1), title="Boat")
    site.upload(content=picture(seed=2), title="Scan")
    site.upload(content=photo(seed=3, zone=None, gps=False, t272="EOS M"), title="Local")
    page.goto(f"{site.url}?sort=captured")
    expect(tiles(page)).to_have_count(3)
    assert [link.inner_text() for link in tiles(page).all()][2] == "Scan"

    tile(page, "Boat").click()
    show_form(page)
    facts = page.locator("#facts")
    for text in ("14 Jul 2026, 18:30", "RF85mm", "85 mm, f/2.8, 1/250 s, ISO 400", "48.20833° N, 11.57000° W, -12 m"):
        expect(facts).to_contain_text(text)
    facts.get_by_role("button", name="Canon EOS R5").click()
    expect(tiles(page)).to_have_count(1)
    expect(page.locator("#chips")).to_contain_text("Canon EOS R5")

    tile(page, "Boat").click()
    facts.get_by_role("button", name="48.20833° N").click()
    expect(tiles(page)).to_have_count(1)
    expect(page.locator("#chips")).to_have_text("Near 48.21° N, 11.57° W\u00d7")  # and no other filter
    page.get_by_role("button", name="Remove the filter Near").click()
    expect(tiles(page)).to_have_count(3)
    tile(page, "Local").click()
    expect(facts).to_contain_text("14 Jul 2026, 18:30, local time")
    expect(facts).to_contain_text("Canon EOS M")


DAYS = [  # the time that the camera wrote, its offset, and whether it is in July
    ("2026:06:30 23:59:59", None, False),
    ("2026:06:30 23:30:00", "-11:00", False),
    ("2026:07:01 00:00:00", None, True),
    ("2026:07:01 00:00:00", "+14:00", True),
    ("2026:07:14 18:30:05", "+02:00", True),
    ("2026:07:31 23:59:59", None, True),
    ("2026:07:31 23:30:00", "-11:00", True),
    ("2026:08:01 00:00:00", None, False),
    ("2026:08:01 00:30:00", "+14:00", False),
]


def test_a_day_is_that_of_the_camera_and_not_of_the_reader(site: Site, browser: Browser) -> None:
    for seed, (taken, offset, _) in enumerate(DAYS):
        site.upload(content=photo(seed=seed, taken=taken, zone=offset), title=f"{taken} {offset}")
    names = {f"{taken} {offset}" for taken, offset, in_july in DAYS if in_july}
    with browser.new_context(locale="en-GB", timezone_id="America/Los_Angeles") as context:
        page = context.new_page()
        page.goto(site.url)
        page.get_by_role("button", name="Filters").click()
        page.get_by_label("Taken from").fill("2026-07-01")
        page.get_by_label("Taken until").fill("2026-07-31")
        expect(page.locator("#state")).to_have_text(f"{len(names)} images")
        assert set(tiles(page).all_inner_texts()) == names
        expect(page.locator("#chips")).to_have_text("Taken in July 2026\u00d7")
        page.get_by_label("Taken until").fill("2026-07-30")
        expect(page.locator("#chips")).to_have_text("Taken from 1 Jul 2026\u00d7Taken until 30 Jul 2026\u00d7Clear all")

        page.goto(f"{site.url}?q=july")
        page.get_by_role("button", name="Taken in July 2026").click()
        expect(page.locator("#state")).to_have_text(f"{len(names)} images")
        tile(page, "2026:07:14 18:30:05 +02:00").click()
        show_form(page)
        expect(page.locator("#facts")).to_contain_text("14 Jul 2026, 18:30, UTC+02:00")


def test_texts_of_clients_and_of_files_are_shown_as_text(site: Site, page: Page) -> None:
    """The content security policy would stop the scripts, but not the elements."""
    markup = '<i class="injected">x</i><svg onload="pwned=1">'
    content = photo(seed=9, t271=markup, t272=markup, t270=markup)
    fields: dict[str, Any] = {"title": markup, "tags": [markup], "attributes": json.dumps({markup: markup})}
    id = site.upload(content=content, filename=f"{markup}.jpg", description=markup, **fields)
    page.goto(f"{site.url}?image={id}")
    show_form(page)
    expect(page.locator("#facts")).to_contain_text(markup)
    assert page.locator(".injected, [onload]").count() == 0

    page.goto(f"{site.url}?q={quote(markup)}&tag={quote(markup)}")
    expect(page.locator("#chips")).to_contain_text(markup)
    expect(tiles(page)).to_have_count(1)
    assert page.locator(".injected, [onload]").count() == 0

    site.upload(content=picture(seed=2), filename="blank.jpg", title="\u202e \u200b")  # nothing that can be seen
    page.set_viewport_size({"width": 640, "height": 256})  # as with a zoom of 400 %
    page.goto(site.url)
    expect(tile(page, "blank.jpg")).to_have_count(1)
    header = page.locator("body > header")
    expect(header).to_have_css("position", "sticky")
    page.get_by_role("button", name="Filters").click()
    expect(header).to_have_css("position", "static")  # it would cover the whole window


def test_an_image_opens_without_the_form_and_can_be_zoomed(site: Site, page: Page) -> None:
    site.upload(content=landscape(1, (1600, 1000)), title="One")
    page.goto(f"{site.url}?created_after=yesterday")
    expect(page.locator("#chips")).to_contain_text("From “yesterday”, which is no date")
    page.goto(site.url)
    ring = tile(page, "One")
    expect(ring).to_be_visible()  # the link to skip leads to it
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(ring).to_be_focused()
    expect(ring).to_have_css("outline-style", "solid")
    expect(ring).to_have_css("outline-width", "3px")
    assert page.locator("#grid li").evaluate("({ contain }) => !/strict|content|paint/.test(contain)")

    page.keyboard.press("Enter")
    full, panel = page.locator("#full"), page.get_by_role("region", name="About the image")
    expect(full).to_be_visible()
    expect(panel).to_be_hidden()
    page.keyboard.press("i")
    expect(panel).to_be_visible()
    page.keyboard.press("i")
    expect(panel).to_be_hidden()

    expect(full).to_have_js_property("naturalWidth", 1280)  # the thumbnail
    page.keyboard.press("+")
    expect(full).to_have_css("transform", re.compile(r"^matrix\(1\.5, 0, 0, 1\.5, "))
    expect(full).to_have_js_property("naturalWidth", 1600)  # the image itself
    page.keyboard.press("-")
    expect(full).to_have_css("transform", "none")
    full.dblclick(position={"x": 10, "y": 10})
    expect(full).to_have_css("transform", re.compile(r"^matrix\(2\.5, 0, 0, 2\.5, [1-9]"))  # towards the corner
    page.mouse.wheel(0, 3000)
    expect(full).to_have_css("transform", "none")
    page.mouse.wheel(0, -100)
    expect(full).to_have_css("transform", re.compile(r"^matrix\(1\.5, "))
    page.keyboard.press("0")
    expect(full).to_have_css("transform", "none")

    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Help")
    expect(keys.get_by_text("Two fingers")).to_be_hidden()
    expect(keys.get_by_role("link", name="API")).to_have_attribute("href", "docs")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(full).to_be_visible()
    page.keyboard.press("Delete")
    expect(page.get_by_text("Deleted \u2068One\u2069")).to_be_visible()


def test_a_picture_without_a_preview_offers_its_bytes_and_an_animated_png_moves(site: Site, page: Page) -> None:
    site.rows(1)
    [row] = site.connection.execute("SELECT id FROM images")
    frames = [Image.new("RGB", (1500, 40), color) for color in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    site.upload(content=file.getvalue(), title="Moving")
    no_thumbnail = {"type": "/problems/no-thumbnail", "title": "These bytes have no thumbnail", "status": 404}
    # Before the page is open, because the viewer loads the next picture ahead.
    page.route(f"**/{row}/thumbnail*", lambda route: route.fulfill(status=404, json=no_thumbnail))
    page.goto(site.url)

    tile(page, "Moving").click()
    expect(page.locator("#full")).to_have_js_property("naturalWidth", 1500)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("alert")).to_contain_text("This image has no preview.")
    expect(page.get_by_role("button", name="Download the original")).to_be_visible()

    page.unroute(f"**/{row}/thumbnail*")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("An upload of the same bytes restores them.")
    expect(page.get_by_role("button", name="Download the original")).to_have_count(0)


def test_an_image_that_cannot_be_loaded_ahead_shows_no_message(site: Site, page: Page) -> None:
    ahead = site.upload(seed=1, title="Ahead")
    site.upload(seed=2, title="Open")
    page.goto(site.url)
    page.evaluate(
        """(ahead) => {
            const blob = Response.prototype.blob;
            Response.prototype.blob = async function () {
                if (!this.url.endsWith(`${ahead}/thumbnail?size=1280`)) return blob.call(this);
                document.body.dataset.broken = "";
                throw new DOMException("signal is aborted without reason", "AbortError");
            };
        }""",
        ahead,
    )
    tile(page, "Open").click()
    expect(page.locator("body[data-broken]")).to_have_count(1)
    expect(page.get_by_role("dialog", name="Open").get_by_role("alert")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("dialog", name="Ahead")).to_be_visible()


def test_the_gallery_says_that_the_service_cannot_be_reached_and_recovers(site: Site, page: Page) -> None:
    id = site.upload(title="One")
    away = threading.Event()
    page.route("**/v1/**", lambda route: route.abort("connectionrefused") if away.is_set() else route.continue_())
    away.set()
    page.goto(site.url)
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    assert axe(page) == []
    page.get_by_role("button", name="Try again").click()  # the page itself tries again after 5 s
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    away.clear()
    page.get_by_role("button", name="Try again").click()
    tile(page, "One").click()
    show_form(page)
    title = page.get_by_role("textbox", name="Title")
    title.fill("Two")

    away.set()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Your changes were not saved. The service cannot be reached.")
    away.clear()
    page.keyboard.press("Enter")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert site.titles() == ["Two"]

    page.route("**/v1/images?*", busy_once())
    page.goto(f"{site.url}?sort=oldest")
    expect(page.get_by_text("The database cannot be reached. Trying again…")).to_be_visible()
    expect(tile(page, "Two")).to_be_visible()
    page.goto(f"{site.url}?image={id[:-4]}0000")
    expect(page.get_by_text("This image does not exist, or it was deleted.")).to_be_visible()


def test_an_image_in_the_address_that_is_no_id_is_not_asked_for(site: Site, page: Page) -> None:
    site.upload(title="One")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for image in ("../schema", "1", "x?y"):
        page.goto(f"{site.url}?image={image}")

        expect(tile(page, "One")).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()
    paths = {url.removeprefix(site.url).partition("?")[0] for url in asked if url.startswith(site.api)}
    known = r"v1/images(/[0-9a-f-]{36}/(thumbnail|content))?"
    assert {path for path in paths if not re.fullmatch(known, path)} == set()
    assert not [url for url in asked if url.startswith(f"{site.url}v1/schema")]


def busy_once() -> Callable[[Route], None]:
    """Return a handler that answers the first request with 503 and lets the others through."""
    answers = iter([503])

    def answer(route: Route) -> None:
        if status := next(answers, None):
            problem = {"title": "Service Unavailable", "status": status, "detail": "The database cannot be reached."}
            route.fulfill(status=status, json=problem, headers={"Retry-After": "1"})
        else:
            route.continue_()

    return answer


class Line:
    """TCP relay to a port. While it is `held`, it drops large chunks. After `cut`, it closes every connection."""

    def __init__(self, port: int) -> None:
        self.to = ("127.0.0.1", port)
        self.held = self.dead = False
        self.ends: list[socket.socket] = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.dead:
                    client.close()
                    continue
                server = socket.create_connection(self.to)
                self.ends += [client, server]
                threading.Thread(target=self._copy, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._copy, args=(server, client, False), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, holds: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if holds and len(chunk) > 16384 and self.held:
                    return
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        self.dead = True
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()


@pytest.fixture(scope="module")
def touching(browser: Browser) -> Iterator[BrowserContext]:
    """The browser context of a phone."""
    with browser.new_context(
        viewport={"width": 390, "height": 844},
        device_scale_factor=3,
        is_mobile=True,
        has_touch=True,
        locale="en-GB",
        timezone_id="Europe/Paris",
        reduced_motion="reduce",
    ) as context:
        context.set_default_timeout(60_000)
        yield context


@pytest.fixture
def phone(touching: BrowserContext) -> Iterator[Page]:
    """Browser tab of a phone."""
    with watched_page(touching) as page:
        yield page
        page.close()


def touch(page: Page, *fingers: Sequence[tuple[float, float]]) -> None:
    """Put fingers on the page, move each along its points, and lift them one after the other."""
    session = page.context.new_cdp_session(page)
    for number, points in enumerate(zip(*fingers, strict=True)):
        touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        kind = "touchMove" if number else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    for left in reversed(range(len(fingers))):
        kind = "touchMove" if left else "touchEnd"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches[:left]})


def pinch(page: Page, *distances: float) -> None:
    """Put two fingers on the middle of the page, and change the distance of each to it."""
    touch(page, [(195 - distance, 420) for distance in distances], [(195 + distance, 430) for distance in distances])


def test_two_fingers_zoom_the_image_and_one_finger_opens_another(site: Site, phone: Page) -> None:
    site.upload(seed=1, title="First")
    site.upload(content=landscape(2, (1600, 1000)), title="Second")
    site.upload(seed=3, title="Third")
    phone.goto(site.url)
    tile(phone, "Second").tap()
    full, name = phone.locator("#full"), phone.locator("#picture-title")
    expect(full).to_have_js_property("naturalWidth", 1280)

    pinch(phone, 60, 90, 120, 150)
    expect(full).to_have_css("transform", re.compile(r"^matrix\(2\.[45]"))
    expect(full).to_have_js_property("naturalWidth", 1600)  # the image itself: the thumbnail would be blurred
    assert phone.evaluate("visualViewport.scale") == 1
    expect(phone.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    touch(phone, [(100, 400), (150, 410), (250, 400)])
    expect(full).to_have_css("transform", re.compile(r"^matrix\(2\.[45].*, [1-9][0-9.]+, "))  # moved, and not swiped
    pinch(phone, 150, 100, 40, 20)
    expect(full).to_have_css("transform", "none")
    for distances in [(120, 60, 30), (60, 120, 30), (30, 150, 20)]:
        pinch(phone, *distances)
    expect(full).to_have_css("transform", "none")
    touch(phone, [(195, 300), (200, 350), (265, 500)])  # more down than aside
    expect(name).to_have_text("Second")

    touch(phone, [(300, 420), (250, 420), (150, 425)])
    expect(name).to_have_text("First")
    touch(phone, [(100, 420), (150, 420), (250, 425)])
    expect(name).to_have_text("Second")

    phone.get_by_role("button", name="Close").tap()
    expect(phone.get_by_role("dialog")).to_have_count(0)
    phone.get_by_role("button", name="Help").tap()
    expect(phone.get_by_role("dialog", name="Help")).to_contain_text("Two fingers")
    expect(phone.locator("#help kbd").first).to_be_hidden()  # a phone has no keys
    assert axe(phone) == []


def box(locator: Locator) -> FloatRect:
    found = locator.bounding_box()
    assert found
    return found


def small_targets(page: Page) -> list[str]:
    """Return what is on top of the page, and smaller than 44 pixels, which is too small for a finger."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a")]
            .filter((it) => it.checkVisibility() && !it.matches("[type=file], .skip, #tray a, p a, #grid a"))
            .filter((it) => !document.querySelector("dialog[open]") || it.closest("dialog[open]"))
            .map((it) => [it, (it.closest(".check") ?? it).getBoundingClientRect()])
            .filter(([, { width, height }]) => Math.min(width, height) < 44)
            .map(([{ outerHTML }, { width, height }]) => `${width} x ${height}: ${outerHTML.slice(0, 100)}`)"""
    )
    return found


def test_a_finger_filters_by_month_and_sees_each_filter(site: Site, phone: Page) -> None:
    site.upload(content=photo(seed=1), title="Red boat")
    site.upload(content=photo(seed=2, taken="2026:06:30 12:00:00"), title="Blue boat")
    site.upload(content=picture(seed=3), title="Boat on paper")
    phone.goto(site.url)
    search = phone.get_by_role("searchbox")
    search.fill("boat")
    search.press("Enter")
    expect(tiles(phone)).to_have_count(3)
    expect(search).not_to_be_focused()  # the keyboard would cover the results
    phone.get_by_role("button", name="Filters").tap()
    months = phone.locator("[name=month]")
    expect(months.locator("option")).to_have_text(["Any month", "July 2026", "June 2026"])
    assert small_targets(phone) == []
    assert axe(phone) == []

    months.select_option("July 2026")
    expect(tiles(phone)).to_have_text(["Red boat"])
    expect(phone.locator("#chips")).to_have_text("Taken in July 2026\u00d7")
    expect(phone.get_by_label("Taken until")).to_have_value("2026-07-31")
    assert small_targets(phone) == []
    phone.reload()
    phone.get_by_role("button", name="Filters").tap()
    expect(months).to_have_value("2026-07")
    phone.get_by_role("button", name="Remove the filter Taken in July 2026").tap()
    expect(tiles(phone)).to_have_count(3)

    phone.get_by_label("Sort by").select_option("Newest first")
    expect(phone.get_by_label("Sort by")).to_have_value("newest")
    expect(phone.locator("#chips")).to_have_text("Sort: Newest first\u00d7")
    phone.get_by_role("button", name="Remove the filter Sort").tap()
    expect(phone.get_by_label("Sort by")).to_have_value("relevance")


@pytest.mark.parametrize("width", [390, 320])
def test_text_of_twice_the_size_fits_a_phone(site: Site, phone: Page, width: int) -> None:
    id = site.upload(content=photo(seed=1), title="A boat", tags=["sea"])
    phone.set_viewport_size({"width": width, "height": 844})
    phone.add_init_script(
        "addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = '200%'))"
    )
    phone.goto(f"{site.url}?sort=name")
    expect(tiles(phone)).to_have_count(1)
    expect(phone.get_by_role("searchbox")).to_have_css("font-size", "30px")
    phone.get_by_role("button", name="Filters").tap()
    phone.get_by_label("Camera").scroll_into_view_if_needed()
    expect(phone.get_by_label("Camera")).to_be_in_viewport(ratio=1)
    assert cut_off(phone) == []
    phone.get_by_role("button", name="Help").tap()
    assert min(box(text)["width"] for text in phone.locator("#help dd:visible").all()) > 100
    assert cut_off(phone) == []
    phone.goto(f"{site.url}?image={id}")
    expect(phone.locator("#picture-title")).to_have_text("A boat")
    assert box(phone.locator("#picture-title"))["width"] > 80
    show_form(phone)
    assert cut_off(phone) == []


def cut_off(page: Page) -> list[str]:
    """Return the controls that are partly outside of the window at its left or right."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, dd, h2")]
            .filter((it) => it.checkVisibility() && !it.matches(".unseen"))
            .map((it) => [it, it.getBoundingClientRect()])
            .filter(([, { left, right }]) => left < 0 || right > innerWidth)
            .map(([{ outerHTML }, { left, right }]) => `${left} to ${right}: ${outerHTML.slice(0, 100)}`)"""
    )
    return found


def test_the_list_of_uploads_leads_to_each_image_and_takes_their_captions(
    site: Site, phone: Page, tmp_path: Path
) -> None:
    (tmp_path / "boat.jpg").write_bytes(photo(t270="Red boat off Nice"))
    (tmp_path / "scan.tiff").write_bytes(picture("TIFF", (64, 48)))  # which the browser cannot show
    (tmp_path / "later.jpg").write_bytes(photo(seed=1, t270="A pier"))
    phone.goto(site.url)
    lines = phone.locator("#tray li")
    phone.locator("#files").set_input_files([tmp_path / "boat.jpg", tmp_path / "scan.tiff"])
    expect(phone.locator("#tray-title")).to_have_text("Uploads: 2 new")
    phone.get_by_role("button", name="Show each upload").tap()
    expect(lines.nth(0).locator("img")).to_have_js_property("naturalWidth", 60)
    expect(lines.nth(1).locator("img")).to_have_js_property("naturalWidth", 64)
    assert axe(phone) == []
    phone.get_by_label("Use captions and keywords in the files").uncheck()
    phone.context.set_offline(True)
    phone.locator("#files").set_input_files(tmp_path / "later.jpg")
    expect(phone.locator("#tray-title")).to_have_text("Uploads: 2 new, 1 failed")
    phone.context.set_offline(False)
    expect(phone.locator("#tray-title")).to_have_text("Uploads: 3 new")

    lines.filter(has_text="boat.jpg").tap(position={"x": 5, "y": 5})
    expect(phone.get_by_role("dialog", name="boat.jpg")).to_be_visible()
    phone.goto(f"{site.url}?q=boat")
    expect(tiles(phone)).to_have_count(1)
    phone.goto(f"{site.url}?q=pier")
    expect(phone.locator("#state")).to_contain_text("No images match.")


def test_a_comma_or_a_button_ends_a_tag(site: Site, phone: Page) -> None:
    id = site.upload(title="One")
    phone.goto(f"{site.url}?image={id}")
    show_form(phone)
    field, add = phone.get_by_role("combobox", name="Tags"), phone.locator("#edit").get_by_role("button", name="Add")
    expect(add).to_be_hidden()
    field.press_sequentially("summer 2026, Nice,")
    field.fill("sea、boats")
    expect(phone.locator("#tags")).to_have_text("summer 2026\u00d7Nice\u00d7sea\u00d7")
    add.tap()
    expect(add).to_be_hidden()
    expect(field).to_be_focused()
    phone.get_by_role("button", name="Save").tap()
    expect(phone.locator("#saved")).to_have_text("Saved")
    assert httpx.get(f"{site.api}/{id}").json()["tags"] == ["summer 2026", "Nice", "sea", "boats"]


def test_a_finger_finds_the_title_and_the_buttons(site: Site, browser: Browser, tmp_path: Path) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True) as phone:
        page = phone.new_page()
        page.goto(site.url)
        expect(page.locator("#state")).to_contain_text("No images yet.")
        expect(page.locator("#state")).not_to_contain_text("drop")
        (tmp_path / "boat.png").write_bytes(picture("PNG", (64, 48)))
        page.locator("#files").set_input_files(tmp_path / "boat.png")
        expect(page.locator("#tray-title")).to_have_text("Uploads: 1 new")
        tray = page.locator("#tray").bounding_box()
        assert tray
        assert tray["height"] < 844 / 8
        page.get_by_role("button", name="Show each upload").tap()
        page.locator("#tray").get_by_role("link", name="boat.png").tap()

        assert small_targets(page) == []
        assert box(page.locator("#picture-title"))["width"] > 390 / 2
        remove, leave = box(page.locator("#delete")), box(page.locator("#close"))
        assert remove["x"] + remove["width"] + 100 < leave["x"]
        page.get_by_role("button", name="Edit").tap()
        expect(page.get_by_role("textbox", name="Title")).to_be_focused()
        assert small_targets(page) == []
        page.get_by_role("textbox", name="Title").fill("A boat")
        page.get_by_role("button", name="Save").tap()
        expect(page.locator("#picture-title")).to_have_text("A boat")
        page.set_viewport_size({"width": 844, "height": 390})
        assert box(page.locator("#picture figure"))["height"] > 390 / 2  # the information is beside the picture


def test_a_search_is_by_relevance_unless_the_user_chooses_and_knows_months_and_cameras(site: Site, page: Page) -> None:
    site.upload(content=photo(seed=1), title="Red boat")  # taken in July 2026
    site.upload(content=picture(seed=2), title="Pier", description="A boat in front of a pier")
    page.goto(site.url)
    order = page.locator("[name=sort]")
    page.get_by_role("button", name="Filters").click()
    expect(order).to_have_value("newest")

    page.locator("[name=q]").fill("boat")
    page.locator("[name=q]").press("Enter")
    expect(order).to_have_value("relevance")
    expect(tiles(page)).to_have_text(["Red boat", "Pier"])
    order.select_option("newest")
    expect(tiles(page)).to_have_text(["Pier", "Red boat"])

    page.locator("[name=q]").fill("boat July")
    page.locator("[name=q]").press("Enter")
    page.get_by_role("button", name="“boat”, taken in July 2026").click()
    expect(order).to_have_value("captured")
    expect(tiles(page)).to_have_text(["Red boat"])
    expect(page.locator("[name=q]")).to_have_value("boat")

    page.locator("[name=q]").fill("boat canon")
    page.locator("[name=q]").press("Enter")
    page.get_by_role("button", name="“boat”, taken with Canon EOS R5").click()
    expect(tiles(page)).to_have_text(["Red boat"])
    page.locator("[name=camera]").focus()
    expect(page.locator("#cameras option[value='Canon EOS R5']")).to_have_count(1)

    page.locator("[name=q]").fill("2026-07")
    page.locator("[name=q]").press("Enter")
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="Taken in July 2026: 1 image").click()
    expect(tiles(page)).to_have_text(["Red boat"])

    page.get_by_role("button", name="Help").click()
    expect(page.locator("#help")).to_contain_text('"red boat"')


def test_a_user_retries_an_upload_after_a_lost_connection(site: Site, page: Page, tmp_path: Path) -> None:
    line = Line(site.port)
    paths = [tmp_path / f"{seed}.tiff" for seed in range(2)]
    for seed, path in enumerate(paths):
        path.write_bytes(picture("TIFF", (1800, 1800), seed=seed))
    page.goto(f"http://127.0.0.1:{line.port}/")
    expect(page.locator("#state")).to_contain_text("No images yet")

    line.held = True
    page.locator("#files").set_input_files(paths)
    expect(page.locator("#tray li .result").first).to_have_text(re.compile(r"^\d+ %$"))
    expect(page.locator("#tray-title")).to_have_text("Uploading 2")
    line.cut()
    expect(page.locator("#tray-title")).to_have_text("Uploads: 2 failed")
    assert axe(page) == []
    line.held = line.dead = False
    page.get_by_role("button", name="Retry 0.tiff").click()
    expect(page.locator("#tray-title")).to_have_text("Uploads: 1 new, 1 failed")
    page.get_by_role("button", name="Retry 1.tiff").click()

    expect(page.locator("#tray-title")).to_have_text("Uploads: 2 new")
    expect(page.locator("#grid img.there")).to_have_count(2)
    page.route("**/v1/images?use=*", busy_once())
    page.locator("#files").set_input_files(tmp_path / "0.tiff")
    expect(page.locator("#tray li").last).to_contain_text("The database cannot be reached. Trying again…")
    expect(page.locator("#tray-title")).to_have_text("Uploads: 2 new, 1 already here")
    line.listener.close()
    line.cut()


def test_a_user_cancels_uploads(site: Site, page: Page, tmp_path: Path) -> None:
    line = Line(site.port)
    paths = [tmp_path / f"{seed}.tiff" for seed in range(5)]
    for seed, path in enumerate(paths):
        path.write_bytes(picture("TIFF", (1800, 1800), seed=seed))
    page.goto(f"http://127.0.0.1:{line.port}/")
    expect(page.locator("#state")).to_contain_text("No images yet")

    line.held = True
    page.locator("#files").set_input_files(paths)
    expect(page.get_by_role("progressbar", name="All uploads")).to_have_attribute("max", "5")
    page.get_by_role("button", name="Cancel 4.tiff").click()  # it waits
    expect(page.locator("#tray-title")).to_have_text("Uploading 4: 1 canceled")
    page.get_by_role("button", name="Cancel 0.tiff").click()
    expect(page.locator("#tray li")).to_have_count(3)
    assert axe(page) == []
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator("#tray-title")).to_have_text("Uploads: 5 canceled")
    expect(page.locator("#tray li")).to_have_count(0)

    line.held = False
    page.locator("#files").set_input_files(paths[0])
    expect(page.locator("#tray-title")).to_have_text("Uploads: 1 new, 5 canceled")
    assert len(site.titles()) == 1
    line.listener.close()
    line.cut()


def test_the_gallery_asks_for_a_token_once_per_tab(
    site: Site, context: BrowserContext, page: Page, tmp_path: Path
) -> None:
    port = free_port()
    reader, writer = site.token("read"), site.token("write")
    with serving(site.database, port, tmp_path, AUTH="token"):
        wait_until(lambda: ready(port))
        url = f"http://127.0.0.1:{port}/"
        form = {"title": "The one", "tags": ["old", "small"]}
        files = {"file": ("One.jpg", picture())}
        assert httpx.post(f"{url}v1/images", data=form, files=files, headers=bearer(writer)).is_success
        page.goto(url)
        asked = page.get_by_role("dialog", name="Access token")
        expect(asked).to_be_visible()
        assert axe(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        asked.get_by_label("Token").fill("images_wrong")
        page.keyboard.press("Enter")
        expect(asked).to_contain_text("unknown or revoked")
        asked.get_by_label("Token").fill(reader)
        page.keyboard.press("Enter")
        expect(page.locator("#grid img.there")).to_have_count(1)

        page.reload()
        expect(page.locator("#grid img.there")).to_have_count(1)
        other = context.new_page()
        other.goto(url)
        expect(other.get_by_role("dialog", name="Access token")).to_be_visible()

        expect(page.get_by_role("button", name="Upload")).to_be_hidden()
        page.goto(f"{url}?bbox=1,2,3,4")  # positions are for admins
        page.get_by_role("button", name="Show all images").click()
        tile(page, "The one").click()
        page.get_by_role("button", name="Information").click()
        expect(page.locator("#facts")).to_contain_text("TitleThe oneTagsold, smallFile nameOne.jpg")
        expect(page.get_by_role("button", name="Download")).to_be_visible()
        for button in ("Delete", "Save"):
            expect(page.get_by_role("button", name=button, exact=True)).to_be_hidden()
        expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_count(0)
        assert axe(page) == []
        page.keyboard.press("Delete")
        page.keyboard.press("Escape")
        expect(page.locator("#grid img.there")).to_have_count(1)
        page.locator("#files").set_input_files({"name": "b.jpg", "mimeType": "image/jpeg", "buffer": picture(seed=1)})
        expect(page.locator("#toasts")).to_contain_text("does not allow you to upload")

        site.connection.execute("DELETE FROM tokens WHERE name = 'read'")
        wait_until(lambda: httpx.get(f"{url}v1/images", headers=bearer(reader)).status_code == 401)
        tile(page, "The one").click()
        expect(asked).to_contain_text("unknown or revoked")
        asked.get_by_label("Token").fill(writer)
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Delete", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("#files").set_input_files({"name": "c.jpg", "mimeType": "image/jpeg", "buffer": picture(seed=1)})
        expect(page.locator("#tray-title")).to_have_text("Uploads: 1 new")
        expect(page.locator("#grid img.there")).to_have_count(2)


def landscape(seed: int, size: tuple[int, int]) -> bytes:
    """Return a PNG with a colored gradient."""
    turns = [(0, 85), (50, 50), (160, 15)]
    light, middle, dark = (f"hsl({(seed * 47 + turn) % 360}, 70%, {part}%)" for turn, part in turns)
    haze = Image.radial_gradient("L").resize(size)
    file = io.BytesIO()
    ImageOps.colorize(haze, light, dark, middle).save(file, "PNG")
    return file.getvalue()


def screenshot(page: Page, name: str) -> None:
    """Save what the page shows, for people, in exhaustive tests: it takes half a second of CPU."""
    if EXHAUSTIVE:
        page.screenshot(path=SCREENSHOTS / name)


# Looks of a page: its width, its height, and its scheme of colors. By default each width and each scheme comes once.
# Axe-core reads the widest and the narrowest page, which takes two seconds each.
SIZES = [(1440, 900), (820, 1100), (390, 844)]
ALL_LOOKS = [(width, height, scheme) for width, height in SIZES for scheme in ("light", "dark")]
LOOKS = ALL_LOOKS if EXHAUSTIVE else [(1440, 900, "light"), (820, 1100, "light"), (390, 844, "dark")]
READ = {1440, 820, 390} if EXHAUSTIVE else {1440, 390}
PAPER = {"light": "rgb(251, 251, 250)", "dark": "rgb(19, 21, 23)"}


def test_the_gallery_fits_every_width_in_light_and_dark(site: Site, page: Page) -> None:
    names = ["Harbour at dawn", "שוק הכרמל בבוקר", "صورة من السوق", "Corner of the old mill " + "m" * 170]
    sizes = [(640, 427), (427, 640), (900, 60), (40, 900), (500, 500)]
    for seed in range(20):
        site.upload(
            content=landscape(seed, sizes[seed % 5]), title=names[seed % 4], tags=["harbour", "שוק", "2026"][: seed % 4]
        )
    site.rows(1)
    page.goto(site.url)
    page.get_by_role("button", name="Filters").click()
    for width, height, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": height})
        expect(page.locator("html")).to_have_js_property("scrollWidth", width)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.locator("body")).to_have_css("background-color", PAPER[scheme])
        expect(page.locator("#grid .none")).to_have_count(1)
        expect(page.locator("#grid a:not(.none) img:not(.there)")).to_have_count(0)
        assert width not in READ or axe(page) == []
        screenshot(page, f"wall-{width}-{scheme}.png")
        tile(page, names[3]).first.click()
        expect(page.locator("#fields")).to_be_enabled()
        screenshot(page, f"viewer-{width}-{scheme}.png")
        show_form(page)
        assert width not in READ or axe(page) == []
        screenshot(page, f"picture-{width}-{scheme}.png")
        page.get_by_role("button", name="Information").click()
        page.keyboard.press("Escape")


# Axe-core takes five seconds for the whole page of the schema. So it reads one in ten of its rows, which are alike.
MORE_OF_THE_SAME = ", ".join(
    [
        ".timeline > li:not(:nth-child(10n), :has([open]))",
        ".queries > tbody:not(:nth-child(10n))",
        "#tables article:not(:nth-of-type(4n))",
    ]
)


def test_the_schema_page_shows_and_filters_the_schema(site: Site, page: Page) -> None:
    page.goto(f"{site.url}schema#0014")
    expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
    expect(page.get_by_text("create_images_triggers").first).to_be_in_viewport()
    for width, height, scheme in LOOKS:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        expect(page.locator("html")).to_have_js_property("scrollWidth", width)
        screenshot(page, f"schema-{width}-{scheme}.png")

    page.get_by_role("searchbox").fill("create_images_triggers")
    expect(page.get_by_text("index_images_newest").first).to_be_hidden()
    page.get_by_role("searchbox").fill("pending")
    expect(page.get_by_text("create_images_triggers").first).to_be_hidden()
    expect(page).to_have_url(re.compile("q=pending"))

    page.get_by_role("searchbox").fill("")
    expect(page.get_by_text("create_images_triggers").first).to_be_visible()
    if not EXHAUSTIVE:
        page.evaluate(f"document.querySelectorAll('{MORE_OF_THE_SAME}').forEach((row) => row.remove())")
    for width, height, scheme in (LOOKS[0], LOOKS[-1]):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.locator("body")).to_have_css("background-color", PAPER[scheme])
        assert axe(page) == []


def test_the_documentation_uploads_a_file_without_other_fields(site: Site, page: Page, tmp_path: Path) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("response", lambda response: problems.append(response.url) if response.status >= 400 else None)
    (tmp_path / "red.png").write_bytes(picture("PNG"))
    page.goto(f"{site.url}docs")
    for scheme, paper in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(19, 21, 23)")]:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.locator("html")).to_have_css("background-color", paper)
        expect(page.locator("#api")).to_have_css("filter", "none" if scheme == "light" else re.compile("^invert"))
        screenshot(page, f"docs-{scheme}.png")
    upload = page.locator("#operations-Images-createImage")
    upload.locator(".opblock-summary-control").click()
    upload.get_by_role("button", name="Try it out").click()

    upload.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        upload.get_by_role("button", name="Execute").click()

    assert answer.value.status == 201, answer.value.text()
    image = answer.value.json()
    assert (image["filename"], image["title"], image["description"]) == ("red.png", None, None)
    assert (image["tags"], image["attributes"]) == ([], {})
    assert problems == []
