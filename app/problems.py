"""Errors as `application/problem+json` (RFC 9457), each made in one place."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import asyncpg
from obstore.exceptions import BaseError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.models import FieldError, Problem
from app.store import reason

logger = logging.getLogger("uvicorn.error")

# The problems that a status code alone does not tell apart, by the last part of their type.
TITLES = {
    "invalid-request": "The request is not valid",
    "insufficient-scope": "The token does not allow it",
    "unsupported-image": "Not an image of a supported format",
    "broken-image": "The image is broken",
    "too-many-pixels": "The image has too many pixels",
    "content-missing": "The bytes of the image are missing",
    "no-thumbnail": "There is no thumbnail of these bytes",
    "version-conflict": "The image has changed",
    "migrations-pending": "The database is not migrated yet",
    "draining": "The process is about to end",
}

# What each answer says to a browser, unless it says something else: nothing in it is to be run, framed, guessed at, or
# kept for anybody else.
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-cache"),
]

RETRY_AFTER = "5"  # seconds
MAX_ERRORS = 20  # of one answer

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


class Repeated(list[object]):
    """The values of a name that was given several times where one is wanted; no model takes it."""


class ProblemError(Exception):
    """Ends a request with a problem. `kind` is one of TITLES, or None where the status says it all."""

    def __init__(
        self,
        status: int,
        kind: str | None = None,
        detail: str | None = None,
        *,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.headers = headers
        self.problem = Problem(
            type=f"/problems/{kind}" if kind else "about:blank",
            title=TITLES[kind] if kind else HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            errors=errors,
        )

    def response(self) -> Response:
        response = Response(
            self.problem.model_dump_json(exclude_none=True),
            self.problem.status,
            self.headers,
            media_type="application/problem+json",
        )
        response.raw_headers += SECURITY
        return response


def invalid(error: ValidationError, *, parameters: bool = False) -> ProblemError:
    """422 with an entry for each fault: by JSON pointer into the body, or by the name of the query parameter."""
    faults = error.errors(include_url=False, include_context=False)
    if faults[0]["type"] == "json_invalid":
        return ProblemError(400, "invalid-request", faults[0]["msg"])
    return ProblemError(
        422, "invalid-request", errors=[_field_error(fault, parameters) for fault in faults[:MAX_ERRORS]]
    )


def _field_error(fault: ErrorDetails, parameters: bool) -> FieldError:
    detail = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        detail = "is not known"
    elif isinstance(fault["input"], Repeated):
        detail = "is given more than once"
    if parameters:
        return FieldError(parameter=str(fault["loc"][0]), detail=detail)
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"])
    return FieldError(pointer="".join(f"/{step}" for step in steps), detail=detail)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _http_exception(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, no such method, malformed multipart."""
    assert isinstance(error, HTTPException)
    known = error.detail != HTTPStatus(error.status_code).phrase
    headers = dict(error.headers) if error.headers else None
    return ProblemError(error.status_code, detail=error.detail if known else None, headers=headers).response()


async def _unavailable(request: Request, error: Exception) -> Response:
    """PostgreSQL or the object store cannot be reached, or took too long: a passing state, not a fault of ours."""
    logger.error("503 %s %s: %s: %s", request.method, request.scope["path"], type(error).__name__, reason(error))
    return ProblemError(503, headers={"Retry-After": RETRY_AFTER}).response()


async def _behind(request: Request, error: Exception) -> Response:
    """The schema is older than this release."""
    logger.error("503 %s %s: a migration is missing: %s", request.method, request.scope["path"], error)
    return ProblemError(503, "migrations-pending", headers={"Retry-After": RETRY_AFTER}).response()


async def _disconnected(request: Request, error: Exception) -> Response:
    """The client went away while it sent: nobody reads this, and nothing is at fault."""
    return ProblemError(400).response()


async def _fault(request: Request, error: Exception) -> Response:
    """A fault of ours; the server logs the traceback, the client learns nothing of it."""
    return ProblemError(500).response()


EXCEPTION_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: _problem,
    HTTPException: _http_exception,
    ClientDisconnect: _disconnected,
    **dict.fromkeys(UNAVAILABLE, _unavailable),
    **dict.fromkeys(BEHIND, _behind),
    Exception: _fault,
}
