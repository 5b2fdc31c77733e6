"""A start of the migrator does no work twice: its arguments, the history, and the modules that it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.conftest import environment

# Runs `yoyo` as its entry point does, and prints how often some functions were called, and some of the modules.
COUNTING = """
import atexit, json, sys
from collections import Counter

calls = Counter()

def count(module, name):
    function = getattr(module, name)
    def counting(*arguments, **named):
        calls[name] += 1
        return function(*arguments, **named)
    setattr(module, name, counting)

import importlib_metadata
count(importlib_metadata, "entry_points")
import yoyo.scripts.main
count(yoyo.scripts.main, "parse_args")
from app.migrations import ledger
count(ledger, "read")
modules = lambda: sorted({"pglast", "tqdm"} & sys.modules.keys())
atexit.register(lambda: print(json.dumps([calls, modules()]), file=sys.stderr))
sys.argv[0] = "yoyo"
from app.entry import yoyo
yoyo()
"""


def start(url: str, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Run `yoyo apply` on a folder, and return the calls and the modules."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, "apply", folder],
        cwd=ROOT,
        env=environment(DATABASE_URL=url),
        capture_output=True,
        text=True,
        check=True,
    )
    calls, modules = json.loads(done.stderr.splitlines()[-1])
    return calls, modules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_items.sql").write_text("CREATE TABLE items (id bigint PRIMARY KEY);\n")
    (tmp_path / "0001_create_items.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE items;\n")
    return tmp_path


def test_a_start_reads_its_arguments_and_the_history_once(empty_database: str, folder: Path) -> None:
    calls, _ = start(empty_database, folder)
    # before the lock, inside it, then in the state that others may have left, and at the end
    assert calls == {"parse_args": 1, "read": 4}

    assert start(empty_database, folder) == ({"parse_args": 1, "read": 1}, [])


def test_status_imports_no_part_of_the_service(database: str) -> None:
    names = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    run = f"{names}; sys.argv = ['images', 'schema', 'status']; from app.entry import images; images()"
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=ROOT, env=environment(DATABASE_URL=database), capture_output=True, text=True
    )

    assert done.returncode == 0
    assert {"asyncpg", "pglast", "starlette", "pyvips"}.isdisjoint(done.stderr.split())


def test_a_backfill_shows_no_bar_where_there_is_no_terminal(empty_database: str, folder: Path) -> None:
    fill = "-- backfill: items\n-- depends: 0001_create_items\n\nUPDATE items SET id = id WHERE id BETWEEN $1 AND $2;\n"
    (folder / "0002_fill_items.sql").write_text(fill)
    (folder / "0002_fill_items.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")

    assert start(empty_database, folder)[1] == ["pglast"]
