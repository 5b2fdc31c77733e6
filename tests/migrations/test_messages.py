"""Output of the migrator: messages of PostgreSQL, progress, and JSON lines."""

import io
import json
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from yoyo import read_migrations

from app.errors import ExitCode
from app.migrations import output, watch
from app.migrations.output import MAX_MESSAGE, MAX_MESSAGES, Output
from tests.conftest import backend_on
from tests.support.waiting import wait_until

TALK = r"""
CREATE TABLE things ();
ALTER TABLE others ADD COLUMN mine int;
DO $$
BEGIN
    RAISE INFO 'an info';
    RAISE NOTICE E'two\nlines \x1b[31m %', repeat('x', 1000);
    RAISE WARNING 'café';
    RAISE DEBUG 'hidden';
    RAISE LOG 'hidden';
    PERFORM pg_advisory_xact_lock(99);
    FOR n IN 1..150 LOOP
        RAISE NOTICE 'number %', n;
    END LOOP;
END $$;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_talk.sql").write_text(TALK)
    (tmp_path / "0001_talk.rollback.sql").write_text(
        "-- loses: nothing\n\nDROP TABLE IF EXISTS none, things, others;\n"
    )
    return tmp_path


def apply(url: str, folder: Path) -> None:
    with backend_on(url) as backend:
        backend.apply_migrations(read_migrations(str(folder)))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> "Said":
    return Said(capsys)


class Said:
    """All that was written so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def read(self) -> "Said":
        out, err = self._capsys.readouterr()
        self.out, self.err = self.out + out, self.err + err
        return self


def test_messages_and_waits_are_printed_as_they_come(
    empty_database: str, folder: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "REPORT_INTERVAL", 0.05)
    monkeypatch.setattr(watch, "MAX_INTERVAL", 0.05)
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "60")
    with psycopg.connect(empty_database, application_name="holder") as holder:
        holder.execute("CREATE TABLE others (); COMMIT; BEGIN; SELECT pg_advisory_xact_lock(99)")
        process = holder.info.backend_pid

        def release() -> None:
            try:
                wait_until(lambda: "café" in said.read().err and "waiting: process" in said.out)
            finally:
                holder.rollback()

        releasing = threading.Thread(target=release)
        releasing.start()
        apply(empty_database, folder)
        releasing.join()
    lines = said.read().err.splitlines()

    assert lines[0] == "info: 0001_talk: an info"
    assert lines[1].startswith("notice: 0001_talk: two\\nlines \\x1b[31m xxx")
    assert lines[1].endswith("x...")
    assert len(lines[1]) == len("notice: 0001_talk: ...") + MAX_MESSAGE
    assert lines[2:4] == ["warning: 0001_talk: café", "notice: 0001_talk: number 1"]
    assert len(lines) == MAX_MESSAGES + 1
    assert lines[-1] == f"warning: 0001_talk: {3 + 150 - MAX_MESSAGES} more messages are not shown"
    assert f"0001_talk: on others (0 bytes), waiting: process {process}" in said.out
    assert "(holder) holds ExclusiveLock on advisory lock 99, idle in transaction for " in said.out
    assert "_yoyo" not in said.err  # messages about the migrator's own statements


def test_the_first_line_comes_soon(
    empty_database: str, folder: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GET /readyz gets the migration from it."""
    monkeypatch.setattr(watch, "REPORT_INTERVAL", 3600)
    monkeypatch.setenv("MIGRATION_LOCK_TIMEOUT", "60")
    with psycopg.connect(empty_database) as holder:
        holder.execute("CREATE TABLE others (); COMMIT; BEGIN; SELECT pg_advisory_xact_lock(99)")

        def release() -> None:
            try:
                wait_until(lambda: "0001_talk: on others" in said.read().out)
            finally:
                holder.rollback()

        releasing = threading.Thread(target=release)
        releasing.start()
        apply(empty_database, folder)
        releasing.join()

    assert "0001_talk: on others (0 bytes), " in said.read().out


def test_json_lines_tell_the_events(
    empty_database: str, folder: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGRATION_OUTPUT", "json")
    with psycopg.connect(empty_database) as connection:
        connection.execute("CREATE TABLE others ()")
    apply(empty_database, folder)
    with backend_on(empty_database) as backend:
        backend.rollback_migrations(read_migrations(str(folder)))
    (folder / "0001_talk.sql").write_text("SELECT 1/0;\n")
    with pytest.raises(SystemExit):
        apply(empty_database, folder)

    events = [json.loads(line) for line in said.read().out.splitlines()]
    named = [(each["event"], each.get("migration")) for each in events]

    assert named[0] == ("message", "0001_talk")
    assert events[0]["level"] == "info"
    assert events[0]["text"] == "an info"
    assert all(each["at"].endswith("Z") and each["text"] for each in events)
    done = [each for each in events if each["event"] == "done"]
    assert [(each["operation"], each["migration"]) for each in done] == [
        ("apply", "0001_talk"),
        ("rollback", "0001_talk"),
    ]
    assert all(each["seconds"] >= 0 for each in done)
    assert events[-1] | {"at": ""} == {
        "event": "error",
        "at": "",
        "text": "0001_talk was not applied: division by zero.",
        "hint": None,
        "exit_status": ExitCode.FAILED,
    }
    assert said.err == "error: 0001_talk was not applied: division by zero.\n"


def test_a_meter_tells_soon_that_the_work_has_begun(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "LINE_INTERVAL", 3600)
    with Output().meter("building index", "blocks", total=1000) as meter:
        meter._told -= 1  # a second ago
        meter.update(2, 1000)
        meter._told -= 1
        meter.update(3, 1000)

    assert said.read().out.startswith("building index: 2 of 1,000 blocks")
    assert said.out.count("\n") == 1


def test_a_meter_tells_rate_and_time_left(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "LINE_INTERVAL", 0)
    for format in ("text", "json"):
        with Output(format).meter("building index", "blocks", total=1000, done=200) as meter:
            meter._started -= 2  # two seconds ago
            meter.update(400, 1000)

    text, line = said.read().out.splitlines()
    assert text.startswith("building index: 400 of 1,000 blocks, 1")
    assert text.endswith(" s left")
    event = json.loads(line)
    assert (event["event"], event["label"], event["unit"]) == ("progress", "building index", "blocks")
    assert (event["done"], event["total"]) == (400, 1000)
    assert event["rate"] == pytest.approx(100, rel=0.1)
    assert event["seconds_left"] == pytest.approx(6, rel=0.1)
    assert said.err == ""


def test_a_terminal_has_a_bar_that_lines_do_not_break(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Output()
    with shown.meter("building index", "blocks", total=10) as meter:
        meter.update(5, 10)
        shown.report("a line")

    assert "building index" in terminal.getvalue()
    assert "/10" in terminal.getvalue()
    assert said.read().out == "a line\n"
