"""S3 server for tests: moto on loopback, in its own process, so that a test can kill or freeze it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Self

import httpx
import obstore

from app.storage.identity import KEY
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

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

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
        """Return the keys below the prefix, as the server lists them, except that of the identity."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"list-type": "2", "prefix": prefix}).text
        found = (key.removeprefix(prefix) for key in re.findall("<Key>([^<]*)</Key>", listed))
        return sorted(key for key in found if key != KEY)

    def uploads(self, prefix: str) -> list[str]:
        """Return the keys of the multipart uploads that are neither completed nor aborted."""
        listed = httpx.get(f"{self.url}/{BUCKET}", params={"uploads": ""}).text
        return [key for key in re.findall("<Key>([^<]*)</Key>", listed) if key.startswith(prefix)]


class Held:
    """A way to an S3 server that delays the requests of some methods until `release` is called, or for a time.

    `delay` is in seconds. Without it, a request waits for `release`.
    """

    def __init__(self, server: S3, *methods: str, delay: float | None = None) -> None:
        self.arrived = 0  # requests that were delayed
        self._released = Event()
        held = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command in methods:
                    held.arrived += 1
                    held._released.wait(delay)
                answer = httpx.request(
                    self.command,
                    f"{server.url}{self.path}",
                    content=body,
                    headers={name: value for name, value in self.headers.items() if name.lower() != "host"},
                )
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name in {"etag", "last-modified", "content-type", "content-range"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", answer.headers.get("content-length", "0"))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128  # by default 5 connections wait to be accepted
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Passing)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def release(self) -> None:
        self._released.set()

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def put(url: str, key: str, content: bytes) -> None:
    """Store bytes without a content type, as another program may do."""
    obstore.put(open_store(url), key, content)
