r"""Control characters in names of files, rows and objects: no command sends them to a terminal.

ESC and U+009B begin the commands of a terminal, which can forge lines or change its title. U+202E turns text around.
"""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import psycopg

from app.settings import ROOT
from app.text import CONTROL, without_controls
from tests.conftest import as_role, environment
from tests.support import forked
from tests.support.api import insert
from tests.support.properties import given, st

EVIL = "a\x1b[2J\x9b31m\x08\x7f\u202eb"
SHOWN = r"a\x1b[2J\x9b31m\x08\x7f\u202eb"
JSON = json.dumps(EVIL).strip('"')
COMMANDS = [
    "images import EVIL",
    "images export -o EVIL/x",
    "images objects check",
    "images objects check --format json",
    "images objects check --grace EVIL",
    "images objects keep -- EVIL",
    "images token list",
    "images schema EVIL",
    "images schema check EVIL",
    "images schema drift",
    "images settings",
    "yoyo list --database EVIL",
    "yoyo apply --revision EVIL",
    "images schema status",
]


@given(st.text())
def test_no_text_has_control_characters_then(text: str) -> None:
    escaped = without_controls(text)

    assert not CONTROL.search(escaped)
    assert escaped == text or CONTROL.search(text)
    assert escaped.count("\n") == text.count("\n")


def test_no_command_prints_a_control_character(database: str, connection: psycopg.Connection, tmp_path: Path) -> None:
    insert(connection, storage_key=f"old/{EVIL}", filename=EVIL)
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256, note) VALUES (gen_random_uuid(), %s, 'read', sha256('a'), %s)",
        [EVIL, EVIL],
    )
    connection.execute(f'CREATE TABLE "{EVIL}" ()')
    variables = environment(
        DATABASE_URL=as_role(database, "images_app"),
        MIGRATION_DATABASE_URL=as_role(database, "images_owner"),
        STORAGE_URL=f"file:{tmp_path / EVIL}",
        FORCE_COLOR="1",
    )
    (tmp_path / EVIL / "sha256").mkdir(parents=True)
    silent = []

    for command in COMMANDS:
        if command.endswith("status"):  # the other commands would only say that the history is wrong
            connection.execute("UPDATE _yoyo_migration SET migration_id = %s WHERE migration_id ~ '0001'", [EVIL])
        done = forked.run(variables, *(word.replace("EVIL", EVIL) for word in command.split()))
        said = done.stdout + done.stderr
        for color in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"):
            said = said.replace(color, "")
        assert not CONTROL.search(said), (command, said)
        if SHOWN not in said.replace("\\\\", "\\") and JSON not in said:
            silent.append((command, said))

    assert silent == []


def test_a_terminal_gets_no_control_character_of_an_export(
    database: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    """Everything else gets the records as they are."""
    insert(connection, filename=EVIL)
    variables = environment(DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path}")
    parent, child = pty.openpty()
    try:
        for stdout in (tmp_path / "records", Path(os.ttyname(child))):
            assert forked.run(variables, "images", "-q", "export", stdout=stdout).returncode == 0
        shown = os.read(parent, 65536).decode()
    finally:
        os.close(parent)
        os.close(child)

    assert "2J\x9b31m" in (tmp_path / "records").read_text()
    assert r"\u009b31m\b\u007f\u202eb" in shown
    assert not CONTROL.search(shown.replace("\r\n", "\n"))


def test_a_progress_bar_may_return_to_the_start_of_its_line() -> None:
    code = "import sys; from app.streams import guard_streams; guard_streams(); "
    code += r"sys.stderr.write('\r50%\r'); sys.stderr.write('a\rb\x1b[A'); print('\rc\x1b')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True)

    assert done.stderr == b"\r50%\r" + rb"a\rb\x1b[A"
    assert done.stdout == rb"\rc\x1b" + b"\n"
