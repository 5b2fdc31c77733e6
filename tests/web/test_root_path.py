"""The service below a path of a proxy: UVICORN_ROOT_PATH."""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.cli.test_entrypoint import free_port, ready
from tests.migrations.test_backend import wait_until
from tests.support.pictures import picture
from tests.support.serving import serving

PNG = {"Content-Type": "image/png"}


@pytest.mark.parametrize("root", ["/catalogue"])
def test_the_links_of_the_answers_carry_the_root_path(root: str, database: str, tmp_path: Path) -> None:
    port = free_port()
    with (
        serving(database, port, tmp_path / "objects", UVICORN_ROOT_PATH=root),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        wait_until(lambda: ready(port))
        first, other, again = (
            client.post("/v1/images", content=picture("PNG", seed=seed), headers=PNG) for seed in (0, 1, 0)
        )
        page = client.get("/v1/images?limit=1")
        tags = client.get("/v1/tags?limit=1")

    assert (first.status_code, other.status_code, again.status_code) == (201, 201, 200)
    assert first.headers["location"] == f"{root}/v1/images/{first.json()['id']}"
    assert again.headers["content-location"] == first.headers["location"]
    assert page.headers["link"].startswith(f"<{root}/v1/images?limit=1&cursor=")
    assert tags.status_code == 200


@pytest.mark.parametrize("root", ["/catalogue"])
def test_the_links_of_the_pages_stay_below_the_root_path(root: str, database: str, tmp_path: Path) -> None:
    port = free_port()
    with (
        serving(database, port, tmp_path / "objects", UVICORN_ROOT_PATH=root),
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        wait_until(lambda: ready(port))
        for page in ("/", "/schema", "/docs"):
            links = set(re.findall(r'(?:src|href)="([^"#]+)"', client.get(page).text))
            assert len(links) >= 4
            for link in links:
                url = urljoin(f"{root}{page}", link)
                assert url.startswith(f"{root}/"), (page, link)
                # The proxy removes the root path.
                assert client.get(url.removeprefix(root)).status_code == 200, (page, link)
