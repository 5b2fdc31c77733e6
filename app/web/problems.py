"""Errors as `application/problem+json` (RFC 9457), each made in one place."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.database.errors import SCHEMA_BEHIND, UNAVAILABLE
from app.errors import (
    REJECTED_IMAGES,
    ContentMissingError,
    ImageNotFoundError,
    NoThumbnailError,
    RejectedImageError,
    StoppingError,
)
from app.observability.logs import logger
from app.storage.store import reason
from app.web.security import SECURITY

# The problems that a status code alone does not tell apart, by the last part of their type.
TITLES = {
    "invalid-request": "The request is not valid",
    "insufficient-scope": "The token does not allow it",
    **REJECTED_IMAGES,
    "content-missing": "The bytes of the image are missing",
    "no-thumbnail": "There is no thumbnail of these bytes",
    "version-conflict": "The image has changed",
    "migrations-pending": "The database is not migrated yet",
    "draining": "The process is about to end",
}


PROBLEM = "application/problem+json"
RETRY_AFTER = "5"  # seconds
MAX_ERRORS = 20  # of one answer


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    pointer: Annotated[str | None, Field(description="JSON pointer (RFC 6901) into the body.")] = None
    parameter: Annotated[str | None, Field(description="The query parameter.")] = None
    line: Annotated[int | None, Field(description="The line of NDJSON, from 1.")] = None
    detail: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[FieldError] | None = None


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
            media_type=PROBLEM,
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


async def _rejected_image(request: Request, error: Exception) -> Response:
    assert isinstance(error, RejectedImageError)
    return ProblemError(415 if error.kind == "unsupported-image" else 422, error.kind, error.detail).response()


async def _no_thumbnail(request: Request, error: Exception) -> Response:
    assert isinstance(error, NoThumbnailError)
    return ProblemError(404, "no-thumbnail", error.detail).response()


async def _content_missing(request: Request, error: Exception) -> Response:
    logger.error("no bytes in the object store under %r", str(error))
    return ProblemError(404, "content-missing").response()


async def _not_found(request: Request, error: Exception) -> Response:
    return ProblemError(404).response()


async def _stopping(request: Request, error: Exception) -> Response:
    return ProblemError(503, headers={"Retry-After": RETRY_AFTER}).response()


async def _disconnected(request: Request, error: Exception) -> Response:
    """The client went away while it sent: nobody reads this, and nothing is at fault."""
    return ProblemError(400).response()


async def _fault(request: Request, error: Exception) -> Response:
    """A fault of ours; the server logs the traceback, the client learns nothing of it."""
    return ProblemError(500).response()


EXCEPTION_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: _problem,
    HTTPException: _http_exception,
    RejectedImageError: _rejected_image,
    NoThumbnailError: _no_thumbnail,
    ContentMissingError: _content_missing,
    ImageNotFoundError: _not_found,
    StoppingError: _stopping,
    ClientDisconnect: _disconnected,
    **dict.fromkeys(UNAVAILABLE, _unavailable),
    **dict.fromkeys(SCHEMA_BEHIND, _behind),
    Exception: _fault,
}
