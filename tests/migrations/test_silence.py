"""PostgreSQL that accepts connections and never answers: commands that read end, with the place and what to do."""

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.cli.main import run
from app.embedded_postgres import binaries
from app.errors import CommandError
from app.migrations import dump, silence, yoyo_command
from app.migrations.connection import open_url
from app.migrations.interrupts import interruptible
from app.settings import ROOT
from tests.conftest import VERSION, backend_on
from tests.support.cluster import Mortal, migrated
from tests.support.waiting import wait_until

READY = b"Z\x00\x00\x00\x05I"  # the message with which the server asks for the first statement
COMMANDS = ["status", "plan", "drift", "verify", "backfill status"]


@pytest.fixture
def silent(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that accepts each connection, and does not answer its first statement."""
    monkeypatch.setattr(silence, "LIMIT", 0.3)
    place = conninfo_to_dict(database)
    kept: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        thread = threading.Thread(target=_greet, args=[listener, f"{place['host']}/.s.PGSQL.5432", kept])
        thread.start()
        yield f"postgresql://{place['user']}@/{place['dbname']}?host={quote(str(tmp_path), safe='')}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in kept:
        each.close()


def _greet(listener: socket.socket, server: str, kept: list[socket.socket]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(server)
        kept += [client, upstream]
        upstream.sendall(client.recv(10_000))
        greeting = b""
        while READY not in greeting:
            greeting += upstream.recv(10_000)
        client.sendall(greeting)


def _assert_told(said: str, place: str) -> None:
    words = r"error: PostgreSQL at (.*) accepted the connection, but has not answered for \d+ s\.\nhint: (.*)\n"
    found = re.fullmatch(words, said)
    assert found, said
    assert found[1] == place
    assert found[2] == silence.HINT


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reading_command_ends_if_postgresql_is_silent(
    command: str, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", silent)

    assert run(["schema", *command.split()]) == 3

    _assert_told(capfd.readouterr().err, f"{tmp_path}/.s.PGSQL.5432")


def test_yoyo_list_ends_if_postgresql_is_silent(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", silent)
    monkeypatch.setattr(sys, "argv", ["yoyo", "list"])
    monkeypatch.chdir(ROOT)

    with pytest.raises(SystemExit) as ended:
        yoyo_command.main()

    assert ended.value.code == 3
    _assert_told(capfd.readouterr().err, f"{tmp_path}/.s.PGSQL.5432")


def test_a_statement_ends_if_the_server_is_frozen(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "LIMIT", 0.3)
    monkeypatch.setattr(silence, "PROBE_TIMEOUT", 2)
    server: Mortal = migrated(memory / "frozen" / "data")
    try:
        connection = open_url(server.url("images"))

        with server.frozen(), pytest.raises(CommandError, match="accepted the connection, but has not answered"):
            connection.execute("SELECT 1")

        assert connection.closed
    finally:
        server.leave()


def test_a_statement_may_take_longer_if_the_server_answers_others(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LIMIT", 0.2)
    answers: list[silence.Health] = []
    ask = silence.ListeningConnection._ask_another

    def counted(connection: silence.ListeningConnection) -> silence.Health:
        answers.append(ask(connection))
        return answers[-1]

    monkeypatch.setattr(silence.ListeningConnection, "_ask_another", counted)
    with psycopg.connect(database, autocommit=True) as holder, open_url(database) as connection:
        holder.execute("SELECT pg_advisory_lock(1)")
        waiting = threading.Thread(target=connection.execute, args=["SELECT pg_advisory_lock(1)"])
        waiting.start()
        try:
            wait_until(lambda: len(answers) >= 2)
        finally:
            holder.execute("SELECT pg_advisory_unlock(1)")
            waiting.join()

        assert {*answers} == {"working"}
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_migrator_that_writes_is_patient_and_says_so(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with backend_on(database) as backend:
        backend._hold()
        monkeypatch.setattr(silence, "LIMIT", 0.2)
        monkeypatch.setattr(silence.ListeningConnection, "_ask_another", lambda connection: "silent")

        assert backend.connection.execute("SELECT pg_sleep(1), 1").fetchone()[1] == 1

    assert re.search(
        r"^PostgreSQL at .* has not answered for \d+ s\. A migrator", capsys.readouterr().out, re.MULTILINE
    )


def test_a_commit_that_waits_for_a_standby_is_told(
    memory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(silence, "LIMIT", 0.2)
    server: Mortal = migrated(memory / "no standby" / "data")
    try:
        url = server.url("images")
        with psycopg.connect(url, autocommit=True) as admin, backend_on(url) as backend:
            backend._hold()
            admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'none_such'")
            admin.execute("SELECT pg_reload_conf()")
            wait_until(lambda: admin.execute("SHOW synchronous_standby_names").fetchone() == ("none_such",))
            said: list[str] = []
            monkeypatch.setattr(backend.connection, "tell", said.append)
            backend.connection.execute("SET synchronous_commit = on")
            waiting = threading.Thread(target=backend.connection.execute, args=["CREATE TABLE replicated ()"])
            waiting.start()
            try:
                wait_until(lambda: said)
            finally:
                admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
                admin.execute("SELECT pg_reload_conf()")
                waiting.join()
    finally:
        server.leave()

    assert re.fullmatch(
        r"PostgreSQL has waited for a synchronous standby for \d+ s\. The setting \w+ names it", said[0]
    )


def test_pg_dump_ends_if_its_answer_is_lost(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one has its answer, and asks for nothing for 10 s: PostgreSQL cannot tell the difference. Then it ends."""
    (tmp_path / "pg_dump").write_text(f"""#!/bin/bash
exec {binaries(VERSION) / "psql"} "${{@: -1}}" <<< "SET idle_session_timeout = '5s'; SELECT 1 \\\\watch 10"
""")
    (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setattr(dump, "binaries", lambda _: tmp_path)
    monkeypatch.setattr(silence, "LIMIT", 0.3)

    with pytest.raises(CommandError, match="has not answered for"):
        dump.run_pg_dump(database)


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_connection_whose_answer_is_lost_ends(
    is_patient: bool, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done the statement, and answers other connections."""
    monkeypatch.setattr(silence, "LIMIT", 0.5)
    place = conninfo_to_dict(database)
    is_cut = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        threading.Thread(
            target=_forward, args=[listener, f"{place['host']}/.s.PGSQL.5432", is_cut], daemon=True
        ).start()
        url = f"postgresql://{place['user']}@/{place['dbname']}?host={quote(str(tmp_path), safe='')}"
        with open_url(url) as connection:
            connection.is_patient = is_patient
            is_cut.set()

            with pytest.raises(CommandError, match="has not answered for"):
                connection.execute("SELECT 1")

            assert connection.closed
        listener.shutdown(socket.SHUT_RDWR)


def test_an_interrupted_statement_without_an_answer_is_named_once(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """psycopg cancels it, waits for 5 s, and closes the connection. Its own warnings are not for an operator."""
    place = conninfo_to_dict(database)
    is_cut = threading.Event()
    said: list[str] = []
    query = "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()"

    def interrupt() -> None:
        with psycopg.connect(database, autocommit=True) as watcher:
            wait_until(lambda: watcher.execute(query).fetchall())
        is_cut.set()
        os.kill(os.getpid(), signal.SIGTERM)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        server = f"{place['host']}/.s.PGSQL.5432"
        threading.Thread(target=_forward, args=[listener, server, is_cut], daemon=True).start()
        url = f"postgresql://{place['user']}@/{place['dbname']}?host={quote(str(tmp_path), safe='')}"
        with open_url(url) as connection, interruptible():
            connection.is_patient, connection.tell = True, said.append
            interrupter = threading.Thread(target=interrupt)
            interrupter.start()
            with pytest.raises(KeyboardInterrupt):
                connection.execute("SELECT pg_sleep(600)")
            interrupter.join()
        listener.shutdown(socket.SHUT_RDWR)

    assert connection.closed
    assert [text.partition(",")[0] for text in said] == ["PostgreSQL did not confirm that the statement was cancelled"]
    assert caplog.messages == []


def _forward(listener: socket.socket, server: str, is_cut: threading.Event) -> None:
    """Forward connections. The answers to the first one are lost once it is cut."""
    never, number = threading.Event(), 0
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(server)
        threading.Thread(target=_pump, args=[client, upstream, never], daemon=True).start()
        threading.Thread(target=_pump, args=[upstream, client, never if number else is_cut], daemon=True).start()
        number += 1


def _pump(source: socket.socket, target: socket.socket, is_cut: threading.Event) -> None:
    with source, target, suppress(OSError):
        while received := source.recv(65536):
            if not is_cut.is_set():
                target.sendall(received)
