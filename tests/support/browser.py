"""Chromium for the tests of pages, without a window."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

# The headless shell is the same browser without the code of its windows.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, NAMES) if path), None)
# Fewer processes: a page takes two thirds of the CPU. There is no graphics card to use.
FRUGAL = ["--disable-gpu", "--disable-software-rasterizer", "--renderer-process-limit=1"]

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium in PATH: apt-get install chromium-headless-shell"
)


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Yield a browser, with more arguments of its command line if the test needs them."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *FRUGAL, *arguments])
