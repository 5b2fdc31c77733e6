"""The migrator's connection to PostgreSQL, its statements, and what went wrong in words."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow
from yoyo.utils import change_param_style

from app.embedded_postgres import connectable
from app.errors import fail
from app.settings import ROOT, Settings
from app.text import one_line

# What the URL does not say otherwise. A server whose host has died, or whose network is cut, is noticed by both ends
# within half a minute.
DEFAULTS: dict[str, Any] = {
    "application_name": "images-migrations",
    "client_encoding": "UTF8",  # as the files are; of a database in SQL_ASCII psycopg would make bytes
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}

POOLED = "this connection goes through a pooler"
DIRECT = "set MIGRATION_DATABASE_URL to PostgreSQL itself"

Connection = psycopg.Connection[TupleRow]


class RefusedError(Exception):
    """A migration is not run, for a reason that the database gives and the message tells."""


def open_connection(settings: Settings) -> Connection:
    """Connect as MIGRATION_DATABASE_URL says, or DATABASE_URL. Raises psycopg.Error."""
    return psycopg.connect(autocommit=True, **DEFAULTS | conninfo_to_dict(connectable(settings.migrator_url)))


def connect(settings: Settings, command: str = "yoyo") -> Connection:
    """Connect, or end the command with one line."""
    try:
        return open_connection(settings)
    except psycopg.Error as error:
        fail(f"{command}: cannot connect to PostgreSQL: {one_line(str(error))}")
    except KeyboardInterrupt:
        fail(f"{command}: interrupted; nothing was done")


def refuse_wrong_session(connection: Connection) -> None:
    """End the command where the connection is not one to migrate by.

    PostgreSQL tells the number of its process when a connection begins; a pooler puts one of its own there, and may
    give each statement to another server process. And where a search path has a schema before that of an older
    installation, as "$user" may be, half of the statements would see the one and half the other.
    """
    process, current, found = run(connection, "find_session").fetchone() or (None, None, None)
    if process != connection.info.backend_pid:
        fail(f"yoyo: {POOLED}, which would lose the migrator's lock: {DIRECT}")
    if found not in (None, current):
        fail(
            f"yoyo: the search_path leads to schema {current}, but there is an installation in schema {found}: "
            "set it to one of them, as with ?options=-csearch_path%3DSCHEMA in the URL"
        )


def statement(name: str, folder: str = "migrator") -> str:
    """The text of one of sql/migrator/*.sql, or of another folder's."""
    return (ROOT / "sql" / folder / f"{name}.sql").read_text(encoding="utf-8")


def run(connection: Connection, name: str, folder: str = "migrator", /, **parameters: Any) -> psycopg.Cursor[TupleRow]:
    """Execute sql/FOLDER/NAME.sql, whose parameters are written `:name` as psql and yoyo have them."""
    sql, values = change_param_style("pyformat", statement(name, folder), parameters)
    return connection.execute(sql, values or None)


def is_interrupted(error: psycopg.Error) -> bool:
    """Whether it is a signal that cut the statement off, and with a second signal the connection."""
    return isinstance(error.__context__, KeyboardInterrupt)


def explained(error: psycopg.Error) -> str:
    """What PostgreSQL said: the message, each line of its detail, the hint; one line where there is no detail."""
    if error.diag.message_primary is None:
        # "the connection is closed", to which a clean-up came, says less than what closed it.
        cause = error.__context__
        return explained(cause) if isinstance(cause, psycopg.Error) else one_line(str(error))
    details = (error.diag.message_detail or "").splitlines()
    hint = error.diag.message_hint
    if isinstance(error, InsufficientPrivilege):
        hint = "migrate as the role that owns the schema: MIGRATION_DATABASE_URL"
    if not details:
        return error.diag.message_primary + (f" ({hint})" if hint else "")
    return "\n  ".join([error.diag.message_primary, *details, *([hint] if hint else [])])
