"""Operation: the declaration of a route. The router and the OpenAPI document are both made from it.

An endpoint's module declares each operation with the decorator `operation`, above the function that answers it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.tokens import Scope
from app.settings import Settings
from app.web.parameters import NoParameters
from app.web.state import State

HTML = "text/html"
JSON = "application/json"
FORM = "multipart/form-data"
MERGE_PATCH = "application/merge-patch+json"

Endpoint = Callable[[Request[State]], Awaitable[Response]]
Method = Literal["GET", "POST", "PATCH", "DELETE"]
# A pydantic model, whose JSON schema the document refers to, or a JSON schema.
Schema = type[BaseModel] | Mapping[str, JsonValue]


class Tag(StrEnum):
    """The groups of operations, in the order in which the documentation shows them."""

    IMAGES = "Images"
    CONTENT = "Content"
    TRANSFER = "Import and export"
    FIGURES = "Tags and statistics"
    SERVICE = "Service"


@dataclass(frozen=True)
class Answer:
    """A response below 400: its status, its schema by media type, and the headers that it always has."""

    status: int
    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """The body of a request: its schema by media type, and its largest size in bytes."""

    content: Mapping[str, Schema]
    max_bytes: Callable[[Settings], int]
    max_form_bytes: Callable[[Settings], int] | None = None  # if a form may have more


@dataclass(frozen=True)
class RequestHeader:
    """A header that changes what an operation does."""

    name: str
    description: str
    pattern: str | None = None  # a regular expression, if the service rejects other values


@dataclass(frozen=True)
class Operation:
    """A method of a path, and the endpoint that answers it."""

    method: Method
    path: str  # as Starlette writes it: /v1/images/{id:uuid}
    name: str  # the operationId
    endpoint: Endpoint
    tag: Tag
    scope: Scope | None  # that a token needs; None if the operation is public
    summary: str
    description: str
    query: type[BaseModel] | None  # the parameters in the query string; None if it may hold anything
    headers: tuple[RequestHeader, ...]
    body: Body | None
    answers: tuple[Answer, ...]
    problems: tuple[str, ...]  # a status each, and the kind of problem if it has one: "404 content-missing"

    @property
    def media_type(self) -> str | None:
        """The only media type of the answers, which Accept has to allow. None if there are several, or a range."""
        media_types = {media_type for answer in self.answers for media_type in answer.content}
        only = media_types.pop() if len(media_types) == 1 else None
        return None if only is None or only.endswith("/*") else only


def operation(
    method: Method,
    path: str,
    name: str,
    *,
    tag: Tag,
    scope: Scope | None,
    summary: str,
    answers: tuple[Answer, ...],
    description: str = "",
    query: type[BaseModel] | None = NoParameters,
    headers: tuple[RequestHeader, ...] = (),
    body: Body | None = None,
    problems: tuple[str, ...] = (),
) -> Callable[[Endpoint], Operation]:
    """Return a decorator that makes an endpoint an Operation.

    The document adds the problems that follow from the other fields: 401 from `scope`, 406 from `answers`, 400 and
    428 from `headers`. A `body` adds 413, a `query` 422.
    """

    def declare(endpoint: Endpoint) -> Operation:
        return Operation(
            method, path, name, endpoint, tag, scope, summary, description, query, headers, body, answers, problems
        )

    return declare


ETAGS = r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$'  # *, or a list of quoted ETags

IF_MATCH = RequestHeader("If-Match", "The ETag of the version that you read. If the image has another: 412.", ETAGS)
IF_NONE_MATCH = RequestHeader("If-None-Match", "The ETag of the version that you have. If it is the current one: 304.")
NO_CHANGE_IF_MATCH = RequestHeader("If-None-Match", "If the current ETag is one of these, nothing changes: 412.", ETAGS)
IF_MODIFIED_SINCE = RequestHeader("If-Modified-Since", "The Last-Modified that you have. If it is not later now: 304.")
IF_UNMODIFIED_SINCE = RequestHeader("If-Unmodified-Since", "The Last-Modified that you read. If it is later now: 412.")
CONTENT_DISPOSITION = RequestHeader(
    "Content-Disposition",
    'The file name, if the body is the image itself: `attachment; filename="red.png"`. `filename*` allows every '
    "character (RFC 6266). The default is made from the SHA-256.",
)
RANGE = RequestHeader("Range", "One range of bytes. Several ranges, or a malformed one, return all bytes.")
IF_RANGE = RequestHeader(
    "If-Range", "The ETag that Range belongs to. If the current ETag is another, you get all bytes."
)

READ_CONDITIONS = (IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE)
WRITE_CONDITIONS = (IF_MATCH, NO_CHANGE_IF_MATCH, IF_UNMODIFIED_SINCE)

NOT_MODIFIED = Answer(304, "You have the current version.", headers=("ETag",))
