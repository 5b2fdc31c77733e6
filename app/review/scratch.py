"""Scratch database: an own database to try migrations on, with rows, dropped when the work is done."""

import os
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server, connectable
from app.errors import CannotConnectError, CommandError
from app.migrations.connection import Connection, run, run_text
from app.progress import Progress
from app.project import current
from app.review.measure import MeasuredRun
from app.settings import ReviewSettings
from app.text import one_line

# For measurements: no durability, and no background work.
OPTIONS = "-c fsync=off -c autovacuum=off -c max_wal_size=16GB -c shared_buffers=256MB"
# A role may have time limits for its services. They are not for a review.
NO_TIMEOUTS = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
CHUNKS = 20  # statements that fill a table, for the progress


@contextmanager
def scratch(settings: ReviewSettings) -> Iterator[str]:
    """Create an empty database, yield its URL, and drop it.

    It is on the server of REVIEW_DATABASE_URL, or on an embedded server that stops afterwards. Raises CommandError if
    the database cannot be created.
    """
    if settings.review_database_url is None:
        with tempfile.TemporaryDirectory(prefix=f"{current().name}-review-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)
            server = Server(Path(folder, "postgres"), options=OPTIONS)
            server.start()
            try:
                yield server.url()
            finally:
                server.release()
        return
    url = connectable(settings.review_database_url)
    name = f"{current().name}_review_{os.getpid()}"
    try:
        connection = psycopg.connect(
            url, autocommit=True, application_name=f"{current().name}-review", options=NO_TIMEOUTS
        )
    except psycopg.OperationalError as error:
        place = conninfo_to_dict(url)
        host, port = place.get("host"), place.get("port")
        raise CannotConnectError(str(host) if host else None, port, "REVIEW_DATABASE_URL", error) from error
    try:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(name)))
    except psycopg.Error as error:
        connection.close()
        raise CommandError(f"the scratch database cannot be created: {one_line(str(error))}.") from error
    with connection:
        try:
            yield make_conninfo("", **conninfo_to_dict(url) | {"dbname": name})
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def connect(url: str) -> Connection:
    """Connect to a scratch database, without time limits.

    There are no parallel workers, because PostgreSQL does not count their reads in the session. psycopg prepares no
    statement by itself, because a prepared statement would fail after a change of the schema.
    """
    options = f"{NO_TIMEOUTS} -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0"
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, application_name=f"{current().name}-review", options=options
    )


def fill(connection: Connection, rows: int, known: Container[str] = ()) -> None:
    """Fill each empty table that has a file sql/review/fill_TABLE.sql, and analyze it.

    The tables in `known` are left as they are: a migration may have emptied them.
    """
    for path in sorted((current().sql / "review").glob("fill_*.sql")):
        name = path.stem.removeprefix("fill_")
        if name in known:
            continue
        table = Identifier(name)
        try:
            first_row = connection.execute(SQL("SELECT FROM {} LIMIT 1").format(table)).fetchall()
        except psycopg.errors.UndefinedTable:
            continue
        if first_row:
            continue
        bounds = [rows * chunk // CHUNKS for chunk in range(CHUNKS + 1)]
        with Progress("rows", rows, is_scaled=True) as progress:
            for first, last in pairwise(bounds):
                run_text(connection, path.read_text(encoding="utf-8"), first=first + 1, last=last)
                progress.advance(last - first, f"fill {name}")
        connection.execute(SQL("VACUUM (FREEZE, ANALYZE) {}").format(table))


def vacuum(connection: Connection, done: MeasuredRun | None = None) -> None:
    """Vacuum and analyze the tables that have changed, as autovacuum soon would: by `done`, or by an earlier run."""
    steps = done.steps if done else []
    names = {name for step in steps for name in (*step.rewritten, *step.changed)}
    names |= {lock.table for step in steps if step.built for lock in step.locks}
    run(connection, "flush_counters", "review")
    for (name,) in run(connection, "find_stale_tables", "review", names=sorted(names)).fetchall():
        connection.execute(f"VACUUM (ANALYZE) {name}".encode())
