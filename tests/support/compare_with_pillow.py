"""Corpus test, run by hand: upload all files of folders to the service, and print the differences from Pillow.

`python -m tests.support.compare_with_pillow FOLDER...` starts the service with two workers, as a container does. The
test suite does not run it, because the project contains no such files.
"""

import asyncio
import hashlib
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image, ImageOps

from app.embedded_postgres import Server
from tests.cli.test_entrypoint import free_port, ready, service
from tests.migrations.test_backend import wait_until

MAX_CONCURRENT_UPLOADS = 12
MAX_SIZE = 50 * 1024**2  # bytes
FORMATS = {"JPEG", "MPO", "PNG", "WEBP", "GIF", "TIFF", "AVIF"}

Size = tuple[int, int]


def main() -> None:
    contents: dict[bytes, Path] = {}
    for path in (path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*")) if path.is_file()):
        if path.stat().st_size <= MAX_SIZE:
            contents.setdefault(hashlib.sha256(path.read_bytes()).digest(), path)
    paths = list(contents.values())
    with tempfile.TemporaryDirectory() as folder:
        server, port = Server(Path(folder, "postgres")), free_port()
        server.start()
        try:
            with service(server.url(), port, Path(folder, "objects"), WEB_CONCURRENCY="2") as process:
                wait_until(lambda: ready(port))
                workers = {child.pid for child in psutil.Process(process.pid).children()}
                answers = asyncio.run(throw(port, paths))
                lost = workers - {child.pid for child in psutil.Process(process.pid).children()}
        finally:
            server.release()
    for path, (status, answer) in zip(paths, answers, strict=True):
        size = read(path)
        if status >= 500:
            print(f"{path}: {status}")
        elif status >= 400 and size is not None:
            print(f"{path}: {status} {answer['detail']} Pillow reads {size}.")
        elif status < 400 and size is None:
            print(f"{path}: {answer['width'], answer['height']}. Pillow cannot read it.")
        elif status < 400 and size != (answer["width"], answer["height"]):
            print(f"{path}: {answer['width'], answer['height']}. Pillow reads {size}.")
    print(f"{len(paths)} files, {dict(Counter(status for status, _ in answers))}, {len(lost)} workers lost")


async def throw(port: int, paths: list[Path]) -> list[tuple[int, dict[str, Any]]]:
    """Upload each file and return the status and JSON of the response.

    If the service accepts a file but cannot make its thumbnail, return the response to the thumbnail request.
    """
    gate = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)

    async def one(path: Path) -> tuple[int, dict[str, Any]]:
        async with gate:
            content = path.read_bytes()  # noqa: ASYNC240
            response = await client.post("/v1/images", content=content, headers={"Content-Type": "image/*"})
            image = response.json()
            if response.is_success:
                small = await client.get(f"/v1/images/{image['id']}/thumbnail")
                if not small.is_success:
                    return small.status_code, small.json()
            return response.status_code, image

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        return await asyncio.gather(*map(one, paths))


def read(path: Path) -> Size | None:
    """Return the size in which Pillow displays the image, or None if it cannot read it or the format is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as image:
                return ImageOps.exif_transpose(image).size if image.format in FORMATS else None
        except Exception:  # Pillow raises many types
            return None


if __name__ == "__main__":
    main()
