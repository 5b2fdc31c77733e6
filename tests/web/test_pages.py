"""The pages' files as the service serves them: types, caching, content security policy, and the module graph."""

import os
import posixpath
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from app.settings import ROOT, Settings
from app.web.static_files import MIN_COMPRESSED_BYTES, Files
from tests.conftest import client_of

STATIC = ROOT / "app" / "static"
MODULES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.glob("*/*.js"))


def imports(module: str) -> set[str]:
    """Return the modules that a module imports, as paths below app/static."""
    found = re.findall(r'^import (?:[^"]* from )?"(\.[^"]+)";', (STATIC / module).read_text(), re.MULTILINE)
    return {posixpath.normpath(posixpath.join(posixpath.dirname(module), path)) for path in found}


def graph(module: str) -> set[str]:
    """Return a module and all modules that it loads."""
    found, waiting = {module}, [module]
    while waiting:
        new = imports(waiting.pop()) - found
        found |= new
        waiting += new
    return found


@pytest.mark.parametrize("page", ["gallery", "schema"])
def test_a_page_preloads_every_module_that_it_imports(page: str) -> None:
    """The browser then requests all modules at once, instead of one level of imports after the other."""
    html = (STATIC / f"{page}.html").read_text()
    main = f"{page}/main.js"

    assert f'<script type="module" src="static/{main}"></script>' in html
    preloaded = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', html)
    assert sorted(preloaded) == sorted(graph(main) - {main})


def test_no_module_is_left_over() -> None:
    assert set(MODULES) <= graph("gallery/main.js") | graph("schema/main.js")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_one_job_and_says_which(module: str) -> None:
    lines = (STATIC / module).read_text().splitlines()

    assert lines[0].startswith("// ")
    assert len(lines) <= 400


@pytest.mark.parametrize("path", ["api.js", "style.css", *MODULES])
async def test_a_browser_asks_for_each_file_again_and_gets_304(path: str, client: httpx.AsyncClient) -> None:
    """After a deploy, no browser runs a module of the former release that it still has in its cache."""
    first = await client.get(f"/static/{path}")
    again = await client.get(f"/static/{path}", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers.get("content-encoding") == ("gzip" if len(first.content) >= MIN_COMPRESSED_BYTES else None)
    assert first.headers["content-type"].split(";")[0] == ("text/css" if path.endswith(".css") else "text/javascript")


FILES = ["static/style.css", "docs/assets/swagger-ui.css"]


@pytest.mark.parametrize("path", FILES)
async def test_two_encodings_of_a_file_have_their_own_etag(path: str, client: httpx.AsyncClient) -> None:
    plain, zipped = [
        await client.get(f"/{path}", headers={"Accept-Encoding": coding}) for coding in ("identity", "gzip")
    ]

    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert re.fullmatch(r'"[0-9a-f]{32}"', plain.headers["etag"])
    assert zipped.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    for response in (plain, zipped):
        assert response.headers["vary"] == "Accept-Encoding"
        coding = {"Accept-Encoding": response.headers.get("content-encoding", "identity")}
        unchanged = await client.get(f"/{path}", headers=coding | {"If-None-Match": response.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == response.headers["etag"]
        head = await client.head(f"/{path}", headers=coding)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == response.headers["content-length"]


@pytest.mark.parametrize("path", FILES)
async def test_the_conditions_of_a_request_hold_for_a_file(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(f"/{path}")).headers
    etag, modified = headers["etag"], headers["last-modified"]
    early = "Thu, 01 Jan 1970 00:00:00 GMT"

    for method in ("GET", "HEAD"):
        for condition, status in [
            ({"If-Match": etag}, 200),
            ({"If-Match": f'"x", {etag}'}, 200),
            ({"If-Match": "*"}, 200),
            ({"If-Match": '"x"'}, 412),
            ({"If-Match": f"W/{etag}"}, 412),
            ({"If-Match": "x"}, 400),
            ({"If-Unmodified-Since": modified}, 200),
            ({"If-Unmodified-Since": early}, 412),
            ({"If-Modified-Since": modified}, 304),
            ({"If-Modified-Since": early}, 200),
            ({"If-None-Match": f"W/{etag}"}, 304),
            ({"If-None-Match": '"x"'}, 200),
        ]:
            response = await client.request(method, f"/{path}", headers=condition)
            assert response.status_code == status, (method, condition)


async def test_the_etag_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    """Two instances have the same, although their packages were installed at different times."""

    first, other = tmp_path / "first", tmp_path / "other"
    for folder in (first, other):
        folder.mkdir()
        (folder / "a.js").touch()
    app = Starlette(routes=[Mount(f"/{folder.name}", Files(folder)) for folder in (first, other)])

    async def etag(folder: Path, content: str, modified: int) -> str:
        (folder / "a.js").write_text(content)
        os.utime(folder / "a.js", (modified, modified))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            response = await client.get(f"/{folder.name}/a.js")
        assert response.text == content
        return str(response.headers["etag"])

    assert await etag(first, "let a = 1;", 1) == await etag(other, "let a = 1;", 2)
    assert await etag(first, "let b = 1;", 3) != await etag(other, "let a = 1;", 2)
    assert await etag(first, "let a = 1;", 4) == await etag(other, "let a = 1;", 2)


@pytest.mark.parametrize("path", ["none.js", "", "../pages.py", "gallery", "gallery/", "/style.css", "%00", "a" * 5000])
async def test_only_the_files_of_the_folder_are_served(path: str, client: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD"):
        response = await client.request(method, httpx.URL(f"http://localhost/static/{quote(path)}"))
        assert response.status_code == 404, path
    refused = await client.post("/static/style.css")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("page", ["/", "/schema", "/docs"])
async def test_a_page_has_an_icon(page: str, client: httpx.AsyncClient) -> None:
    """Without it the browser requests /favicon.ico, and shows a 404 in its console."""
    [icon] = re.findall(r'<link rel="icon" href="([^"]+)"', (await client.get(page)).text)

    response = await client.get(urljoin(page, icon))
    assert (response.status_code, response.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("formats", ["none", "heic,raw"])
async def test_the_file_dialog_offers_only_files_that_the_service_can_read(formats: str, settings: Settings) -> None:
    """An iPhone converts a photo to JPEG, unless the page accepts HEIC."""
    async with client_of(settings.model_copy(update={"formats": formats})) as client:
        page = (await client.get("/")).text

    [accepted] = re.findall(r'<input type="file"[^>]* accept="([^"]*)"', page)
    expected = {"image/*"}
    if formats != "none":
        expected |= {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2"}
        expected |= {".heic", ".heif", ".hif"} if find_spec("pi_heif") else set()
    assert set(accepted.split(",")) == expected
