"""`images schema review`, from its arguments to its exit status."""

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import psycopg
from tqdm import tqdm

from app.errors import fail
from app.lint import check, findings
from app.migrations.connection import explained
from app.migrations.status import read_status
from app.migrations.validation import faults
from app.review import releases, scratch
from app.review.report import render, report
from app.review.review import STAGES
from app.review.review import review as review_migrations
from app.schema.history import MIGRATIONS
from app.settings import read_review_settings, read_settings
from app.text import one_line

MOST_ROWS = 100_000_000


def review(names: Sequence[str], rows: int, format: str, folder: Path = MIGRATIONS) -> int:
    """Review migrations of a folder and print the report. Returns 1 where one is not safe, and 0.

    Ends the command with one line, or one for each fault of the files, where they cannot be reviewed.
    """
    if not 0 < rows <= MOST_ROWS:
        fail(f"images schema review: --rows is a number from 1 to {MOST_ROWS:,}")
    if wrong := faults(folder):
        fail("\n".join(f"images schema review: {fault}" for fault in wrong))
    settings = read_review_settings()
    paths = sorted(path for path in folder.glob("*.sql") if ".rollback" not in path.name)
    chosen = _chosen(names, [path.stem for path in paths]) if names else _pending()
    if not chosen:
        print("images schema review: nothing is pending; name the migrations to review", file=sys.stderr)
        return 0
    logging.getLogger("psycopg").disabled = True  # what fails after an interruption is of no interest
    for ending in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # as Ctrl-C: the statement is cancelled, and the scratch database goes
        signal.signal(ending, signal.default_int_handler)
    quiet = not sys.stderr.isatty()
    try:
        with (
            scratch.scratch(settings) as url,
            closing(scratch.connect(url)) as connection,
            tqdm(total=len(chosen) * len(STAGES), disable=quiet, leave=False) as bar,
        ):
            reviewed = review_migrations(
                connection,
                paths,
                chosen,
                rows,
                releases.present(folder.parent / "queries"),
                releases.previous,
                _say(bar),
                quiet,
            )
            server = str(connection.info.parameter_status("server_version"))
    except psycopg.Error as error:
        fail(f"images schema review: {one_line(explained(error))}")
    try:
        found, allowed = check.judge(folder.parent)
    except findings.CannotCheckError as error:
        fail(f"images schema review: {error}")
    for one in reviewed:
        twins = {one.path, one.path.with_suffix(".rollback.sql")}
        one.findings = [finding for finding in found if finding.path in twins]
        one.allowed = [(finding, why) for finding, why in allowed.items() if finding.path in twins]
    skipped = sorted(chosen - {one.id for one in reviewed})
    outcome = report(reviewed, rows, server, datetime.now(UTC), skipped)
    print(render(outcome, format), flush=True)
    return 1 if outcome.is_unsafe else 0


def _chosen(names: Sequence[str], known: Sequence[str]) -> set[str]:
    """Ids from ids and from files, a migration's or its rollback's."""
    chosen = set()
    for name in names:
        id = Path(name).name.removesuffix(".sql").removesuffix(".rollback")
        if id not in known:
            near = get_close_matches(id, known, 1) or [other for other in known if other.startswith(id)]
            fail(f"images schema review: there is no migration {id}{f'; is it {near[0]}?' if near else ''}")
        chosen.add(id)
    return chosen


def _pending() -> set[str]:
    return {entry.id for entry in read_status(read_settings()).entries if entry.state in {"pending", "failed"}}


def _say(bar: "tqdm[NoReturn]") -> Callable[[str, str], None]:
    """Each stage moves the bar on; where there is no terminal, each migration is a line."""

    def say(migration: str, stage: str) -> None:
        if not bar.disable:
            bar.set_description(f"{migration}: {stage}")
            bar.update()
        elif stage == STAGES[0]:
            print(f"reviewing {migration}", file=sys.stderr, flush=True)

    return say
