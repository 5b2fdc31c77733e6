"""Errors as `application/problem+json` (RFC 9457): the only module that turns exceptions into HTTP statuses."""

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.catalogue.faults import explain
from app.catalogue.fields import json_limit
from app.database.errors import REJECTED_VALUES, SCHEMA_BEHIND, UNAVAILABLE
from app.errors import (
    BusyError,
    ContentMissingError,
    ImageNotFoundError,
    NoThumbnailError,
    RejectedImageError,
    StoppingError,
    WrongStoreError,
)
from app.observability.context import CONTEXT
from app.observability.logs import logger
from app.observability.metrics import CONTENT_FAULTS
from app.storage import store
from app.web.problem_types import TYPES
from app.web.security import SECURITY

# The names of RFC 9110. Python before 3.13 has older ones.
PHRASES = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}

PROBLEM = "application/problem+json"
RETRY_AFTER = "5"  # seconds
TRY_AGAIN = f"Try again in {RETRY_AFTER} seconds."
MAX_ERRORS = 20  # of one response
MAX_COMPARED = 40  # characters of an unknown name that are compared with the known ones


class FieldError(BaseModel):
    """A fault of one field of a request. The detail continues the name of the field: "must be from 1 to 200"."""

    pointer: Annotated[str | None, Field(description="JSON pointer (RFC 6901) into the body.")] = None
    parameter: Annotated[str | None, Field(description="The name of the query parameter.")] = None
    line: Annotated[int | None, Field(description="The line of the NDJSON body, from 1.")] = None
    detail: Annotated[str, Field(description="The rule that the field breaks.", examples=["must be from 1 to 200"])]


class Problem(BaseModel):
    """An error as RFC 9457 describes it."""

    type: Annotated[str, Field(description="The kind of the problem. It is stable, so programs can compare it.")]
    title: Annotated[str, Field(description="The kind of the problem, for people.")]
    status: Annotated[int, Field(description="The status code of the response.")]
    detail: Annotated[str | None, Field(description="The reason, and what you can do.")] = None
    errors: Annotated[list[FieldError] | None, Field(description="The first twenty fields that are wrong.")] = None
    request_id: Annotated[
        str | None, Field(description="The X-Request-ID of the response, under which the log has the request.")
    ] = None


class ProblemError(Exception):
    """End a request with a problem.

    `kind` is one of TYPES, or None if the status is enough. `detail` is a sentence for the client.
    """

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
            title=TYPES[kind].title if kind else PHRASES.get(status) or HTTPStatus(status).phrase,
            status=status,
            detail=detail,
            errors=errors,
        )

    def response(self) -> Response:
        """Return the response, with the ID of the present request in its body."""
        if context := CONTEXT.get():
            self.problem.request_id = context.request_id
        response = Response(
            self.problem.model_dump_json(exclude_none=True),
            self.problem.status,
            self.headers,
            media_type=PROBLEM,
        )
        response.raw_headers += SECURITY.items()
        return response


def unavailable(kind: str, detail: str | None = None, *, closes: bool = False) -> ProblemError:
    """Return a 503 with Retry-After. Every 503 of the application is made here.

    If `closes` is true, it closes the connection, because the body of the request is unread.
    """
    headers = {"Retry-After": RETRY_AFTER} | ({"Connection": "close"} if closes else {})
    return ProblemError(503, kind, detail, headers=headers)


def invalid(error: ValidationError, model: type[BaseModel], *, parameters: bool = False) -> ProblemError:
    """Return a 422 with an entry for each fault: a JSON pointer into the body, or the name of the query parameter.

    Return a 400 if the body is not JSON.
    """
    faults = error.errors(include_url=False)
    if faults[0]["type"] == "json_invalid":
        reason = faults[0]["ctx"]["error"]
        limit = json_limit(reason)
        detail = f"The JSON {limit}." if limit else f"This is not valid JSON: {reason}."
        return ProblemError(400, "invalid-request", detail)
    return ProblemError(
        422, "invalid-request", errors=[_field_error(fault, model, parameters) for fault in faults[:MAX_ERRORS]]
    )


def _field_error(fault: ErrorDetails, model: type[BaseModel], parameters: bool) -> FieldError:
    detail = explain(fault)
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
        known = [field.alias or name for name, field in model.model_fields.items()]
        detail += _known(str(fault["loc"][0]), known, "parameters" if parameters else "fields")
    if parameters:
        return FieldError(parameter=str(fault["loc"][0]), detail=detail)
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"])
    return FieldError(pointer="".join(f"/{step}" for step in steps), detail=detail)


def _known(name: str, known: list[str], what: str) -> str:
    """Return what follows "is unknown": the name that was probably meant, or all names."""
    if not known:
        return ""
    near = get_close_matches(name[:MAX_COMPARED], known, 1)
    return f". Did you mean {near[0]}?" if near else f". The {what} are {', '.join(known)}"


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _http_exception(request: Request, error: Exception) -> Response:
    """Answer for an exception of Starlette, or of the router: an unknown path, or a method that it does not allow."""
    assert isinstance(error, HTTPException)
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else None
    if error.status_code == 404 and detail is None:
        detail = "There is nothing at this path."
    return ProblemError(
        error.status_code, detail=detail, headers=dict(error.headers) if error.headers else None
    ).response()


