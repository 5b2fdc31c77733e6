"""Browser tests of AUTH=none: in Chromium, no page of another origin or host reaches the service. Its own pages do.

The names below `example` resolve to 127.0.0.1, as after DNS rebinding.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, Response, expect
from prometheus_client.parser import text_string_to_metric_families

from app.embedded_postgres import Server
from app.web.server.request_log import PROBES
from tests.conftest import _database, free_port
from tests.migrations.test_backend import wait_until
from tests.support.browser import chromium, needs_chromium
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.pictures import picture
from tests.support.serving import serving

pytestmark = needs_chromium
REQUESTS = "images_http_request_duration_seconds"
HOSTS = ["localhost", "127.0.0.1", "[::1]"]
# Everything that a page may try without the consent of the other origin. Each attempt resolves to what it got.
ATTACK = """
async ([api, id]) => {
    const bytes = await (await fetch("/image.png")).blob();
    const form = () => { const form = new FormData(); form.append("file", bytes, "a.png"); return form; };
    const got = {};
    const attempt = async (name, work) => { try { got[name] = await work(); } catch (error) { got[name] = "failed"; } };
    const request = (options, path = "") => async () => {
        const response = await fetch(api + path, options);
        return response.type === "opaque" ? "opaque" : response.status + await response.text();
    };
    const element = (tag, attributes) => () => new Promise((resolve) => {
        const added = Object.assign(document.createElement(tag), attributes);
        added.onload = () => resolve("loaded");
        added.onerror = () => resolve("failed");
        document.body.append(added);
    });
    await attempt("read", request({}));
    await attempt("read without CORS", request({ mode: "no-cors" }));
    await attempt("export", request({ mode: "no-cors" }, "/export"));
    await attempt("upload without CORS", request({ method: "POST", mode: "no-cors", body: form() }));
    await attempt("upload", request({ method: "POST", body: form() }));
    await attempt("upload of a body", request({ method: "POST", body: bytes }));
    await attempt("change", request({ method: "PATCH", body: "{}" }, "/" + id));
    await attempt("delete", request({ method: "DELETE" }, "/" + id));
    await attempt("image", element("img", { src: `${api}/${id}/content` }));
    await attempt("image with CORS", element("img", { src: `${api}/${id}/thumbnail`, crossOrigin: "anonymous" }));
    await attempt("script", element("script", { src: `${new URL(api).origin}/static/api.js` }));
    await attempt("style", element("link", { rel: "stylesheet", href: `${new URL(api).origin}/static/style.css` }));
    got.beacon = String(navigator.sendBeacon(api, form()));
    await attempt("socket", () => new Promise((resolve) => {
        const socket = new WebSocket(new URL(api).origin.replace("http", "ws"));
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("failed");
    }));
    const submit = (attributes) => () => new Promise((resolve) => {
        const frame = Object.assign(document.createElement("iframe"), { name: Math.random().toString() });
        const files = new DataTransfer();
        files.items.add(new File([bytes], "a.png"));
        const sent = Object.assign(document.createElement("form"), { action: api, target: frame.name, ...attributes });
        const input = Object.assign(document.createElement("input"), { type: "file", name: "file" });
        input.files = files.files;
        sent.append(input);
        document.body.append(frame, sent);
        frame.onload = () => { try { resolve(frame.contentDocument.body.innerText); } catch { resolve("failed"); } };
        sent.submit();
    });
    await attempt("form", submit({ method: "post", enctype: "multipart/form-data" }));
    await attempt("frame", submit({ method: "get" }));
    return got;
}
"""


@pytest.fixture(scope="module")
def database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    yield from _database(server, admin, template)


@pytest.fixture(scope="module")
def port(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of two services with AUTH=none, on 127.0.0.1 and on ::1, with the same images."""
    port, objects = free_port(), tmp_path_factory.mktemp("objects")
    with serving(database, port, objects), serving(database, port, objects, UVICORN_HOST="::1"):
        wait_until(lambda: all(answers(f"http://{host}:{port}/readyz") for host in HOSTS))
        yield port


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def other() -> Iterator[int]:
    """The port of a server of other pages: an empty one, and an image."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_image = self.path == "/image.png"
            self.send_response(200)
            self.send_header("Content-Type", "image/png" if is_image else "text/html")
            self.end_headers()
            self.wfile.write(picture("PNG", seed=9) if is_image else b"<!doctype html><title>Other</title><body>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without its own protection of loopback, which other browsers do not have."""
    names = "--host-resolver-rules=MAP *.example 127.0.0.1"
    with chromium(names, "--disable-features=LocalNetworkAccessChecks") as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    tab = browser.new_page()
    yield tab
    tab.close()


