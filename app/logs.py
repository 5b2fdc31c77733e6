"""Logs, one line each: as JSON, or short for a terminal, as LOG_FORMAT says.

app/logging.json names the handler for uvicorn, its supervisor too; so nothing large is imported here.
"""

import logging
import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic_core import to_json

INTERVAL = 0.05  # seconds in which lines are gathered, to be written at once
MOST_LINES = 10_000  # that wait for a reader who has stalled; more are dropped
LONGEST = 1000  # characters of a path
PATIENCE = 1.0  # seconds that the last lines of a process wait for a reader

SANE = re.compile(rb"[\x21-\x7e]{1,128}")
TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")

requests = logging.getLogger("uvicorn.access")  # only asked for its level, which is uvicorn's log level

_prefix = os.urandom(8).hex()
_numbers = count(1)


class Context:
    """What the lines of one request have in common."""

    __slots__ = ("parent_id", "queries", "request_id", "token", "trace_id")

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        """The request's own id where it is printable and short, else a new one; and its W3C trace context, if valid."""
        given = headers.get(b"x-request-id")
        self.request_id = given.decode() if given and SANE.fullmatch(given) else f"{_prefix}{next(_numbers):08x}"
        self.trace_id: str | None = None
        self.parent_id: str | None = None
        if (traceparent := headers.get(b"traceparent")) is not None:
            self._trace(traceparent)
        self.token: str | None = None  # the name of the one that was sent
        self.queries: dict[str, list[float]] = {}  # by name: how often, seconds in all

    def _trace(self, traceparent: bytes) -> None:
        valid = TRACEPARENT.fullmatch(traceparent)
        if valid and (len(traceparent) == 55 or traceparent[:2] != b"00"):
            self.trace_id, self.parent_id = valid[1].decode(), valid[2].decode()

    def add_query(self, name: str, seconds: float) -> None:
        query = self.queries.get(name)
        if query is None:
            self.queries[name] = [1, seconds]
        else:
            query[0] += 1
            query[1] += seconds

    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"request_id": self.request_id}
        if self.trace_id is not None:
            fields |= {"trace_id": self.trace_id, "parent_id": self.parent_id}
        return fields


CONTEXT: ContextVar[Context | None] = ContextVar("request", default=None)


class Handler(logging.Handler):
    """Writes to stderr. Between `start` and `stop` a thread of its own does, so that nobody waits for a slow reader."""

    def __init__(self, format: str | None = None, descriptor: int = 2) -> None:
        super().__init__()
        format = format or os.environ.get("LOG_FORMAT") or _dotenv().get("LOG_FORMAT")
        self.json = format == "json" if format else not os.isatty(descriptor)
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write(self._json(record) if self.json else self._text(record))
        except Exception:
            self.handleError(record)

    def request(self, context: Context, level: int, fields: dict[str, Any]) -> None:
        """The line of a request that has been answered. It costs a third of what a LogRecord would."""
        if self.json:
            queries = [
                {"name": name, "times": times, "seconds": round(seconds, 6)}
                for name, (times, seconds) in context.queries.items()
            ]
            line = {"time": _time(time.time()), "level": LEVELS[level], "message": "request", **context.fields()}
            if context.token is not None:
                line["token"] = context.token
            line |= fields
            line |= {"queries": queries, "query_seconds": round(sum(query[1] for query in context.queries.values()), 6)}
            self.write(to_json(line, ensure_ascii=True) + b"\n")
        else:
            names = " ".join(f"{name}:{times:.0f}" for name, (times, _) in context.queries.items())
            words = (
                f"{fields['method']} {_visible(fields['path'])} {fields['status']} {fields['seconds'] * 1000:.1f} ms"
                f" {fields['bytes']} B {names}"
            )
            self.write(f"{_clock(time.time())} {LEVELS[level]:<8}{words.rstrip()}\n".encode())

    def write(self, line: bytes) -> None:
        if self._thread is None:
            self._write_now(line)
        elif len(self._lines) < MOST_LINES:
            self._lines.append(line)
            if not self._wanted.is_set():
                self._wanted.set()
        else:
            self.dropped += 1

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is there is written, if somebody reads it."""
        thread, self._thread = self._thread, None
        self._wanted.set()
        if thread is not None:
            thread.join(PATIENCE)
            if not thread.is_alive():
                self._drain()

    def _run(self) -> None:
        told = self.dropped
        while self._thread is not None:
            self._wanted.wait()
            if self._thread is not None:
                time.sleep(INTERVAL)
            self._wanted.clear()
            self._drain()
            if self.dropped > told:
                record = logging.makeLogRecord({"name": "app.logs", "levelno": logging.WARNING, "levelname": "WARNING"})
                record.msg, told = f"{self.dropped - told} lines were dropped: nobody read them in time", self.dropped
                self.emit(record)

    def _drain(self) -> None:
        while number := len(self._lines):
            self._write_all(b"".join(self._lines.popleft() for _ in range(min(number, 1000))))

    def _write_now(self, line: bytes) -> None:
        if select.select([], [self._descriptor], [], PATIENCE)[1]:
            self._write_all(line)
        else:
            self.dropped += 1

    def _write_all(self, text: bytes) -> None:
        try:
            while text:
                text = text[os.write(self._descriptor, text) :]
        except OSError:  # nobody reads any more, or the disk is full
            self.dropped += text.count(b"\n")

    def _json(self, record: logging.LogRecord) -> bytes:
        line = {"time": _time(record.created), "level": record.levelname.lower()}
        line["message"] = record.getMessage().strip()
        if context := CONTEXT.get():
            line |= context.fields()
        if record.exc_info:
            line["traceback"] = FORMATTER.formatException(record.exc_info)
        line["logger"] = record.name
        # A name of a file may have half a character, which JSON has not.
        return to_json({name: _whole(value) for name, value in line.items()}, ensure_ascii=True) + b"\n"

    def _text(self, record: logging.LogRecord) -> bytes:
        line = f"{_clock(record.created)} {record.levelname.lower():<8}{_visible(record.getMessage().strip())}\n"
        if record.exc_info:  # indented: a line that begins at the margin is one of ours
            traceback = FORMATTER.formatException(record.exc_info).splitlines()
            line += "".join(f"  {_visible(said)}\n" for said in traceback)
        return line.encode(errors="backslashreplace")


LEVELS = {
    number: name.lower() for name, number in logging.getLevelNamesMapping().items() if name not in {"WARN", "FATAL"}
}
FORMATTER = logging.Formatter()


def handler() -> Handler | None:
    """The one that uvicorn was told to use; None where it was told to use another."""
    return next((found for found in logging.getLogger().handlers if isinstance(found, Handler)), None)


@contextmanager
def written_aside() -> Iterator[None]:
    """A time in which writing a log line takes no time of the event loop."""
    found = handler()
    if found is not None:
        found.start()
    try:
        yield
    finally:
        if found is not None:
            found.stop()


def _dotenv() -> Mapping[str, str | None]:
    file = Path(__file__).resolve().parent.parent / ".env"
    try:
        return dotenv_values(file) if file.exists() else {}
    except (OSError, UnicodeError):
        return {}  # which app/settings.py tells of


def _time(moment: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    seconds, fraction = divmod(moment, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1000):03}Z"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _whole(value: str) -> str:
    return value if value.isascii() else value.encode(errors="backslashreplace").decode()


def _visible(text: str) -> str:
    """Without what would move a terminal's cursor or end the line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
