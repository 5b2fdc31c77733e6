"""Decoder processes: start them, send them images, and survive their crashes. This process does not load libvips."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from mmap import mmap
from pathlib import Path
from shutil import which
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, Self

from pydantic_core import from_json

from app.decoder import libraries
from app.decoder.attempt import Attempt
from app.decoder.capture_models import Described
from app.decoder.formats import EXTENSIONS, LENGTHS, OPTIONAL, OUT_OF_MEMORY, Measure, Reading, Sandbox, ThumbnailType
from app.decoder.stderr import Stderr
from app.decoder.thread_limit import ThreadLimit, TooManyThreadsError
from app.errors import REJECTED_IMAGES, LargeImageError, RejectedImageError, StoppingError
from app.observability import metrics
from app.observability.logs import logger
from app.settings import ROOT
from app.storage.spool import IN_MEMORY, Content

NICENESS = 5  # requests come first: a decoder takes what CPU they leave, also while it starts
LARGE_NICENESS = 7  # more, of a decoder of a large image: small ones come first
COMMAND = [sys.executable, "-m", "app.decoder"]
LOW_PRIORITY = [NICE, "-n", str(NICENESS)] if (NICE := which("nice")) else []
# The only variables that a decoder inherits: they say where Python and its libraries are. The others may be secrets.
# Those of ENVIRONMENT make glibc return freed memory, and keep libvips from the disk, which is not writable.
INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "VIPS_DISC_THRESHOLD": "1000g",
}
START_TIMEOUT = 30.0  # seconds. On an idle machine a start takes 0.05 seconds.
FORBIDDEN_CALL = -signal.SIGSYS  # exit status of a decoder whose sandbox ended it
TOO_MANY_THREADS = 1000  # in place of an exit status
CONTENT_BYTES = 64 * 1024**2  # that a decoder has room for, or more if the image that it is started for is larger
MAX_THUMBNAIL_BYTES = 16 * 1024**2
MAX_THUMBHASH_BYTES = 25
MAX_JSON_BYTES = 64 * 1024  # of the JSON object in an answer
EMPTY = "The file is empty."
REASONS = {
    None: "Decoding takes too long. Try again when the service has less to do, or upload a smaller version.",
    OUT_OF_MEMORY: "Decoding takes too much memory. Upload a smaller version.",
}
# Labels of the metric. Other failures are crashes.
FAILURES = {None: "time", OUT_OF_MEMORY: "memory", FORBIDDEN_CALL: "forbidden", TOO_MANY_THREADS: "forbidden"}


class DecoderError(Exception):
    """The process ended during a job. `status` is its exit status, TOO_MANY_THREADS, or None if it took too long."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        if self.status is None:
            return "took too long"
        if self.status == FORBIDDEN_CALL:
            return "was ended by its sandbox, because it made a forbidden system call"
        if self.status == TOO_MANY_THREADS:
            return "was ended, because it started too many threads"
        if self.status < 0:
            return f"was ended by signal {-self.status} ({signal.strsignal(-self.status)})"
        return "ran out of memory" if self.status == OUT_OF_MEMORY else f"ended with status {self.status}"


