"""Migrator: the part of the yoyo backend that runs migrations and records them."""

from typing import Any, Protocol

from yoyo.migrations import Migration

from app.errors import CommandError
from app.migrations.connection import Connection
from app.migrations.output import Output
from app.migrations.session import Session
from app.migrations.watch import Watch
from app.settings import Settings

DONE = {"apply": "applied", "rollback": "rolled back"}  # by operation, for messages


class FinishedElsewhereError(CommandError):
    """Another migrator finished this migration while this one gave way."""


class Migrator(Protocol):
    """Migrator as the execution needs it. `SettingsBackend` of app/migrations/backend.py is one."""

    @property
    def connection(self) -> Connection: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def session(self) -> Session: ...

    @property
    def watch(self) -> Watch: ...

    @property
    def output(self) -> Output: ...

    def report(self, text: str, event: str = "note", **fields: object) -> None: ...
    def give_way(self, migration_id: str) -> None: ...

    # From here on a part of yoyo's DatabaseBackend, which has no types.
    def transaction(self) -> Any: ...
    def is_applied(self, migration: Migration) -> bool: ...
    def log_migration(self, migration: Migration, operation: str) -> None: ...
    def mark_one(self, migration: Migration, log: bool = True) -> None: ...
    def unmark_one(self, migration: Migration, log: bool = True) -> None: ...

    def record_run(
        self,
        migration: Migration,
        operation: str,
        outcome: str,
        started: float | None = None,
        error: str | None = None,
    ) -> None: ...
