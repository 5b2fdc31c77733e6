"""S3 server for tests: moto on loopback, in its own process, so that a test can kill or freeze it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import obstore

from app.storage.store import open_store

BUCKET = "images"


class S3:
    """An S3 server with one bucket. moto keeps everything in memory, so a restart loses it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.variables = {
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
        }
        self._arguments = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.TransportError):
                httpx.put(f"{self.url}/{BUCKET}", timeout=60).raise_for_status()
                return
            time.sleep(0.05)
        raise TimeoutError("moto's server does not answer")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below the prefix, as the server lists them."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2", "prefix": prefix}).text
        return sorted(key.removeprefix(prefix) for key in re.findall("<Key>([^<]*)</Key>", listed))

    def uploads(self, prefix: str) -> list[str]:
        """Return the keys of the multipart uploads that are neither completed nor aborted."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"uploads": ""}).text
        return [key for key in re.findall("<Key>([^<]*)</Key>", listed) if key.startswith(prefix)]


def put(url: str, key: str, content: bytes) -> None:
    """Store bytes without a content type, as another program may do."""
    obstore.put(open_store(url), key, content)
