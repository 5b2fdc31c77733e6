"""The pages' files as the service serves them: types, caching, content security policy, and the module graph."""

import posixpath
import re

import httpx
import pytest

from app.settings import ROOT

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
    assert first.headers["content-encoding"] == "gzip"
    assert first.headers["content-type"].split(";")[0] == ("text/css" if path.endswith(".css") else "text/javascript")
