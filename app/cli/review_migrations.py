"""Review command: `images schema review`, from its arguments to the report and the exit code."""

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from app.cli.output import note
from app.errors import CommandError, ExitCode, UsageError
from app.lint import check
from app.migrations.connection import explained
from app.migrations.order import find_id
from app.migrations.status import read_status
from app.migrations.validation import faults
from app.program import SCHEMA
from app.progress import Progress
from app.project import current
from app.review import measured_times, releases, scratch
from app.review.compare import compare
from app.review.report import render, report
from app.review.review import STAGES, Report, Reviewed
from app.review.review import review as review_migrations
from app.review.second_version import MAX_ROWS, oldest
from app.settings import ReviewSettings, read_review_settings, read_settings

Measured = tuple[list[Reviewed], str]  # and the version of PostgreSQL


def review(
    names: Sequence[str],
    rows: int,
    format: str,
    folder: Path | None = None,
    *,
    save: bool = False,
    with_older: bool = True,
) -> ExitCode:
    """Review migrations of a folder, and print the report. Return ACTION_NEEDED if one is unsafe, otherwise DONE.

    If something that a verdict rests on could not be measured, return FAILED. `names` are IDs or files. Without names,
    the pending migrations are reviewed. `with_older` also runs them on an older version of PostgreSQL, if one is
    installed. Raises CommandError if they cannot be reviewed.
    """
    folder = folder or current().migrations
    if wrong := faults(folder):
        lines = "\n".join(str(fault) for fault in wrong)
        raise CommandError(f"the migrations cannot be reviewed:\n{lines}")
    settings = read_review_settings()
    paths = sorted(path for path in folder.glob("*.sql") if ".rollback" not in path.name)
    chosen = _chosen(names, [path.stem for path in paths]) if names else _pending()
    if not chosen:
        note("nothing is pending: name the migrations to review")
        return ExitCode.DONE
    older = oldest() if with_older and settings.review_database_url is None else None
    with _interruptible(), _Beside(settings, paths, chosen, rows, older) as beside:
        found, allowed = check.findings_and_allowed(folder.parent)
        with Progress("stages", len(chosen) * len(STAGES)) as progress:

            def show(migration: str, stage: str) -> None:
                if stage == STAGES[0] and not progress.has_bar:
                    note(f"reviewing {migration}")
                progress.advance(label=f"{migration}: {stage}")

            reviewed, server = _measure(settings, paths, chosen, rows, show)
        if done := beside.result():
            compare(reviewed, *done)
    if save:
        note(f"saved the times to {measured_times.save(folder.parent, reviewed, server)}")
    for each in reviewed:
        files = {each.path, each.path.with_suffix(".rollback.sql")}
        each.findings = [finding for finding in found if finding.path in files]
        each.allowed = [(finding, why) for finding, why in allowed.items() if finding.path in files]
    skipped = sorted(chosen - {each.id for each in reviewed})
    outcome = report(reviewed, rows, server, datetime.now(UTC), skipped)
    print(render(outcome, format), flush=True)
    if outcome.is_unsafe:
        return ExitCode.ACTION_NEEDED
    return ExitCode.FAILED if outcome.is_unknown else ExitCode.DONE


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let the first signal end the statement that runs, so that the scratch databases are dropped."""
    logging.getLogger("psycopg").disabled = True  # its warnings about statements that Ctrl+C has cancelled
    interruptions: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        yield
    except (psycopg.Error, CommandError) as error:
        if interruptions:  # it hit the cleaning up after the interruption
            raise KeyboardInterrupt from error
        if isinstance(error, CommandError):
            raise
        raise CommandError(f"the review failed: {explained(error).rstrip('.')}.") from error


def _measure(
    settings: ReviewSettings,
    paths: Sequence[Path],
    chosen: set[str],
    rows: int,
    show: Report,
    version: int = scratch.LATEST,
    began: Callable[[scratch.Database], None] | None = None,
) -> Measured:
    """Return the measured migrations, and the version of PostgreSQL. There is traffic only on the latest version."""
    with scratch.scratch(settings, version) as database:
        if began:
            began(database)
        release, previous = releases.present(paths[0].parent.parent), releases.previous
        is_latest = version == scratch.LATEST
        if not is_latest:  # of its queries, only those that fail count
            release, previous = releases.with_few_examples(release), releases.shorter_previous
        reviewed = review_migrations(database, paths, chosen, rows, release, previous, show, with_trial=is_latest)
        return reviewed, str(database.connection.info.parameter_status("server_version"))


class _StoppedError(Exception):
    """The review beside this one has ended early."""


class _Beside:
    """Review of the same migrations on an older version of PostgreSQL, in a thread while the first review runs.

    It has a server of its own, so each measures only its own work. Without a version, it does nothing.
    """

    def __init__(
        self, settings: ReviewSettings, paths: Sequence[Path], chosen: set[str], rows: int, version: int | None
    ) -> None:
        self._database: scratch.Database | None = None
        self._is_stopping = False
        self._pool = ThreadPoolExecutor(1)
        self._future: Future[Measured] | None = None
        if version is not None:
            few = min(rows, MAX_ROWS)
            self._future = self._pool.submit(
                _measure, settings, paths, chosen, few, self._continue, version, self._begin
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_stopping = True
        while self._future and not self._future.done():
            if self._database:
                with suppress(psycopg.Error):
                    self._database.connection.cancel_safe()
            wait([self._future], 0.2)
        self._pool.shutdown()

    def result(self) -> Measured | None:
        """Return its result when it has ended. Raises the error that has ended it."""
        return self._future.result() if self._future else None

    def _begin(self, database: scratch.Database) -> None:
        self._database = database

    def _continue(self, *_: str) -> None:
        if self._is_stopping:
            raise _StoppedError


def _chosen(names: Sequence[str], known: Sequence[str]) -> set[str]:
    """Return the IDs for names as find_id() takes them. Raises UsageError if one does not exist."""
    chosen = set()
    hint = f"list the migrations: {SCHEMA} status"
    for name in names:
        id = find_id(name, known)
        if id not in known:
            near = get_close_matches(id, known, 1)
            raise UsageError(f'there is no migration "{id}".', f"did you mean {near[0]}?" if near else hint)
        chosen.add(id)
    return chosen


def _pending() -> set[str]:
    return {
        entry.id for entry in read_status(read_settings()).entries if entry.state in {"pending", "failed", "waiting"}
    }
