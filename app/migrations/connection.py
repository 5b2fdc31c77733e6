"""Connection of the migrator to PostgreSQL, its statements, and its errors in words."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, ReadOnlySqlTransaction
from psycopg.pq import Conninfo
from psycopg.rows import TupleRow
from yoyo.utils import change_param_style

from app.embedded_postgres import connectable, owner_url
from app.errors import CannotConnectError, CommandError
from app.migrations.silence import ListeningConnection
from app.project import current
from app.schema.statements import statement
from app.settings import Settings
from app.text import one_line

# Used if the URL does not set them. With these time-outs both ends notice within half a minute that the other host has
# died or that the network is cut.
DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,  # milliseconds
}
ENCODING: dict[str, Any] = {
    "client_encoding": "UTF8"
}  # of the files. With a database in SQL_ASCII psycopg would return bytes

# A role or a database can have a time-out so short that it would end the first statement, which replaces it.
# PostgreSQL reads these options before it. They come after those of the URL, so they count.
WITHOUT_TIME_OUTS = (
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
)
HAS_TRANSACTION_TIMEOUT = 170000  # server version. An earlier one rejects the option

# SQLSTATEs, and classes of them, whose messages have no value of a row. They are about connections, transactions,
# limits, privileges, and things that exist.
WITHOUT_VALUE = ("08", "25", "2B", "40", "53", "54", "55", "57", "42501", "42701", "42710", "42723", "42P06", "42P07")
ABOUT_STATEMENT = ("0A", "42")  # classes of errors with names of the statement, if PostgreSQL says at which place

QUOTES = "\"'«»„“”‚‘’"  # noqa: RUF001  # of PostgreSQL's messages, in all languages
WITHOUT_INFLUENCE = {"application_name", "client_encoding", "connect_timeout"}  # options that do not choose a server

RESTORE = "restore them too: pg_dump --table='*yoyo*'"
SEARCH_PATH = "?options=-csearch_path%3DSCHEMA in the URL"
OWNER_HINT = "migrate as the role that owns the schema: set MIGRATION_DATABASE_URL, or MIGRATION_ROLE"
ROLE_HINT = "correct MIGRATION_ROLE, or make the login of the URL a member of that role: GRANT ROLE TO LOGIN"
LOCK_HINT = (
    "another session locks a table, for example a migration. Run the command again when its transaction has ended: "
    "psql -f sql/inspect/transactions.sql"
)
TIMEOUT_HINT = "the role, the database or the server has a time-out that is too short: see \\drds of psql"
TIMEOUTS = ("25P03", "25P04", "57P05")  # of an idle transaction, of a transaction, of an idle session
TIMEOUT = re.compile("canceling statement due to statement timeout|terminating connection due to .*timeout")
READ_ONLY_HINT = (
    "migrate on a primary. If this is one, remove default_transaction_read_only from the role or the database"
)

Connection = psycopg.Connection[TupleRow]


def open_connection(settings: Settings) -> ListeningConnection:
    """Connect to MIGRATION_DATABASE_URL, or to DATABASE_URL if that is not set: see open_url."""
    return open_url(owner_url(settings))


def open_url(url: str) -> ListeningConnection:
    """Connect to a libpq URL without time-outs.

    A pooler rejects options. Then connect without them: some commands only read, and work. Raises psycopg.Error, and
    CommandError if PostgreSQL is silent.
    """
    found = parameters(url)
    options = f"{session_options(found)} {WITHOUT_TIME_OUTS}".lstrip()
    try:
        connection = ListeningConnection.connect(autocommit=True, **found | {"options": options})
    except psycopg.OperationalError as error:
        if "startup parameter" not in str(error):
            raise
        return ListeningConnection.connect(autocommit=True, **found)
    if connection.info.server_version < HAS_TRANSACTION_TIMEOUT:
        return connection
    try:
        run(connection, "end_transaction_timeout")
    except psycopg.OperationalError:
        connection.close()
        options += " -c transaction_timeout=0"
        return ListeningConnection.connect(autocommit=True, **found | {"options": options})
    return connection


def parameters(url: str) -> dict[str, Any]:
    """Return libpq's parameters of the migrator's connection. Raises psycopg.ProgrammingError if it rejects the URL."""
    own = {"application_name": f"{current().name}-migrations"}
    return own | DEFAULTS | conninfo_to_dict(url) | ENCODING


def session_options(parameters: Mapping[str, Any]) -> str:
    """Return the option `options` of a URL, or PGOPTIONS, which libpq ignores if a caller adds options of its own."""
    return str(parameters.get("options") or os.environ.get("PGOPTIONS", ""))


def connect(settings: Settings) -> ListeningConnection:
    """Connect as `open_connection` does. Raises CannotConnectError."""
    try:
        return open_connection(settings)
    except psycopg.Error as error:
        raise cannot_connect(error, settings, as_owner=True) from error


def cannot_connect(error: BaseException, settings: Settings, *, as_owner: bool = False) -> CannotConnectError:
    """Return the error for a connection that failed, with the place, and the settings and variables that name it."""
    names, place = _source(settings, as_owner=as_owner)
    is_role = as_owner and rejects_role(error, settings)
    source = "MIGRATION_ROLE" if is_role else ", ".join(names)
    failure = CannotConnectError(place.get("host"), place.get("port"), source, error)
    failure.hint = ROLE_HINT if is_role else None
    return failure


def rejects_role(error: BaseException, settings: Settings) -> bool:
    """Return whether PostgreSQL rejected the owner's connection because of MIGRATION_ROLE.

    Its message then names the role, in quotation marks of some language.
    """
    role, text = settings.migration_role, str(error)
    if not role or role not in text:
        return False
    _, place = _source(settings, as_owner=True)
    if role == place.get("user"):
        return False
    is_quoted = re.search(f"[{QUOTES}]{re.escape(role)}[{QUOTES}]", text) and role != place.get("dbname")
    return bool(is_quoted) or f'role "{role}"' in text


def _source(settings: Settings, *, as_owner: bool) -> tuple[list[str], dict[str, str]]:
    """Return the setting and the variables of libpq that name a connection, and its options."""
    is_own = as_owner and settings.migration_database_url is not None
    setting = "MIGRATION_DATABASE_URL" if is_own else "DATABASE_URL"
    try:
        options = Conninfo.parse(connectable(settings.migrator_url if as_owner else settings.database_url).encode())
    except psycopg.Error:  # libpq cannot read the URL
        return [setting], {}
    place = {option.keyword.decode(): option.val.decode() for option in options if option.val}
    variables = {each.keyword.decode(): each.envvar.decode() for each in options if each.envvar and not each.val}
    found = {name: os.environ[variable] for name, variable in variables.items() if os.environ.get(variable)}
    return [setting, *(variables[name] for name in found if name not in WITHOUT_INFLUENCE)], place | found


@contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """Connect, and begin a transaction that only reads, with the limits of limit_reading.sql.

    Raises CannotConnectError, psycopg.Error, or CommandError if PostgreSQL is silent.
    """
    connection = connect(settings)
    connection.is_limited = True
    connection.autocommit = False
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection:
        run(connection, "limit_reading")
        yield connection


def reject_pooler(connection: Connection) -> None:
    """Raise CommandError if a pooler is between this process and PostgreSQL.

    When a connection begins, PostgreSQL names its server process. A pooler names another one, and may give each
    statement to a different server process. Session locks and settings would then be lost.
    """
    (process,) = run(connection, "find_process", "pooler").fetchone() or (None,)
    if process != connection.info.backend_pid:
        raise CommandError(
            "this connection goes through a pooler, which can give each statement to another session.",
            "set MIGRATION_DATABASE_URL to PostgreSQL itself",
        )


def run(connection: Connection, name: str, folder: str = "migrator", /, **parameters: Any) -> psycopg.Cursor[TupleRow]:
    """Execute sql/FOLDER/NAME.sql. Its parameters are written `:name`, as in psql and yoyo. Raises psycopg.Error."""
    return run_text(connection, statement(name, folder), **parameters)


def find(connection: Connection, name: str, /, **parameters: Any) -> list[TupleRow]:
    """Return the rows of sql/migrator/NAME.sql, which may look up a function by its types.

    PostgreSQL 15 raises an error if such a type does not exist. Then the function does not exist either.
    """
    try:
        with connection.transaction():
            return run(connection, name, **parameters).fetchall()
    except (psycopg.errors.UndefinedObject, psycopg.errors.InvalidSchemaName):
        return []


def run_text(connection: Connection, sql: str, /, **parameters: Any) -> psycopg.Cursor[TupleRow]:
    """Execute SQL whose parameters are written `:name`. Raises psycopg.Error."""
    if parameters:
        sql = sql.replace("%", "%%")  # with parameters, psycopg reads each % as a placeholder, even in a comment
    sql, values = change_param_style("pyformat", sql, parameters)
    return connection.execute(sql, values or None)


def is_interrupted(error: psycopg.Error) -> bool:
    """Return whether a signal cut the statement off.

    If it also cut the connection, each clean-up failed too, and the first error is behind the others.
    """
    cause: BaseException | None = error
    while isinstance(cause, psycopg.Error):
        cause = cause.__context__
    return isinstance(cause, KeyboardInterrupt)


def explain(error: psycopg.Error) -> tuple[str, str | None]:
    """Return the message of PostgreSQL and its hint. Each line of its detail is a line of the message."""
    if error.diag.message_primary is None:
        # A clean-up that found the connection closed says less than the error that closed it.
        cause = error.__context__
        message = one_line(str(error)).rstrip(".")
        return explain(cause) if isinstance(cause, psycopg.Error) else (message, hint_for(error.sqlstate, message))
    details = (error.diag.message_detail or "").splitlines()
    # PostgreSQL's hint for row security names the statement that switches it off.
    hint = error.diag.message_hint or hint_for(error.sqlstate, error.diag.message_primary)
    return "\n  ".join([error.diag.message_primary, *details]), hint


def hint_for(sqlstate: str | None, message: str) -> str | None:
    """Return what to do about an error of PostgreSQL that has no hint of its own."""
    if sqlstate == InsufficientPrivilege.sqlstate:
        return OWNER_HINT
    if sqlstate == ReadOnlySqlTransaction.sqlstate:
        return READ_ONLY_HINT
    if sqlstate == LockNotAvailable.sqlstate:
        return LOCK_HINT
    return TIMEOUT_HINT if sqlstate in TIMEOUTS or TIMEOUT.search(message) else None


def without_values(error: psycopg.Error) -> str:
    """Return an error of PostgreSQL for everybody who may read the ledger: no value of a row is in it.

    A message that can show a value is replaced by the SQLSTATE. Each message of a RAISE or of a statement in a function
    can.
    """
    message, code = error.diag.message_primary, error.sqlstate or ""
    is_clean = code.startswith(WITHOUT_VALUE) or (code.startswith(ABOUT_STATEMENT) and error.diag.statement_position)
    of_author = (error.diag.source_function or "").startswith(("exec_stmt_raise", "exec_stmt_assert"))
    if message and is_clean and not of_author and not error.diag.internal_query:
        return message
    parts = {"table": error.diag.table_name, "column": error.diag.column_name, "constraint": error.diag.constraint_name}
    where = ", ".join(f"{kind} {name}" for kind, name in parts.items() if name)
    state = f"{type(error).__name__} (SQLSTATE {code})"
    return f"{state} in {where}" if where else state


def explained(error: psycopg.Error) -> str:
    """Return the message of PostgreSQL with its hint in parentheses, without LOCK_HINT: a review makes the locks."""
    message, hint = explain(error)
    return f"{message} ({hint})" if hint and hint != LOCK_HINT else message


def sentence(text: str) -> str:
    """Return the text with a full stop at the end of its first line, unless its details have lines of their own."""
    return text if "\n" in text or text.endswith((".", "!", "?")) else f"{text}."