async def _unavailable(request: Request, error: Exception) -> Response:
    """Answer 503 if PostgreSQL or the object store cannot be reached, or takes too long."""
    logger.error("503 %s %s: %s: %s", request.method, request.scope["path"], type(error).__name__, store.reason(error))
    kind = "storage-unavailable" if store.is_fault(error) else "database-unavailable"
    detail = f"The database is not available. {TRY_AGAIN}"
    if kind == "storage-unavailable":
        detail = f"The object store is not available. {TRY_AGAIN}"
    if request.method not in {"GET", "HEAD"}:
        detail += " The change may have been saved, so read before you try again."
    return unavailable(kind, detail).response()


async def _behind(request: Request, error: Exception) -> Response:
    """Answer 503 if the schema is older than this release."""
    logger.error("503 %s %s: a migration is pending: %s", request.method, request.scope["path"], error)
    detail = f"The database does not have all migrations of this release. {TRY_AGAIN}"
    return unavailable("migrations-pending", detail).response()


async def _rejected_value(request: Request, error: Exception) -> Response:
    """Answer 422 if PostgreSQL rejects a value of the request. A request without values is a fault of the service."""
    if request.method in {"GET", "HEAD"} and not request.query_params:
        return await _fault(request, error)
    logger.warning("422 %s %s: %s: %s", request.method, request.scope["path"], type(error).__name__, error)
    detail = "A value of this request is too long or too complex for the database, or has no form there."
    return ProblemError(422, "invalid-request", detail).response()


async def _rejected_image(request: Request, error: Exception) -> Response:
    assert isinstance(error, RejectedImageError)
    return ProblemError(415 if error.kind == "unsupported-image" else 422, error.kind, error.detail).response()


async def _no_thumbnail(request: Request, error: Exception) -> Response:
    assert isinstance(error, NoThumbnailError)
    return ProblemError(404, "no-thumbnail", error.detail).response()


async def _content_missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, ContentMissingError)
    CONTENT_FAULTS.inc()
    if error.size is None:
        logger.error("the object store has no bytes under %r", error.key)
    elif error.size == error.byte_size:
        logger.error("the object store has other bytes under %r: run images objects check --verify", error.key)
    else:
        logger.error("the object store has %s bytes under %r, the row has %s", error.size, error.key, error.byte_size)
    detail = (
        "The image exists, but the object store does not have its bytes. An upload of the same bytes restores them."
    )
    return ProblemError(404, "content-missing", detail).response()


async def _wrong_store(request: Request, error: Exception) -> Response:
    logger.error("503 %s %s: %s", request.method, request.scope["path"], error)
    return unavailable("wrong-store", "The object store is not the one of this database.").response()


async def _not_found(request: Request, error: Exception) -> Response:
    return ProblemError(404, "image-not-found", "No image has this ID.").response()


async def _stopping(request: Request, error: Exception) -> Response:
    return unavailable("draining", f"The service is stopping. {TRY_AGAIN}").response()


async def _busy(request: Request, error: Exception) -> Response:
    """Answer 503 if an image has waited too long for a decoder."""
    logger.warning("503 %s %s: too many images wait to be decoded", request.method, request.scope["path"])
    return unavailable("busy", f"Too many images wait to be decoded. {TRY_AGAIN}").response()


async def _disconnected(request: Request, error: Exception) -> Response:
    """Answer a client that closed the connection while it sent the body or waited. The log shows the status."""
    return ProblemError(400).response()


async def _fault(request: Request, error: Exception) -> Response:
    """Answer 500 without the reason. The server logs the traceback."""
    return ProblemError(500, detail="The service failed. Its log has the reason under the request ID.").response()


EXCEPTION_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: _problem,
    HTTPException: _http_exception,
    RejectedImageError: _rejected_image,
    NoThumbnailError: _no_thumbnail,
    ContentMissingError: _content_missing,
    ImageNotFoundError: _not_found,
    StoppingError: _stopping,
    BusyError: _busy,
    WrongStoreError: _wrong_store,
    ClientDisconnect: _disconnected,
    **dict.fromkeys(UNAVAILABLE, _unavailable),
    **dict.fromkeys(SCHEMA_BEHIND, _behind),
    **dict.fromkeys(REJECTED_VALUES, _rejected_value),
    Exception: _fault,
}


async def answer(error: Exception, request: Request) -> Response:
    """Return the response to an exception: that of the nearest class in EXCEPTION_HANDLERS."""
    return await next(handler for kind in type(error).__mro__ if (handler := EXCEPTION_HANDLERS.get(kind)))(
        request, error
    )
