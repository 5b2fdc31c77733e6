"""Logs, one line each: as JSON, or short for a terminal, as LOG_FORMAT says.

app/logging.json names the handler for uvicorn, its supervisor too; so nothing large is imported here.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic_core import to_json

from app.observability.context import CONTEXT, Context

INTERVAL = 0.05  # seconds in which lines are gathered, to be written at once
MOST_LINES = 10_000  # that wait for a reader who has stalled; more are dropped
LONGEST = 1000  # characters of a path
PATIENCE = 1.0  # seconds that the last lines of a process wait for a reader


requests = logging.getLogger("uvicorn.access")  # only asked for its level, which is uvicorn's log level


class Handler(logging.Handler):
    """Writes to stderr. Between `start` and `stop` a thread of its own does, so that nobody waits for a slow reader."""

    def __init__(self, format: str | None = None, descriptor: int = 2) -> None:
        super().__init__()
        format = format or os.environ.get("LOG_FORMAT") or _dotenv().get("LOG_FORMAT")
        self.json = format == "json" if format else not os.isatty(descriptor)
        self.dropped = 0  # lines
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write(self._json(record) if self.json else self._text(record))
        except Exception:
            self.handleError(record)

    def request(
        self,
        context: Context,
        level: int,
        scope: MutableMapping[str, Any],
        route: str,
        status: int,
        seconds: float,
        sent: int,
    ) -> None:
        """The line of a request that has been answered: as LogRecord, and by a writer of JSON, it would cost thrice."""
        path, client = scope["path"][:LONGEST], scope["client"]
        if not self.json:
            names = " ".join(f"{name}:{times:.0f}" for name, (times, _) in context.queries.items())
            words = f"{scope['method']} {_visible(path)} {status or '-'} {seconds * 1000:.1f} ms {sent} B {names}"
            self.write(f"{_clock(time.time())} {LEVELS[level]:<8}{words.rstrip()}\n".encode())
            return
        queries, waited = "", 0.0
        for name, (times, its) in context.queries.items():
            queries += f'{"," if queries else ""}{{"name":"{name}","times":{times:.0f},"seconds":{its:.6f}}}'
            waited += its
        trace = f',"trace_id":"{context.trace[0]}","parent_id":"{context.trace[1]}"' if context.trace else ""
        token = f',"token":"{context.token}"' if context.token is not None else ""
        self.write(
            f'{{"time":"{_time(time.time())}","level":"{LEVELS[level]}","message":"request"'
            f',"request_id":{quoted(context.request_id)}{trace}{token}'
            f',"method":{quoted(scope["method"])},"route":"{route}","path":{quoted(path)}'
            f',"status":{status or "null"},"seconds":{seconds:.6f},"bytes":{sent}'
            f',"client":{quoted(client[0]) if client else "null"}'
            f',"queries":[{queries}],"query_seconds":{waited:.6f}}}\n'.encode()
        )

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
                record = logging.makeLogRecord(
                    {"name": "app.observability.logs", "levelno": logging.WARNING, "levelname": "WARNING"}
                )
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


@contextmanager
def written_aside() -> Iterator[Handler | None]:
    """A time in which writing a log line takes no time of the event loop. Gives the handler that uvicorn was told to
    use; None where it was told to use another, which gets no lines of requests."""
    found = next((one for one in logging.getLogger().handlers if isinstance(one, Handler)), None)
    if found is not None:
        found.start()
    try:
        yield found
    finally:
        if found is not None:
            found.stop()


def _dotenv() -> Mapping[str, str | None]:
    file = Path(__file__).resolve().parents[2] / ".env"
    try:
        return dotenv_values(file) if file.exists() else {}
    except (OSError, UnicodeError):
        return {}  # which app/settings.py tells of


@lru_cache(2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _time(moment: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    seconds = int(moment)
    return f"{_second(seconds)}.{int((moment - seconds) * 1000):03}Z"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _whole(value: str) -> str:
    return value if value.isascii() else value.encode(errors="backslashreplace").decode()


def _visible(text: str) -> str:
    """Without what would move a terminal's cursor or end the line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


logger = logging.getLogger("uvicorn.error")
