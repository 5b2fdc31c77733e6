"""Reviews of ten changes: `python -m tests.review.changes --rows 200000`, six minutes on a quiet machine.

It puts each change of changes.sql behind the shipped migrations of a copy of the project, and runs
`images schema review` there. It prints the verdict beside the expected one, the time, and the lines of the report.
"""

import argparse
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from app.schema.history import shipped
from app.settings import ROOT

FILE = Path(__file__).with_suffix(".sql")
NOT_COPIED = shutil.ignore_patterns(".*", "benchmarks", "deploy", "docs", "tests")
VERDICTS = {0: ("safe", "care"), 1: ("unsafe",)}  # by exit code


class Migration(NamedTuple):
    """A migration of a change: its name, the lines of its header, its statements, and its rollback, if there is one."""

    name: str
    header: str
    sql: str
    rollback: str


class Change(NamedTuple):
    """One change: the verdict that a DBA expects, and its migrations in their order."""

    verdict: str
    name: str
    migrations: list[Migration]


def changes() -> list[Change]:
    """Return the changes of the file."""
    found = []
    for section in re.split(r"^-- CHANGE ", FILE.read_text(), flags=re.MULTILINE)[1:]:
        head, *parts = re.split(r"^-- MIGRATION ", section, flags=re.MULTILINE)
        verdict, name = head.strip().split(": ", 1)
        migrations = []
        for part in parts:
            first, _, rollback = part.partition("-- ROLLBACK\n")
            match = re.match(r"(\w+)\n((?:-- [^\n]*\n)*)(.*)", first, re.DOTALL)
            assert match is not None
            migrations.append(Migration(match[1], match[2], match[3].strip(), rollback.strip()))
        found.append(Change(verdict, name, migrations))
    return found


def write(change: Change, folder: Path) -> list[str]:
    """Write the migrations of a change behind those of the folder. Return their IDs."""
    last = max(shipped())
    ids = []
    for number, migration in enumerate(change.migrations, int(last[:4]) + 1):
        own = f"{number:04}_{migration.name}"
        lines = "-- What: what its name says.\n-- Why: a trial.\n-- Locks: see the report.\n-- Cost: see the report.\n"
        head = f"-- A part of a change: {change.name}.\n--\n{lines}{migration.header}-- depends: {last}\n"
        (folder / f"{own}.sql").write_text(f"{head}\n{migration.sql}\n")
        if migration.rollback:
            back = re.match(r"((?:-- [^\n]*\n)*)(.*)", migration.rollback, re.DOTALL)
            assert back is not None
            head = f"-- Undoes it.\n--\n{back[1]}-- Locks: see the report.\n-- Cost: see the report.\n"
            (folder / f"{own}.rollback.sql").write_text(f"{head}\n{back[2]}\n")
        ids.append(own)
        last = own
    return ids


def main() -> int:
    """Review each change, and return 1 if a verdict is not the expected one."""
    parser = argparse.ArgumentParser(prog="python -m tests.review.changes", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of each table (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="WORD", help="changes whose name has the word")
    parser.add_argument("--reports", type=Path, metavar="FOLDER", help="keep the reports in this folder")
    arguments = parser.parse_args()
    is_wrong = False
    images = Path(sys.executable).with_name("images")
    for change in (one for one in changes() if arguments.only in one.name):
        with TemporaryDirectory() as folder:
            project = Path(folder, "project")
            shutil.copytree(ROOT, project, ignore=NOT_COPIED)
            ids = write(change, project / "sql" / "migrations")
            started = time.monotonic()
            command = [str(images), "schema", "review", *ids, "--rows", str(arguments.rows)]
            done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        seconds = time.monotonic() - started
        verdicts = re.findall(r"^\d{4}_\w+  .*", done.stdout, re.MULTILINE)
        is_wrong |= change.verdict not in VERDICTS.get(done.returncode, ())
        lines = len(done.stdout.splitlines())
        print(f"{change.name}: expected {change.verdict}, exit {done.returncode}, {seconds:.0f} s, {lines} lines")
        print("".join(f"    {verdict}\n" for verdict in verdicts) or done.stdout + done.stderr, flush=True)
        if arguments.reports:
            arguments.reports.mkdir(parents=True, exist_ok=True)
            (arguments.reports / f"{change.name}.txt").write_text(done.stdout + done.stderr)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
