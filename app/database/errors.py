"""Errors of the database and the object store in groups: unavailable, connection lost, wrong value, schema behind."""

import asyncpg
from obstore.exceptions import BaseError


class PoolerError(asyncpg.InterfaceError):
    """A pooler is between this process and PostgreSQL, and DATABASE_POOLER does not say so."""

    def __init__(self) -> None:
        super().__init__(
            "this connection goes through a pooler: set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to "
            "PostgreSQL itself"
        )


# Errors of connecting after which another host of the URL may answer.
TRY_NEXT_HOST = (
    OSError,  # time-outs, too
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a database with ALLOW_CONNECTIONS false
    asyncpg.TooManyConnectionsError,
    asyncpg.TargetServerAttributeNotMatched,
)

# PostgreSQL or the object store cannot be reached, or cannot serve at the moment.
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
    asyncpg.PostgresSystemError,  # errors of the disk
    asyncpg.TransactionRollbackError,  # a deadlock, or a standby that canceled the query of a reader
    asyncpg.ObjectNotInPrerequisiteStateError,  # ALLOW_CONNECTIONS false, or the time limit of an export for a lock
    asyncpg.InternalServerError,  # a table or an index was dropped while the statement ran
    asyncpg.ReadOnlySQLTransactionError,  # a former primary
    asyncpg.InvalidCachedStatementError,  # a migration changed a column's type while a transaction was open
)

# PostgreSQL, or asyncpg for it, rejects a value of the request: it is too long or too complex, or has no form in the
# database. SQLSTATE classes 22 and 54.
REJECTED_VALUES = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)

# The schema lacks something that this release needs: a migration is missing, or was rolled back.
SCHEMA_BEHIND = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidColumnReferenceError,  # ON CONFLICT without its index
    asyncpg.NotNullViolationError,  # a column without its default: no statement sends null for one
)

# The connection was lost. Most often it was an idle one of a server that has been restarted.
CONNECTION_LOST = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