class Codec:
    """Pool of decoder processes: one for each thread that asks at the same time, started on first use."""

    def __init__(self, max_pixels: int, seconds: float, formats: Iterable[str] = OPTIONAL) -> None:
        self._max_pixels, self._seconds, self._formats = max_pixels, seconds, tuple(formats)
        self._idle: list[Process] = []
        self._living: set[Process] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes. Threads that still wait for an answer, or ask later, get StoppingError."""
        self._closed = True
        for process in tuple(self._living):
            process.kill()
        while self._idle:
            self._idle.pop().end()

    def measure(self, content: Content, attempt: Attempt | None = None) -> Measure:
        """Return the measure of the first picture in the content. Raises as `read` does."""
        return self.read(content, attempt).measure

    def read(self, content: Content, attempt: Attempt | None = None) -> Reading:
        """Return what one pass over the content tells of its first picture.

        Raises RejectedImageError, StoppingError, or OSError if no process starts. Raises LargeImageError if the attempt
        is only for small images, and this is none.
        """
        if not (content if isinstance(content, bytes) else content.seek(0, os.SEEK_END)):
            raise RejectedImageError("broken-image", EMPTY)
        about, hashed = self._ask({"operation": "measure"}, content, attempt or Attempt())
        return Reading(
            Measure(about["content_type"], about["width"], about["height"]),
            about["color"],
            hashed or None,
            about["capture"],
            about["location"],
        )

    def thumbnail(self, content: Content, size: int, format: ThumbnailType, attempt: Attempt | None = None) -> bytes:
        """Return the bytes of the thumbnail. Raises the same errors as `measure`."""
        job: dict[str, object] = {"operation": "thumbnail", "size": size, "format": format}
        return self._ask(job, content, attempt or Attempt())[1]

    def _ask(self, job: dict[str, object], content: Content, attempt: Attempt) -> tuple[dict[str, Any], bytes]:
        if not isinstance(content, bytes):
            content.flush()
        failed = DecoderError(None)
        for process in self._processes(_size(content), attempt):
            self._living.add(process)
            if self._closed:
                process.kill()
            try:
                with attempt.of(process):
                    about, made = process.ask(job | {"small_pixels": attempt.pixels}, content, attempt.seconds)
            except DecoderError as error:
                self._living.discard(process)
                if self._closed or attempt.is_canceled:
                    raise StoppingError from None
                if attempt.pixels is not None and error.status is None:
                    raise LargeImageError from None
                failed = error
                metrics.DECODER_FAILURES.labels(FAILURES.get(failed.status, "crash")).inc()
                if failed.status is None:
                    break
            else:
                if attempt.is_canceled or attempt.is_large:  # it may be killed already, or its priority is too low
                    self._living.discard(process)
                    process.end()
                    if attempt.is_canceled:
                        raise StoppingError
                else:
                    self._idle.append(process)
                if "is_large" in about:
                    raise LargeImageError
                if "kind" in about:
                    raise RejectedImageError(about["kind"], about["detail"])
                return about, made
        logger.error("the decoder %s, at %s", failed, _name(content))
        raise RejectedImageError("broken-image", REASONS.get(failed.status, "The decoder crashed."))

    def _processes(self, size: int, attempt: Attempt) -> Iterator["Process"]:
        """Yield an idle process with room for that many bytes, if there is one, and then a new one.

        For a large image, yield a new one of lower priority.

        The image need not be the cause if the first one fails. It may have been killed while it was idle, or earlier
        images may have used up its memory.
        """
        if attempt.is_large:
            room = max(size, CONTENT_BYTES)
            process = Process(self._max_pixels, self._seconds, room, self._formats, own_session=True)
            process.lower_priority()
            yield process
            return
        with suppress(IndexError):
            process = self._idle.pop()
            if process.max_bytes >= size:
                yield process
            else:
                self._living.discard(process)
                process.end()
        yield Process(self._max_pixels, self._seconds, max(size, CONTENT_BYTES), self._formats)


class Process:
    """One decoder process. It does one job at a time. Its answers are checked, because an image may control it."""

    def __init__(
        self,
        max_pixels: int,
        seconds: float,
        max_bytes: int,
        formats: Iterable[str] = OPTIONAL,
        *,
        own_session: bool = False,
    ) -> None:
        """Start the process. Raises ChildProcessError if it ends before it is ready, or another OSError."""
        self.max_bytes = max_bytes
        self._max_pixels, self._seconds = max_pixels, seconds
        with ExitStack() as opened, _memory_file() as file, _read_only(file.fileno()) as memory:
            file.truncate(IN_MEMORY)
            self._memory = opened.enter_context(mmap(file.fileno(), IN_MEMORY))
            self._socket, remote = socket.socketpair()
            opened.enter_context(self._socket)
            with remote:
                self._stderr = opened.enter_context(Stderr())
                self._process = subprocess.Popen(
                    [
                        *LOW_PRIORITY,
                        *COMMAND,
                        str(memory),
                        str(max_pixels),
                        str(max_bytes),
                        str(seconds),
                        ",".join(formats),
                    ],
                    stdin=remote.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=self._stderr.writing,
                    pass_fds=[memory],
                    cwd=ROOT,
                    env={name: os.environ[name] for name in INHERITED if name in os.environ} | ENVIRONMENT,
                    # Ctrl+C must not end it: this process may need it until the end.
                    start_new_session=own_session,
                    process_group=None if own_session else 0,
                )
            self._stderr.close_writing()
            self._opened = opened.pop_all()
        metrics.DECODERS.inc()
        try:
            self._threads = self._opened.enter_context(ThreadLimit(self._socket, self._process.pid, START_TIMEOUT))
            ready, _ = self._receive(START_TIMEOUT)
            self.sandbox = Sandbox(ready["active"], ready["missing"])
            self.libvips = str(ready["libvips"])
            self.optional = [str(library) for library in ready["optional"]]
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            metrics.DECODER_FAILURES.labels("start").inc()
            raise ChildProcessError(f"the decoder did not start: status {self.end(is_fault=True)}") from None

    def ask(self, job: dict[str, object], content: Content, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a job, within `seconds` and the limit of all images. Raises DecoderError."""
        encoded = json.dumps(job | {"length": _size(content)}).encode()
        message = [LENGTHS.pack(len(encoded), 0), encoded]
        try:
            if isinstance(content, bytes):
                self._memory[: len(content)] = content
                socket.send_fds(self._socket, message, [])
            else:
                with _read_only(content.fileno()) as file:
                    socket.send_fds(self._socket, message, [file])
            about, made = self._receive(min(self._seconds, seconds))
            self._check(job, about, made)
        except TimeoutError:
            self.end(is_fault=True)
            raise DecoderError(None) from None
        except TooManyThreadsError:
            self.end(is_fault=True)
            raise DecoderError(TOO_MANY_THREADS) from None
        except (OSError, EOFError, ValueError):
            raise DecoderError(self.end(is_fault=True)) from None
        self._stderr.log()
        return about, made

    def lower_priority(self) -> None:
        """Let the system run all threads of the process after those of other decoders, on half of the processors.

        If Linux groups processes by session, priorities count only within a group. So the process needs its own
        session, whose group runs last. If Linux groups them by container or by unit of systemd, this has no effect.
        """
        with suppress(OSError):  # the process has ended
            present = os.getpriority(os.PRIO_PROCESS, self._process.pid)
            os.setpriority(os.PRIO_PGRP, self._process.pid, min(present + LARGE_NICENESS, 19))
            if sys.platform == "linux":
                _run_session_last(self._process.pid)
                processors = sorted(os.sched_getaffinity(0))
                for thread in Path(f"/proc/{self._process.pid}/task").iterdir():  # later ones inherit it
                    os.sched_setaffinity(int(thread.name), processors[len(processors) // 2 :])

    def kill(self) -> None:
        """Kill the process. A thread that waits for its answer gets DecoderError."""
        self._process.kill()

    def end(self, *, is_fault: bool = False) -> int:
        """Kill the process if it still runs, and return its exit status. After a fault, the log has its last words."""
        self._process.kill()
        status = self._process.wait()
        self._stderr.log(is_fault=is_fault)
        self._opened.close()
        return status

    def _receive(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        self._threads.reset()
        deadline = time.monotonic() + seconds
        length, size = LENGTHS.unpack(self._read(LENGTHS.size, deadline))
        if length > MAX_JSON_BYTES or size > MAX_THUMBNAIL_BYTES:
            raise ValueError("the answer is too large")
        about = from_json(self._read(length, deadline))
        return about, bytes(self._read(size, deadline))

    def _read(self, size: int, deadline: float) -> bytearray:
        read = bytearray()
        while len(read) < size:
            self._threads.wait(deadline)
            piece = self._socket.recv(size - len(read))
            if not piece:
                raise EOFError
            if time.monotonic() > deadline:
                raise TimeoutError
            read += piece
        return read

    def _check(self, job: dict[str, object], about: object, made: bytes) -> None:
        """Raise ValueError if this cannot be an answer to the job."""
        match job["operation"], about:
            case _, {"kind": str(kind), "detail": str(detail)} if kind in REJECTED_IMAGES and detail.isprintable():
                return
            case _, {"is_large": True} if job["small_pixels"] is not None:
                return
            case "measure", {"content_type": str(type), "width": int(width), "height": int(height)}:
                is_size = width > 0 < height and width * height <= self._max_pixels
                if type in EXTENSIONS and is_size and len(made) <= MAX_THUMBHASH_BYTES:
                    Described.model_validate(about)
                    return
            case "thumbnail", {} if made:
                return
        raise ValueError("not an answer to the job")


class Description(NamedTuple):
    """Answer of a decoder about itself: one line that says what confines it, and its libraries with their versions."""

    sandbox: str
    is_confined: bool
    libraries: list[str]


def describe_decoder() -> Description:
    """Start a decoder, and return what it says of itself. If it does not start, `sandbox` says so."""
    try:
        process = Process(1, 1.0, 0)
    except OSError as error:
        return Description(str(error), False, [])
    process.end()
    return Description(
        str(process.sandbox), not process.sandbox.missing, [*libraries.describe(process.libvips), *process.optional]
    )


def _run_session_last(leader: int) -> None:
    for _ in range(20):
        try:
            Path(f"/proc/{leader}/autogroup").write_text("19")
        except BlockingIOError:  # for all users but root, Linux allows one such change in 0.1 s
            time.sleep(0.1)
        except OSError:  # this Linux does not group by session
            return
        else:
            return


def _memory_file() -> IO[bytes]:
    """Return a file that is in memory, if the system has such files."""
    if sys.platform == "linux":
        return open(os.memfd_create("image"), "r+b", buffering=0)  # noqa: PTH123
    return TemporaryFile(buffering=0)


@contextmanager
def _read_only(descriptor: int) -> Iterator[int]:
    """Yield a descriptor of the same file that only reads. Without /proc/self/fd, yield the descriptor itself.

    Otherwise an image could change its bytes after the service has hashed them, or cut a file that the service writes.
    """
    try:
        opened = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
    except OSError:
        yield descriptor
        return
    try:
        yield opened
    finally:
        os.close(opened)


def _size(content: Content) -> int:
    """Return the number of bytes."""
    return len(content) if isinstance(content, bytes) else os.fstat(content.fileno()).st_size


def _name(content: Content) -> str:
    """Return what the log says about the content."""
    if not isinstance(content, bytes):
        content.seek(0)
        content = content.read()
    return f"{len(content)} bytes of SHA-256 {hashlib.sha256(content).hexdigest()}"
