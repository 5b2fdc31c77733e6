"""Database schema: migrations, tables, indexes, and the times of the queries (GET /v1/schema). It only reads."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import asyncpg
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from app.database.connection import Connection
from app.observability import multiprocess
from app.project import current
from app.schema import headers, history, models
from app.schema.blockers import Blocker
from app.schema.drift import drift
from app.settings import ROOT
from app.web.operations import JSON, Answer, Tag, operation
from app.web.state import State

if TYPE_CHECKING:  # only the stubs of asyncpg have generic classes
    from asyncpg import Record

MAX_RUNS = 10  # of each migration
QUERIES = ROOT / "sql" / "queries"
COPY = re.compile(r"\A\s*COPY \((.*)\) TO STDOUT.*", re.DOTALL)  # asyncpg wraps an export in it


class Reading:
    """The parts that one transaction reads.

    If the role may not read a part, or a lock or the time-out prevents it, the other parts are read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.unknown: list[str] = []

    async def rows(self, what: str, name: str, *arguments: object) -> list[Record] | None:
        """Return the rows of a statement. If they cannot be read, return None and add the reason to `unknown`.

        Raises UndefinedTableError. The transaction continues after that too.
        """
        # asyncpg gives each savepoint a new name, so pg_stat_statements would keep a row for each.
        await self._connection.driver.execute("SAVEPOINT part")
        try:
            return await self._connection.fetch(name, *arguments)
        except asyncpg.PostgresError as error:
            await self._connection.driver.execute("ROLLBACK TO SAVEPOINT part")
            if isinstance(error, asyncpg.InsufficientPrivilegeError):
                self.unknown.append(f"{what}: {error}")
            elif isinstance(error, asyncpg.LockNotAvailableError):
                self.unknown.append(f"{what}: a table is locked, for example by a migration. Try again in a moment")
            elif isinstance(error, asyncpg.QueryCanceledError):
                self.unknown.append(f"{what}: it took longer than DATABASE_STATEMENT_TIMEOUT")
            else:
                raise
        return None

    async def history(self) -> list[history.Record] | None:
        """Return the history of the migrations. Return None if the role may not read it."""
        for name in ("read_history", "read_applied"):
            try:
                rows = await self.rows("history of the migrations", name)
                return None if rows is None else [history.Record(*row) for row in rows]
            except asyncpg.UndefinedTableError:
                continue
        return []

    async def runs(self, ids: list[str]) -> dict[str, list[models.Run]]:
        """Return the last runs of each migration. Without a ledger there are none."""
        found = defaultdict(list)
        try:
            rows = await self.rows("earlier runs", "read_runs", ids, MAX_RUNS) or []
        except asyncpg.UndefinedTableError:
            rows = []
        for row in rows:
            took = history.seconds(row["operation"], row["started_at"], row["finished_at"])
            found[row["migration_id"]].append(models.Run(**dict(row), seconds=took))
        return found

    async def checks(self) -> list[Record]:
        """Return the last results of `images schema verify`. It has none if it has never run."""
        [row] = await self._connection.fetch("has_checks")
        return await self.rows("results of images schema verify", "read_checks") or [] if row["has_checks"] else []

    async def statements(self) -> list[Record] | None:
        """Return the rows of pg_stat_statements. Return None if the database does not have it."""
        try:
            return await self.rows("pg_stat_statements", "inspect/statements")
        except (asyncpg.UndefinedTableError, asyncpg.ObjectNotInPrerequisiteStateError):
            return None


