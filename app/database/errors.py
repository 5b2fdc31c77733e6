"""app.database.errors: to be described."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg.prepared_stmt import PreparedStatement

    Record = asyncpg.Record
    Statement = PreparedStatement[Record]
from typing import TYPE_CHECKING

import asyncpg
from obstore.exceptions import BaseError

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record


# After these another host of the URL may do better.
ELSEWHERE = (
    OSError,  # no answer in time, too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)


class PoolerError(asyncpg.InterfaceError):
    """A pooler is between here and PostgreSQL, and no setting says so."""

    def __init__(self) -> None:
        super().__init__(
            "this connection goes through a pooler: set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to "
            "PostgreSQL itself"
        )


# What PostgreSQL or the object store raise where they cannot be reached, or not now.
UNAVAILABLE = (
    OSError,  # connection refused or reset, time-outs, a full disk
    BaseError,  # the object store's
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was lost while idle
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InsufficientPrivilegeError,  # the role lacks a GRANT
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # time-outs, shutdown, start-up
    asyncpg.PostgresSystemError,  # the disk's errors
    asyncpg.TransactionRollbackError,  # a deadlock; a standby that could not wait any longer for who reads
    asyncpg.LockNotAvailableError,  # an export's limit for a table's lock
    asyncpg.InternalServerError,  # a table or an index that was dropped beneath the statement
    asyncpg.ReadOnlySQLTransactionError,  # a former primary
    asyncpg.InvalidCachedStatementError,  # a migration changed a column's type while a transaction was open
)
# What it raises where its schema lacks what this release needs: a migration is missing, or was rolled back.
BEHIND = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidColumnReferenceError,  # ON CONFLICT without its index
    asyncpg.NotNullViolationError,  # a column without its default: nobody sends null for one
)


# The connection was lost: a pooled one of a server that has been restarted, most often.
LOST = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