def settled(port: int) -> Counter[str]:
    """Return the counts with all earlier requests: the service renders its metrics at most once a second."""
    time.sleep(1.1)
    return counted(port)


def counted(port: int) -> "Counter[str]":
    """Return how many requests the services have answered with each status, except to probes."""
    counts: Counter[str] = Counter()
    for host in ("127.0.0.1", "[::1]"):
        for family in text_string_to_metric_families(httpx.get(f"http://{host}:{port}/metrics").text):
            for sample in family.samples:
                if sample.name == f"{REQUESTS}_count" and sample.labels["route"] not in PROBES:
                    counts[sample.labels["status"]] += int(sample.value)
    return counts


def responses(tab: Page) -> list[Response]:
    """Return a list of the responses that the tab gets from now on."""
    seen: list[Response] = []

    def note(response: Response) -> None:
        seen.append(response)

    tab.on("response", note)
    return seen


@pytest.fixture
def image(port: int, database: str) -> str:
    """The ID of the only image."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE images CASCADE")
    response = httpx.post(f"http://127.0.0.1:{port}/v1/images", files={"file": picture("PNG", seed=1)})
    return str(response.json()["id"])


@pytest.mark.parametrize("attacker", ["127.0.0.1", "localhost", "evil.example"])
def test_a_page_of_another_origin_gets_and_changes_nothing(
    attacker: str, image: str, port: int, other: int, tab: Page
) -> None:
    api = f"http://127.0.0.1:{port}/v1/images"
    tab.goto(f"http://{attacker}:{other}/")
    before = settled(port)

    got = tab.evaluate(ATTACK, [api, image])

    # Chromium does not show the status of a response that it hides from the page.
    wait_until(lambda: (counted(port) - before).total() >= len(got))
    assert {*(counted(port) - before)} == {"403"}
    assert got.pop("beacon") == "true"
    assert got == dict.fromkeys(got, "failed")
    assert [found["id"] for found in httpx.get(api).json()["images"]] == [image]


def test_a_page_after_dns_rebinding_gets_and_changes_nothing(image: str, port: int, tab: Page) -> None:
    """The page has the service's own port, and a host whose name now resolves to 127.0.0.1."""
    origin = f"http://evil.example:{port}"
    loaded = tab.goto(origin)
    assert loaded is not None
    assert loaded.status == 421
    # Two files of the attacker. The page loaded them before its name resolved to the service.
    tab.route(f"{origin}/attack", lambda route: route.fulfill(body="<!doctype html><body>", content_type="text/html"))
    tab.route(f"{origin}/image.png", lambda route: route.fulfill(body=picture("PNG", seed=9), content_type="image/png"))
    tab.goto(f"{origin}/attack")
    before = settled(port)

    got = tab.evaluate(ATTACK, [f"{origin}/v1/images", image])

    wait_until(lambda: (counted(port) - before).total() >= len(got))
    assert {*(counted(port) - before)} == {"421"}
    for name in ("read", "upload", "delete"):
        assert got[name].startswith("421")
    found = httpx.get(f"http://127.0.0.1:{port}/v1/images").json()["images"]
    assert [one["id"] for one in found] == [image]


@pytest.mark.parametrize("host", HOSTS)
def test_the_pages_of_the_service_work_at_each_of_its_hosts(
    host: str, image: str, port: int, tab: Page, tmp_path: Path
) -> None:
    file = tmp_path / "mine.png"
    file.write_bytes(picture("PNG", seed=2))
    seen = responses(tab)
    tab.goto(f"http://{host}:{port}/")
    expect(tab.locator("#grid li")).to_have_count(1)

    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Upload").first.click()
    chooser.value.set_files(file)
    expect(tab.locator("#grid li")).to_have_count(2)

    if EXHAUSTIVE or host == HOSTS[0]:  # it is large
        tab.goto(f"http://{host}:{port}/docs")
        expect(tab.locator(".opblock").first).to_be_visible()
    assert tab.evaluate("fetch('/v1/images', {method: 'OPTIONS'}).then((response) => response.status)") == 204
    assert [(response.url, response.status) for response in seen if response.status >= 400] == []


@pytest.mark.parametrize("attacker", ["127.0.0.1", "evil.example"])
def test_a_link_from_another_page_opens_the_gallery(
    attacker: str, image: str, port: int, other: int, tab: Page
) -> None:
    tab.goto(f"http://{attacker}:{other}/")
    tab.evaluate(
        "(url) => document.body.append(Object.assign(document.createElement('a'), {href: url, innerText: 'images'}))",
        f"http://127.0.0.1:{port}/",
    )

    tab.get_by_role("link", name="images").click()

    expect(tab.locator("#grid li")).to_have_count(1)
