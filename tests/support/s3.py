"""An S3 server on loopback, moto's, in a process of its own: reached over HTTP, and killed or frozen as one."""

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
    """With a bucket in it, for as long as it lives: moto has all in memory."""

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
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                httpx.put(f"{self.url}/{BUCKET}").raise_for_status()
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
        """What is there for a client to see, as the server itself lists it."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2", "prefix": prefix}).text
        return sorted(key.removeprefix(prefix) for key in re.findall("<Key>([^<]*)</Key>", listed))

    def uploads(self, prefix: str) -> list[str]:
        """The uploads in parts that have neither been completed nor aborted."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"uploads": ""}).text
        return [key for key in re.findall("<Key>([^<]*)</Key>", listed) if key.startswith(prefix)]


def put(url: str, key: str, content: bytes) -> None:
    """The bytes as another program may have left them, without a type."""
    obstore.put(open_store(url), key, content)
