"""Log lines and the access log: one line each, as JSON or as text for a terminal (LOG_FORMAT).

app/logging.json names the handler for uvicorn. uvicorn's supervisor loads it too, so nothing large is imported here.
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
from app.text import encodable, line_without_secrets, may_have_secret, printable, without_secrets

WRITE_INTERVAL = 0.05  # seconds between two writes to stderr
MAX_WAITING_LINES = 10_000  # if stderr is not read, further lines are dropped
MAX_PATH = 1000  # characters
STALL_TIMEOUT = 1.0  # seconds that a line waits for stderr to be read at the end of a process


requests = logging.getLogger("uvicorn.access")  # has uvicorn's log level


class Handler(logging.Handler):
    """Handler that writes to stderr. Between `start` and `stop`, a thread writes: a slow reader delays no request."""

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
            self.write(line_without_secrets(self._json(record) if self.json else self._text(record)))
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
        """Write the line of an answered request. A LogRecord and a JSON library would take three times as long.

        A client may send its token in the path, as a request ID, or as its own address. To search the whole line would
        take four times as long.
        """
        client = scope["client"]
        path, request_id, address = scope["path"][:MAX_PATH], context.request_id, client[0] if client else ""
        if may_have_secret(f"{path} {request_id} {address}"):
            path, request_id, address = map(without_secrets, (path, request_id, address))
        if not self.json:
            names = " ".join(f"{name}:{times:.0f}" for name, (times, _) in context.queries.items())
            words = f"{scope['method']} {printable(path)} {status or '-'} {seconds * 1000:.1f} ms {sent} B {names}"
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
            f',"request_id":{quoted(request_id)}{trace}{token}'
            f',"method":{quoted(scope["method"])},"route":"{route}","path":{quoted(path)}'
            f',"status":{status or "null"},"seconds":{seconds:.6f},"bytes":{sent}'
            f',"client":{quoted(address) if client else "null"}'
            f',"queries":[{queries}],"query_seconds":{waited:.6f}}}\n'.encode()
        )

    def write(self, line: bytes) -> None:
        """Write a line without secrets now, or hand it to the thread. If too many lines wait, drop it."""
        if self._thread is None:
            self._write_now(line)
        elif len(self._lines) < MAX_WAITING_LINES:
            self._lines.append(line)
            if not self._wanted.is_set():
                self._wanted.set()
        else:
            self.dropped += 1

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and write the lines that still wait, if stderr is read."""
        thread, self._thread = self._thread, None
        self._wanted.set()
        if thread is not None:
            thread.join(STALL_TIMEOUT)
            if not thread.is_alive():
                self._drain()

    def _run(self) -> None:
        reported, failed = self.dropped, False
        while self._thread is not None:
            self._wanted.wait()
            if self._thread is not None:
                time.sleep(WRITE_INTERVAL)
            self._wanted.clear()
            try:
                self._drain()
            except Exception as error:  # if this thread ended, no further line would be written
                if not failed:
                    self._report(logging.ERROR, "log lines could not be written", error)
                failed = True
                continue
            failed = False
            if self.dropped > reported:
                text = f"{self.dropped - reported} log lines were dropped: stderr was not read in time"
                reported = self.dropped
                self._report(logging.WARNING, text)

    def _report(self, level: int, text: str, error: Exception | None = None) -> None:
        """Write a line about the log itself."""
        names = {"name": "app.observability.logs", "levelno": level, "levelname": logging.getLevelName(level)}
        record = logging.makeLogRecord(names)
        record.msg = text
        record.exc_info = (type(error), error, error.__traceback__) if error else None
        self.emit(record)

    def _drain(self) -> None:
        while number := len(self._lines):
            number = min(number, 1000)
            text = b"".join(self._lines.popleft() for _ in range(number))
            try:
                self._write_all(text)
            except Exception:
                self.dropped += number
                raise

    def _write_now(self, line: bytes) -> None:
        if select.select([], [self._descriptor], [], STALL_TIMEOUT)[1]:
            self._write_all(line)
        else:
            self.dropped += 1

    def _write_all(self, text: bytes) -> None:
        try:
            while text:
                text = text[os.write(self._descriptor, text) :]
        except OSError:  # stderr is closed, or the disk is full
            self.dropped += text.count(b"\n")

    def _json(self, record: logging.LogRecord) -> bytes:
        line = {"time": _time(record.created), "level": record.levelname.lower()}
        line["message"] = record.getMessage().strip()
        if context := CONTEXT.get():
            line |= context.fields()
        if record.exc_info:
            line["traceback"] = FORMATTER.formatException(record.exc_info)
        line["logger"] = record.name
        # A file name may contain a lone surrogate, which JSON cannot.
        return to_json({name: encodable(value) for name, value in line.items()}, ensure_ascii=True) + b"\n"

    def _text(self, record: logging.LogRecord) -> bytes:
        line = f"{_clock(record.created)} {record.levelname.lower():<8}{printable(record.getMessage().strip())}\n"
        if record.exc_info:  # indented: only a log line begins at the margin
            traceback = FORMATTER.formatException(record.exc_info).splitlines()
            line += "".join(f"  {printable(text)}\n" for text in traceback)
        return line.encode()


LEVELS = {
    number: name.lower() for name, number in logging.getLevelNamesMapping().items() if name not in {"WARN", "FATAL"}
}
FORMATTER = logging.Formatter()


@contextmanager
def write_in_background() -> Iterator[Handler | None]:
    """Write log lines in a thread meanwhile. Yield the handler of app/logging.json.

    If uvicorn uses another handler, yield None: there is no access log then.
    """
    found = next((handler for handler in logging.getLogger().handlers if isinstance(handler, Handler)), None)
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
        return {}  # app/settings.py reports it


@lru_cache(2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _time(moment: float) -> str:
    """Return a time as RFC 3339, in UTC, with milliseconds."""
    seconds = int(moment)
    return f"{_second(seconds)}.{int((moment - seconds) * 1000):03}Z"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


logger = logging.getLogger("uvicorn.error")
