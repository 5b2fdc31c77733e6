"""Fixtures of the review: a database with rows, a copy of it, and a function that reviews one more migration."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.review import scratch, write_cost
from app.review.releases import Release
from app.review.report import Part, report
from app.review.review import review
from tests.conftest import NUMBER
from tests.support.reviews import ROWS, Try, few_queries

# A review has a superuser for all, and makes the tables of the history itself.
WITHOUT_HISTORY = """
    REASSIGN OWNED BY images_owner TO CURRENT_USER;
    DO $$
    DECLARE
        name text;
    BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE tablename ~ '^_?yoyo'
        LOOP
            EXECUTE format('DROP TABLE %I CASCADE', name);
        END LOOP;
    END
    $$;
"""


@pytest.fixture(scope="session")
def filled(server: Server, admin: psycopg.Connection, template: str) -> Iterator[str]:
    """Create a database with the shipped schema and rows, to clone from. `template` has made the roles."""
    name = f"filled_{next(NUMBER)}"
    copy = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    admin.execute(copy.format(Identifier(name), Identifier(template)))
    with scratch.connect(server.url(name)) as connection:
        connection.execute(WITHOUT_HISTORY)
        scratch.fill(connection, ROWS)
        scratch.vacuum(connection)
    yield name
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def scratch_database(server: Server, admin: psycopg.Connection, filled: str) -> Iterator[scratch.Database]:
    name = f"review_{next(NUMBER)}"
    copy = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    admin.execute(copy.format(Identifier(name), Identifier(filled)))
    database = scratch.Database(admin, server.url(name))
    yield database
    database.connection.close()
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def copy(scratch_database: scratch.Database) -> psycopg.Connection:
    """The session of a scratch database. A trial begins another one."""
    return scratch_database.connection


@pytest.fixture
def tried(scratch_database: scratch.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Return a function that reviews one more migration than the shipped ones.

    The costs of writes take a third of a trial under traffic. So they are measured roughly, unless they matter.
    """

    def try_it(
        up: str,
        down: str | None = None,
        header: str = "",
        queries: dict[str, str] | None = None,
        loses: str = "nothing",
        kept: bool = True,
        under_traffic: bool = False,
        costs_matter: bool = False,
    ) -> Part:
        if not costs_matter:
            monkeypatch.setattr(write_cost, "ROWS", 2)
            monkeypatch.setattr(write_cost, "TRIES", 2)
        path = tmp_path / "0012_try_it.sql"
        mode = "-- transactional: false\n" if "CONCURRENTLY" in up else ""  # also of the rollback
        path.write_text(f"-- Try.\n{mode}{header}\n{up}")
        if down:
            path.with_suffix(".rollback.sql").write_text(f"-- loses: {loses}\n{mode}\n{down}")
        old = Release("old", few_queries())
        new = Release("new", (old.queries if kept else {}) | (queries or {}))
        done = review(
            scratch_database,
            [path],
            {path.stem},
            ROWS,
            new,
            lambda _: old,
            lambda *_: None,
            with_trial=under_traffic,
        )
        return report(done, ROWS, "18", datetime.now(UTC)).parts[0]

    return try_it
