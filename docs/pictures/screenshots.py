"""Screenshots of the gallery, the schema's page, and a review's report, by `make pictures`. It needs Chromium."""

import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, expect, sync_playwright

from app.settings import ROOT

FOLDER = ROOT / "docs" / "pictures"
WINDOW = (1280, 720)  # pixels
expect.set_options(timeout=60_000)  # milliseconds
START_TIMEOUT = 120.0  # seconds
SIZES = [(900, 600), (600, 800), (1200, 600), (800, 800), (900, 506)]
NAMES = [
    "Ridge at dawn",
    "Harbor",
    "Two suns",
    "Mist in the valley",
    "Last light",
    "North face",
    "Low tide",
    "First snow",
]
REVIEWED = ("0046_relax_images_sha256", "0050_index_images_oldest")  # a transaction, and a build without one
ROWS = 20_000  # of the review
TAGS = ["mountains", "sea", "morning", "evening", "2026"]


def landscape(seed: int) -> bytes:
    """Return a JPEG of ridges in front of a sun."""
    chance = random.Random(seed)  # noqa: S311, because the same seed has to give the same picture
    width, height = SIZES[seed % len(SIZES)]
    hue = seed * 47 % 360
    sky = Image.linear_gradient("L").resize((width, height))
    picture = Image.composite(
        Image.new("RGB", sky.size, f"hsl({(hue + 40) % 360}, 75%, 80%)"),
        Image.new("RGB", sky.size, f"hsl({hue}, 60%, 45%)"),
        sky,
    )
    draw = ImageDraw.Draw(picture)
    x, y, radius = chance.uniform(0.2, 0.8) * width, chance.uniform(0.2, 0.5) * height, height * 0.09
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=f"hsl({(hue + 50) % 360}, 90%, 92%)")
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    draw = ImageDraw.Draw(picture)
    for layer in range(5):
        base, slope, line = height * (0.45 + layer * 0.12), 0.0, []
        for step in range(0, width + 12, 12):
            slope = 0.86 * slope + chance.uniform(-4, 4)
            base += slope
            line.append((step, base))
        draw.polygon([(0, height), *line, (width, height)], fill=f"hsl({hue}, {40 + layer * 6}%, {44 - layer * 9}%)")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """Run the service on a free port, with a PostgreSQL of its own. Yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "DATABASE_URL": f"embedded:{folder / 'postgresql'}",
        "STORAGE_URL": f"file:{folder / 'objects'}",
        "AUTH": "none",
        "UVICORN_PORT": str(port),
    }
    running = subprocess.Popen(
        [Path(sys.executable).with_name("images"), "dev", "--quiet"],
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until, url = monotonic() + START_TIMEOUT, f"http://127.0.0.1:{port}/"
        while not is_ready(url):
            if running.poll() is not None or monotonic() > until:
                sys.exit("error: the service does not start.\nhint: run `images dev` to see why.")
            sleep(0.2)
        yield url
    finally:
        running.terminate()
        running.wait()


def is_ready(url: str) -> bool:
    """Return whether the service answers."""
    try:
        return httpx.get(f"{url}readyz").is_success
    except httpx.TransportError:
        return False


def review(folder: Path) -> Path:
    """Review two migrations, and return the HTML report."""
    report = folder / "review.html"
    command = ["schema", "review", *REVIEWED, "--rows", str(ROWS), "--latest-only", "--format", "html"]
    with report.open("wb") as file:
        done = subprocess.run([Path(sys.executable).with_name("images"), *command], cwd=ROOT, stdout=file)
    if done.returncode not in (0, 1):  # 1: not safe, which the report says
        sys.exit("error: the review was not made.")
    return report


def take_review(browser: Browser, folder: Path) -> None:
    """Write the top of the review's report as WebP, in light and dark."""
    report = review(folder)
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme=scheme)
        page.goto(report.as_uri())
        save(page.screenshot(), f"review-{scheme}")


def main() -> None:
    """Upload made images, and write the pages as WebP, in light and dark."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as url, sync_playwright() as playwright:
        for seed in range(32):
            form = {"title": NAMES[seed % len(NAMES)], "tags": [TAGS[seed % len(TAGS)], TAGS[(seed + 2) % len(TAGS)]]}
            files = {"file": (f"DSC{seed:05}.jpg", landscape(seed))}
            httpx.post(f"{url}v1/images", files=files, data=form).raise_for_status()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": WINDOW[0], "height": WINDOW[1]}, locale="en-GB", color_scheme=scheme
            )
            page.goto(url)
            expect(page.locator("#grid img.there")).not_to_have_count(0)
            expect(page.locator("#grid img:not(.there)")).to_have_count(0)
            save(page.screenshot(), f"gallery-{scheme}")
            page.goto(f"{url}schema")
            expect(page.get_by_text("Up to date", exact=True)).to_be_visible()
            save(page.screenshot(), f"schema-{scheme}")
        take_review(browser, Path(folder))


def save(png: bytes, name: str) -> None:
    """Write a screenshot as WebP."""
    Image.open(io.BytesIO(png)).save(FOLDER / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main()
