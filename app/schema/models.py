"""Models of GET /v1/schema: the database, its migrations, tables, and queries."""

from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
)

from app.schema import history
from app.schema.phases import Phase


class Database(BaseModel):
    """The database, and the role that the service uses to read it."""

    name: str
    version: Annotated[str, Field(description="Version of PostgreSQL.")]
    role: str
    bytes: Annotated[int, Field(description="Size of the whole database.")]
    counted_since: Annotated[
        AwareDatetime | None, Field(description="Start of the scan counts. Null: since the database was created.")
    ]


class Migrator(BaseModel):
    """The migrator that is changing the schema now."""

    name: Annotated[str, Field(description="Name of its session: migration, host, and process.")]
    migration: Annotated[str | None, Field(description="Number of the migration that it runs. Null between two.")]
    since: Annotated[
        str | None, Field(description="When it connected, HH:MM:SS in UTC. Null if this role may not know.")
    ]
    statement: Annotated[str | None, Field(description="Its current statement. Null if this role may not know.")]
    blockers: Annotated[
        list[str],
        Field(
            description="Sessions and prepared transactions that block this statement, the oldest first, at most ten."
        ),
    ]


class Run(BaseModel):
    """One run of a migration, as the ledger records it."""

    operation: Annotated[str, Field(description="apply, rollback, mark, unmark, adopt, or accept.")]
    outcome: Annotated[str, Field(description="done, failed, interrupted, or started: running, or cut off.")]
    username: str
    hostname: str
    process: int | None
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    seconds: float | None
    error: str | None
    reason: Annotated[
        str | None, Field(description="Why a contract was applied although an older release may have run.")
    ]


class Migration(BaseModel):
    """A migration that this release ships, or that the database has."""

    id: str
    state: history.State
    phase: Annotated[Phase, Field(description="When it runs: before the release, beside it, or after the older one.")]
    waits: Annotated[str | None, Field(description="Reason that `yoyo apply` does not apply it.")]
    fault: Annotated[str | None, Field(description="Problem that blocks the migrator, and what to do.")]
    title: Annotated[str | None, Field(description="Title in the header of its file. Null without a file.")]
    what: str | None
    why: str | None
    locks: str | None
    cost: str | None
    loses: Annotated[str | None, Field(description="Data that its rollback loses.")]
    irreversible: Annotated[str | None, Field(description="Reason that it has no rollback.")]
    transactional: bool | None
    sql: str | None
    rollback: str | None
    applied_at: AwareDatetime | None
    runs: Annotated[list[Run], Field(description="The last ten runs, newest first.")]


class Column(BaseModel):
    """A column of a table."""

    name: str
    type: str
    nullable: bool
    default: str | None
    generated: str | None
    comment: str | None


class Constraint(BaseModel):
    """A constraint of a table."""

    name: str
    definition: str
    valid: Annotated[bool, Field(description="False: rows from before the constraint are not checked.")]
    comment: str | None


class Index(BaseModel):
    """An index of a table."""

    name: str
    definition: str
    bytes: int
    scans: Annotated[int, Field(description="Scans since `counted_since` of the database.")]
    valid: Annotated[bool, Field(description="False: the index slows writes and is not used.")]
    comment: str | None


class Trigger(BaseModel):
    """A trigger of a table."""

    name: str
    definition: str
    enabled: bool
    comment: str | None


class Table(BaseModel):
    """A table in its present state."""

    name: str
    comment: str | None
    rows: Annotated[int, Field(description="Estimated number of rows.")]
    dead_rows: int
    table_bytes: Annotated[int, Field(description="Size with TOAST, without the indexes.")]
    index_bytes: int
    scans: Annotated[int, Field(description="Sequential scans since `counted_since` of the database.")]
    last_vacuum: AwareDatetime | None
    last_autovacuum: AwareDatetime | None
    last_analyze: AwareDatetime | None
    last_autoanalyze: AwareDatetime | None
    columns: list[Column]
    constraints: list[Constraint]
    indexes: list[Index]
    triggers: list[Trigger]


class Check(BaseModel):
    """The last result of a check of `schema verify`."""

    name: str
    table: Annotated[str, Field(description="The table whose rows it read.")]
    checked_at: Annotated[AwareDatetime, Field(description="When it ended.")]
    seconds: float
    rows: int
    faults: int
    repaired: Annotated[int, Field(description="How many of the faults it repaired.")]


class Measured(BaseModel):
    """Number of calls of a query, and their total time in seconds."""

    calls: int
    seconds: float


class Query(BaseModel):
    """A statement that the application runs."""

    name: str
    purpose: str
    sql: str
    service: Annotated[
        Measured | None,
        Field(description="Measured by all workers. A batch counts as one call."),
    ]
    database: Annotated[Measured | None, Field(description="From pg_stat_statements, for this role.")]


class Schema(BaseModel):
    """The database's schema: its history, its present state, and the queries on it."""

    database: Database
    state: Annotated[
        history.SchemaState | None,
        Field(description="State of migrations and drift. Null if this role may not read the history."),
    ]
    migrator: Migrator | None
    migrations: Annotated[list[Migration], Field(description="Migrations by ID.")]
    drift: Annotated[
        list[str] | None,
        Field(description="Differences from schema.sql. Null: not compared, because that has other migrations."),
    ]
    checks: Annotated[list[Check], Field(description="Last results of `schema verify`. Empty: it never ran.")]
    tables: list[Table]
    queries: Annotated[list[Query], Field(description="Queries by name.")]
    sources: Annotated[
        list[Literal["service", "database"]],
        Field(description="Sources of the figures. A database may lack pg_stat_statements."),
    ]
    unknown: Annotated[list[str], Field(description="Parts that this role could not read, with the reason.")]
