"""A PostgreSQL to try migrations on: a database of its own, which goes when the work is done, with rows in it."""

import os
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier
from tqdm import tqdm

from app.embedded_postgres import Server, connectable
from app.errors import fail
from app.migrations.connection import Connection, run
from app.settings import ROOT, ReviewSettings
from app.text import one_line

# Not to be safe, and nothing beside the work: what is measured is the work.
OPTIONS = "-c fsync=off -c autovacuum=off -c max_wal_size=16GB -c shared_buffers=256MB"
# What a role may have for its services is not for this.
PATIENT = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
CHUNKS = 20  # in which a table is filled, for the progress bar


@contextmanager
def scratch(settings: ReviewSettings) -> Iterator[str]:
    """The URL of an empty database: on the server of REVIEW_DATABASE_URL, or on one that starts and goes with it.

    Ends the command with one line where that cannot be had.
    """
    if settings.review_database_url is None:
        with tempfile.TemporaryDirectory(prefix="images-review-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)
            server = Server(Path(folder, "postgres"), options=OPTIONS)
            server.start()
            try:
                yield server.url()
            finally:
                server.release()
        return
    url = connectable(settings.review_database_url)
    name = f"images_review_{os.getpid()}"
    try:
        connection = psycopg.connect(url, autocommit=True, application_name="images schema review", options=PATIENT)
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(name)))
    except psycopg.Error as error:
        fail(f"images schema review: REVIEW_DATABASE_URL: {one_line(str(error))}")
    with connection:
        try:
            yield make_conninfo("", **conninfo_to_dict(url) | {"dbname": name})
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def connect(url: str) -> Connection:
    """Without parallel workers: PostgreSQL does not tell of what they read in the sessions they work for.

    Nothing is prepared unasked: it would not outlive a change of the schema.
    """
    options = f"{PATIENT} -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0"
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, application_name="images schema review", options=options
    )


def fill(connection: Connection, rows: int, quiet: bool, known: Container[str] = ()) -> None:
    """Give each empty table that sql/review/fill_TABLE.sql knows its rows, and the planner its statistics.

    Not those that are known already: what they have lost is not to be made good.
    """
    for path in sorted((ROOT / "sql" / "review").glob("fill_*.sql")):
        name = path.stem.removeprefix("fill_")
        if name in known:
            continue
        table = Identifier(name)
        try:
            found = connection.execute(SQL("SELECT FROM {} LIMIT 1").format(table)).fetchall()
        except psycopg.errors.UndefinedTable:
            continue
        if found:
            continue
        bounds = [rows * chunk // CHUNKS for chunk in range(CHUNKS + 1)]
        with tqdm(total=rows, desc=path.stem.replace("_", " "), unit=" rows", disable=quiet, leave=False) as bar:
            for first, last in pairwise(bounds):
                run(connection, path.stem, "review", first=first + 1, last=last)
                bar.update(last - first)
        connection.execute(SQL("VACUUM (FREEZE, ANALYZE) {}").format(table))
