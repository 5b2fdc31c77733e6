"""Session of the migrator: its role, and settings that a role, a database, a URL or a migration cannot change."""

from app.errors import CommandError
from app.migrations.connection import Connection, run

# How long a stopped migrator holds the locks of a transaction: the longer of the two.
IDLE_LIMIT = 60.0  # seconds
IDLE_LIMIT_BY_LOCK_TIMEOUT = 20  # times MIGRATION_LOCK_TIMEOUT


def reject_replication_role(connection: Connection) -> None:
    """Raise CommandError if triggers may be off in this session, and this role may not switch them on."""
    if row := run(connection, "find_replication_role").fetchone():
        value, source = row
        raise CommandError(
            f"session_replication_role is {value} (set by: {source}), and this role may not set it to origin.",
            "as a superuser, reset it: ALTER DATABASE ... RESET session_replication_role, or ALTER ROLE",
        )


class Session:
    """The settings of a connection: see sql/migrator/prepare_session.sql.

    `role` is MIGRATION_ROLE, or "" for the role of the URL. `lock_timeout` is in seconds. Raises CommandError, and
    psycopg.Error.
    """

    def __init__(self, connection: Connection, role: str, lock_timeout: float) -> None:
        self._connection = connection
        self._role = role
        self._lock_timeout = lock_timeout
        self._search_path: str | None = None  # of the first time: a migration can change it
        run(connection, "set_role", role=role or "none")
        reject_replication_role(connection)
        self._search_path = self.prepare()

    def prepare(self, lock_timeout: float | None = None) -> str:
        """Set everything, with another lock_timeout if one is given, and return the search_path."""
        seconds = self._lock_timeout if lock_timeout is None else lock_timeout
        milliseconds = f"{max(seconds * 1000, 1):.0f}"  # 0 would be no limit
        run(self._connection, "set_role", role=self._role or "none")
        values = run(
            self._connection, "prepare_session", search_path=self._search_path, lock_timeout=milliseconds
        ).fetchone()
        assert values is not None
        return str(values[1])  # after quote_all_identifiers, which changes how names are written

    def forget(self) -> None:
        """Forget what the last migration left in the session, as if this one had a session of its own."""
        run(self._connection, "forget_session")

    def limit_idle(self) -> None:
        """Let PostgreSQL undo this transaction, and end the session, if the migrator is stopped for IDLE_LIMIT."""
        limit = max(IDLE_LIMIT, IDLE_LIMIT_BY_LOCK_TIMEOUT * self._lock_timeout)
        run(self._connection, "limit_idle", milliseconds=f"{limit * 1000:.0f}")

    def reject_foreign_schema(self) -> None:
        """Raise CommandError if MIGRATION_ROLE may not create tables in the schema."""
        role, schema, may_create = run(self._connection, "find_rights", schema=None).fetchone() or ("", "", True)
        if self._role and not may_create:
            raise CommandError(
                f"nothing was done: the role {role} (MIGRATION_ROLE) may not create tables in the schema {schema}.",
                f"as its owner: GRANT CREATE ON SCHEMA {schema} TO {role}",
            )