@operation(
    "GET",
    "/v1/schema",
    "getSchema",
    tag=Tag.SERVICE,
    scope="admin",
    summary="Get the database schema",
    description="Returns the migrations, the tables, and the queries of the database as they are now. It changes "
    "nothing. The page `/schema` shows this.",
    answers=(Answer(200, "The schema.", {JSON: models.Schema}),),
)
async def read_schema(request: Request[State]) -> Response:
    async with request.state["pool"].transaction() as connection:
        await connection.fetch("prepare_schema")
        reading = Reading(connection)
        [row] = await connection.fetch("read_database")
        database = models.Database(**dict(row))
        key = current().lock_key
        holders = await reading.rows("the migrator that runs", "find_holder", key)
        holder = history.Holder(*holders[0]) if holders else None
        blockers = (
            await reading.rows("the sessions that block the migrator", "find_blockers", key, None) if holder else None
        )
        records = await reading.history()
        entries = []
        if records is not None:
            entries = history.compare(history.shipped(), records, holder.migration if holder else None)
        runs = await reading.runs([entry.id for entry in entries]) if entries else {}
        lines = None
        if records is not None and history.comparable(entries):
            lines = await reading.rows("drift", "inspect/schema")
            if await reading.history() != records:  # a migration was committed meanwhile
                lines = None
        checks = await reading.checks()
        tables = await reading.rows("tables", "read_tables")
        statements = await reading.statements()
    request.state["metrics"].publish()
    by_service, by_database = await to_thread.run_sync(lambda: (_by_service(), _by_database(statements or [])))
    differences = None if lines is None else drift(line for (line,) in lines)
    schema = models.Schema(
        database=database,
        state=None if records is None else history.schema_state(entries, differences),
        migrator=holder and _migrator(holder, [Blocker(*row) for row in blockers or []]),
        migrations=[_migration(entry, runs.get(entry.id, [])) for entry in entries],
        drift=differences,
        checks=[models.Check(**dict(row)) for row in checks],
        tables=[models.Table.model_validate_json(row["json"]) for row in tables or []],
        queries=[
            models.Query(
                name=name,
                purpose=headers.purpose(text),
                sql=text,
                service=by_service.get(name),
                database=by_database.get(name),
            )
            for name, text in _queries().items()
        ],
        sources=["service", "database"] if statements is not None else ["service"],
        unknown=reading.unknown,
    )
    return Response(schema.model_dump_json(), media_type=JSON)


def _migrator(holder: history.Holder, blockers: list[Blocker]) -> models.Migrator:
    may_know = holder.since is not None
    return models.Migrator(
        name=holder.name,
        migration=holder.migration,
        since=holder.since,
        statement=holder.query if may_know else None,
        blockers=[str(blocker) for blocker in blockers],
    )


def _migration(entry: history.Entry, runs: list[models.Run]) -> models.Migration:
    sql, rollback = (_text(f"{entry.id}{suffix}") for suffix in (".sql", ".rollback.sql"))
    header = headers.sections(sql) if sql else {}
    return models.Migration(
        id=entry.id,
        state=entry.state,
        phase=entry.phase,
        waits=entry.waits or None,
        fault=entry.fault or None,
        title=header.get(""),
        what=header.get("What"),
        why=header.get("Why"),
        locks=header.get("Locks"),
        cost=header.get("Cost"),
        loses=headers.sections(rollback).get("loses") if rollback else None,
        irreversible=header.get("irreversible"),
        transactional=header.get("transactional") != "false" if sql else None,
        sql=sql,
        rollback=rollback,
        applied_at=entry.record and entry.record.applied_at,
        runs=runs,
    )


def _text(name: str) -> str | None:
    path = current().migrations / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


@cache
def _queries() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(QUERIES.glob("*.sql"))}


def _by_service() -> dict[str, models.Measured]:
    times = multiprocess.query_times()
    return {name: models.Measured(calls=int(one["count"]), seconds=one["sum"]) for name, one in times.items()}


def _by_database(statements: list[Record]) -> dict[str, models.Measured]:
    """Return the calls and times of the files of sql/queries/ in pg_stat_statements.

    PostgreSQL keeps a text with `$1` for each constant, since version 18 without the header. All these texts have the
    same fingerprint.
    """
    if not statements:
        return {}
    names = {print: name for name, text in _queries().items() if (print := _fingerprint(text))}
    found: dict[str, models.Measured] = {}
    for row in statements:
        if name := names.get(_fingerprint(row["query"])):
            known = found.setdefault(name, models.Measured(calls=0, seconds=0))
            known.calls += row["calls"]
            known.seconds += row["seconds"]
    return found


def _fingerprint(text: str) -> str:
    """Return the fingerprint of a statement, of a COPY that of its query. Return "" if it cannot be parsed.

    The parser is large, so it is imported on the first call.
    """
    from pglast.parser import ParseError, fingerprint

    try:
        return str(fingerprint(COPY.sub(r"\1", text)))
    except ParseError:
        return ""
