"""Output of the migrator: lines and a progress bar for people, or JSON lines for programs (MIGRATION_OUTPUT=json).

With JSON, stdout has one object for each event. docs/reference/json-output.md lists the events.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Literal

from psycopg.errors import Diagnostic

from app.errors import CommandError, UsageError, WrongSettingsError
from app.streams import events
from app.text import printable

if TYPE_CHECKING:
    from app.progress import Progress  # at run time only when work takes long: tqdm takes 30 ms

NOT_BY_MIGRATION = {"25P01", "57P01", "57P02"}  # SQLSTATEs: no transaction, and two of a server that goes down
MAX_MESSAGE = 500  # characters of a message of PostgreSQL
MAX_MESSAGES = 100  # of one migration
LINE_INTERVAL = 10.0  # seconds between two events of progress
FIRST_INTERVAL = 1.0  # seconds until the first one of a migration: GET /readyz names the migration from then on


def requested() -> Literal["text", "json"]:
    """Return MIGRATION_OUTPUT, also if other settings are wrong, or if there is no project."""
    from app.setting_sources import Sources  # at run time only after an error

    found = None
    with suppress(UsageError):
        found = Sources().find("MIGRATION_OUTPUT")
    return "json" if found is not None and found.text == "json" else "text"


class Output:
    """Output of one command. `migration` is the ID of the migration that runs, or None."""

    def __init__(self, format: Literal["text", "json"] = "text") -> None:
        self.format = format
        self.migration: str | None = None
        self._bar: Progress | None = None
        self._messages = 0

    def report(self, text: str, event: str = "note", **fields: object) -> None:
        """Print a line about the work to stdout. With JSON, print `event` with its `fields` and the text."""
        if self.format == "json":
            at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            named = {"migration": self.migration} if self.migration else {}
            text = json.dumps({"event": event, "at": at} | named | fields | {"text": text}, default=str)
        with self._bar.beside(events()) if self._bar else nullcontext():
            print(text, file=events(), flush=True)

    def error(self, error: CommandError, exit_status: int) -> None:
        """Report an error as an event, and several wrong settings as one event each. People see them on stderr."""
        for each in error.errors if isinstance(error, WrongSettingsError) else [error]:
            if self.format == "json":
                self.report(each.message, "error", hint=each.hint, exit_status=exit_status)

    @contextmanager
    def running(self, migration_id: str) -> Iterator[None]:
        """Print PostgreSQL's messages, and put the migration into events, while the block runs it."""
        self.migration, self._messages = migration_id, 0
        try:
            yield
        finally:
            self.migration = None
            if self._messages > MAX_MESSAGES:
                self._say("warning", f"{migration_id}: {self._messages - MAX_MESSAGES:,} more messages are not shown")

    def raised(self, message: Diagnostic) -> None:
        """Print a message that a statement of the migration raised, such as a NOTICE, as it comes.

        Messages between two migrations are not of the author's making, and are not printed. Nor is the warning that
        there is no transaction: yoyo ends one that it did not begin. Nor is that of a server that goes down: an error
        follows it.
        """
        if self.migration is None or message.sqlstate in NOT_BY_MIGRATION:
            return
        level, text = (message.severity_nonlocalized or "notice").lower(), message.message_primary or ""
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            return
        text = printable(text)
        text = text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}..."
        if self.format == "json":
            self.report(text, "message", level=level)
        else:
            self._say(level, f"{self.migration}: {text}")

    def _say(self, level: str, text: str) -> None:
        if self.format == "json":
            self.report(text, "message", level=level)
            return
        with self._bar.beside(sys.stderr) if self._bar else nullcontext():
            print(f"{level}: {text}", file=sys.stderr, flush=True)

    @property
    def is_metered(self) -> bool:
        """Return whether the progress of some work is shown."""
        return self._bar is not None

    @contextmanager
    def meter(self, label: str, unit: str, total: int | None = None, done: int = 0) -> Iterator["Meter"]:
        """Show the progress of a piece of work: a bar on a terminal. Elsewhere, a line after a second, then every 10 s.

        `label` says what is done, as "building index". `unit` is a plural noun. `done` is what an earlier command did.
        """
        from app.progress import Progress

        with Progress(unit, total, is_bar_hidden=self.format == "json", is_line_hidden=True) as bar:
            self._bar, meter = bar, Meter(self, bar, label, unit, total, done)
            bar.advance(done, meter.title)
            try:
                yield meter
            finally:
                self._bar = None


class Meter:
    """Progress of a piece of work: done, total, rate, and time left."""

    def __init__(self, output: Output, bar: "Progress", label: str, unit: str, total: int | None, done: int) -> None:
        self._output, self._bar = output, bar
        self._label, self._unit = label, unit
        self._total, self._done = total, done
        self._begun = done  # by an earlier command
        self._started = self._told = monotonic()
        self._interval = min(FIRST_INTERVAL, LINE_INTERVAL)
        self.title = f"{output.migration}: {label}" if output.migration else label

    def update(self, done: int, total: int | None) -> None:
        """Set how much is done, and how much there is, or None if that is not known."""
        step, self._done = done - self._done, done
        self._total = total
        self._bar.expect(total)
        self._bar.advance(step)
        if not self._bar.has_bar and monotonic() - self._told >= self._interval:
            self._told, self._interval = monotonic(), LINE_INTERVAL
            self._output.report(
                self.words(),
                "progress",
                label=self._label,
                unit=self._unit,
                done=self._done,
                total=self._total,
                rate=round(self.rate, 3),
                seconds_left=None if self.seconds_left is None else round(self.seconds_left, 1),
            )

    @property
    def rate(self) -> float:
        """Return how much was done in a second, on average since this command began with it."""
        elapsed = monotonic() - self._started
        return (self._done - self._begun) / elapsed if elapsed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Return the time left if the rate stays. Return None if the total or the rate is not known."""
        if self._total is None or self.rate <= 0:
            return None
        return max(self._total - self._done, 0) / self.rate

    def words(self) -> str:
        """Return the progress in one line."""
        of = f" of {self._total:,}" if self._total is not None else ""
        parts = [f"{self.title}: {self._done:,}{of} {self._unit}"]
        if self.rate > 0:
            parts.append(f"{self.rate:,.0f} a second")
        if self.seconds_left is not None:
            parts.append(f"about {self.seconds_left:,.0f} s left")
        return ", ".join(parts)
