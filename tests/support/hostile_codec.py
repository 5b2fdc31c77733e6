"""A decoder process that an image makes crash, hang or send garbage, for tests of app.decoder."""

import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from mmap import PROT_EXEC, PROT_READ, PROT_WRITE, mmap
from pathlib import Path
from typing import Any

from app.decoder import __main__ as program
from app.decoder.formats import LENGTHS
from app.decoder.sandbox import LIBC, MAX_OPEN_FILES, PR_SET_NAME
from tests.support.pictures import picture

MARK = b"and then "
ANSWERS = {
    "nonsense": b"nonsense" * 9,
    "endless": LENGTHS.pack(2**31, 2**31),
    **{
        name: LENGTHS.pack(len(said), 0) + said
        for name, said in {
            "no-json": b"{",
            "no-object": b"[]",
            "deep-json": b"[" * 4_000,
            "long-json": b'{"a": "' + b"a" * 1_000_000,
            "nothing": b"{}",
            "negative": b'{"content_type": "image/png", "width": -1, "height": 1}',
            "huge": b'{"content_type": "image/png", "width": 9999999999999, "height": 1}',
            "other-type": b'{"content_type": "text/html", "width": 1, "height": 1}',
            "is-large": b'{"is_large": true}',
            "surrogate": rb'{"kind": "broken-image", "detail": "\ud800"}',
            "control-character": rb'{"kind": "broken-image", "detail": "\u001b[2J"}',
            "other-kind": b'{"kind": "version-conflict", "detail": "x"}',
        }.items()
    },
}
SIGNALS = {"segmentation-fault": signal.SIGSEGV, "abort": signal.SIGABRT, "kill": signal.SIGKILL}

WRITTEN = Path(tempfile.gettempdir(), "written-by-a-decoder")

work, send = program.work, program.answer


def map_for_writing() -> None:
    """Map a file that the service has handed over, so that its bytes can be changed."""
    for descriptor in range(3, MAX_OPEN_FILES):
        with suppress(OSError, ValueError):
            mmap(descriptor, 1)
            return
    raise PermissionError


# Deeds that code in a hostile image would try. If nothing confines the decoder, each is done without an error.
INTRUSIONS: dict[str, Callable[[], object]] = {
    "open a socket": socket.socket,
    "execute a shell": lambda: os.execv("/bin/sh", ["sh", "-c", "exit"]),  # noqa: S606
    "start a shell": lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "exit"], {}),
    "fork": lambda: os.fork() or os._exit(0),
    "trace": lambda: LIBC.ptrace(0, 0, 0, 0),
    "signal the service": lambda: os.kill(os.getppid(), 0),
    "lift the limit of memory": lambda: resource.setrlimit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)),
    "read a file": lambda: Path("/etc/passwd").read_text(),
    "write a file": lambda: WRITTEN.touch(),
    "list a folder": lambda: os.listdir("/"),  # noqa: PTH208
    "look for a file": lambda: Path("/etc/passwd").stat(),
    "delete a file": lambda: Path("/etc/no such file").unlink(missing_ok=True),
    "change its content": map_for_writing,
    "cut its content": lambda: os.ftruncate(int(sys.argv[1]), 0),
    "map memory to execute": lambda: mmap(-1, 4096, prot=PROT_READ | PROT_WRITE | PROT_EXEC),
}


def harmful(deed: str, seed: int = 0) -> bytes:
    """Return a valid image that makes the decoder do the deed, such as "abort" or "endless"."""
    return picture(seed=seed) + MARK + deed.encode()


def flood(times: int = 100) -> None:
    """Write lines that look like those of the log, more than a pipe takes."""
    for _ in range(times):
        with suppress(BlockingIOError):
            os.write(2, b'\x1b[2J{"message": "forged"}\n' * 1000)


def start_threads(number: int, *, end: bool = False) -> None:
    """Start threads with little memory, and let each end before the next one, or none."""
    threading.stack_size(32 * 1024)
    for _ in range(number):
        thread = threading.Thread(target=lambda: None if end else time.sleep(60), daemon=True)
        thread.start()
        if end:
            thread.join()


def start_threads_later() -> None:
    """Start threads after the answer."""
    answered = threading.Event()

    def answer(peer: socket.socket, about: dict[str, object], content: bytes) -> None:
        send(peer, about, content)
        answered.set()

    program.answer = answer

    def begin() -> None:
        answered.wait()
        start_threads(1000)

    threading.Thread(target=begin, daemon=True).start()


def harm(job: dict[str, Any], content: Any, max_pixels: int, formats: list[str]) -> tuple[dict[str, object], bytes]:
    deed = bytes(content).rpartition(MARK)[2].decode(errors="replace")
    if deed in {"sleep", "spin"}:
        LIBC.prctl(PR_SET_NAME, deed.encode())  # the name of the process: a test waits for it
    if deed in INTRUSIONS:
        INTRUSIONS[deed]()
    if deed in SIGNALS:
        os.kill(os.getpid(), SIGNALS[deed])
    elif deed == "exit":
        os._exit(0)
    elif deed == "hang-up":
        for descriptor in (0, peer.detach()):
            os.close(descriptor)
        time.sleep(60)
    elif deed == "sleep":
        time.sleep(60)
    elif deed == "spin":
        while True:
            pass
    elif deed == "flood":
        flood()
    elif deed == "flood-for-ever":
        threading.Thread(target=flood, args=[sys.maxsize], daemon=True).start()
    elif deed == "flood-and-spin":
        flood(sys.maxsize)
    elif deed == "threads":
        start_threads(1000)
    elif deed == "short-threads":
        start_threads(1_000_000, end=True)
    elif deed == "threads-later":
        start_threads_later()
    elif deed == "close-stderr":
        os.close(2)
    elif deed == "warn":
        os.write(2, b"\xff\x00 warning\n" * 50)
    elif deed == "warn-and-raise":
        os.write(2, b"a warning\n" * 5_000)
        raise ValueError("the last words")
    elif deed == "gorge":
        while True:
            program.hoard.append(bytearray(10_000_000))  # type: ignore[attr-defined]
    elif deed == "dribble":
        peer.send(LENGTHS.pack(1000, 0))
        while True:
            peer.send(b" ")
            time.sleep(0.01)
    elif deed == "no-thumbnail" and job["operation"] == "thumbnail":
        os.abort()
    elif deed in ANSWERS:
        with suppress(ConnectionError):  # the service may close the connection before it has read everything
            peer.sendall(ANSWERS[deed])
        time.sleep(60)
    return work(job, content, max_pixels, formats)


program.hoard = []  # type: ignore[attr-defined]
program.work = harm

if __name__ == "__main__":
    peer = socket.socket(fileno=os.dup(0))  # the sandbox would forbid it later
    program.run()
