"""app.schema.models: to be described."""

from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
)

from app.schema import history


class Database(BaseModel):
    """Which database it is, and as whom the service looks at it."""

    name: str
    version: Annotated[str, Field(description="PostgreSQL's.")]
    role: str
    bytes: Annotated[int, Field(description="Of the whole database.")]
    counted_since: Annotated[
        AwareDatetime | None, Field(description="When the counts of scans began; null: with the database.")
    ]


class Migrator(BaseModel):
    """Who is changing the schema at this moment."""

    name: Annotated[str, Field(description="With the migration, the host and the process.")]
    migration: Annotated[str | None, Field(description="Number of the one that it is at; null between two.")]
    since: Annotated[str | None, Field(description="HH:MM:SS in UTC; null where this role may not know.")]
    statement: Annotated[str | None, Field(description="Null where this role may not know.")]


class Run(BaseModel):
    """One run of a migration, as the ledger has it."""

    operation: Annotated[str, Field(description="apply, rollback, mark, unmark, adopt or accept.")]
    outcome: Annotated[str, Field(description="done, failed, interrupted; started: running, or cut off.")]
    username: str
    hostname: str
    process: int | None
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    seconds: float | None
    error: str | None


class Migration(BaseModel):
    """A migration that this build ships, or that the database has had."""

    id: str
    state: history.State
    fault: Annotated[str | None, Field(description="Why nothing may be applied while it stands so, and what to do.")]
    title: Annotated[str | None, Field(description="From the file's header, as what follows; null without a file.")]
    what: str | None
    why: str | None
    locks: str | None
    cost: str | None
    loses: Annotated[str | None, Field(description="What its rollback loses.")]
    irreversible: Annotated[str | None, Field(description="Why there is no rollback.")]
    transactional: bool | None
    sql: str | None
    rollback: str | None
    applied_at: AwareDatetime | None
    runs: Annotated[list[Run], Field(description="The last ten, newest first.")]


class Column(BaseModel):
    name: str
    type: str
    nullable: bool
    default: str | None
    generated: str | None
    comment: str | None


class Constraint(BaseModel):
    name: str
    definition: str
    valid: Annotated[bool, Field(description="Whether the rows that were there before are held to it too.")]
    comment: str | None


class Index(BaseModel):
    name: str
    definition: str
    bytes: int
    scans: Annotated[int, Field(description="Since `counted_since` of the database.")]
    valid: Annotated[bool, Field(description="False: it costs writes and serves nobody.")]
    comment: str | None


class Trigger(BaseModel):
    name: str
    definition: str
    enabled: bool
    comment: str | None


class Table(BaseModel):
    """A table as it is now."""

    name: str
    comment: str | None
    rows: Annotated[int, Field(description="Estimated.")]
    dead_rows: int
    table_bytes: Annotated[int, Field(description="With what is stored aside, without the indexes.")]
    index_bytes: int
    scans: Annotated[int, Field(description="Readings from end to end, since `counted_since` of the database.")]
    last_vacuum: AwareDatetime | None
    last_autovacuum: AwareDatetime | None
    last_analyze: AwareDatetime | None
    last_autoanalyze: AwareDatetime | None
    columns: list[Column]
    constraints: list[Constraint]
    indexes: list[Index]
    triggers: list[Trigger]


class Measured(BaseModel):
    """How often something was done, and the seconds that it took in all."""

    calls: int
    seconds: float


class Query(BaseModel):
    """A statement that the application runs."""

    name: str
    purpose: str
    sql: str
    service: Annotated[
        Measured | None,
        Field(description="As all workers have measured it; what went out together counts as one call."),
    ]
    database: Annotated[Measured | None, Field(description="As pg_stat_statements has it, for this role.")]


class Schema(BaseModel):
    """The database's schema: how it came about, what it is, and what is asked of it."""

    database: Database
    state: Annotated[
        history.Standing | None,
        Field(description="Of the migrations and the drift together; null where the history may not be read."),
    ]
    migrator: Migrator | None
    migrations: Annotated[list[Migration], Field(description="By id.")]
    drift: Annotated[
        list[str] | None,
        Field(description="Each difference from schema.sql; null: not compared, since that has other migrations."),
    ]
    tables: list[Table]
    queries: Annotated[list[Query], Field(description="By name.")]
    sources: Annotated[
        list[Literal["service", "database"]],
        Field(description="Who measures the queries: pg_stat_statements is not in each database."),
    ]
    unknown: Annotated[list[str], Field(description="What this role could not read, and why.")]
