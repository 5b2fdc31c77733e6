"""OpenAPI 3.1 document: assembled from the operations that the endpoints declare, and the models that validate."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import to_json

from app.settings import Settings
from app.web.operations import IF_MATCH, Answer, Body, Operation, RequestHeader, Schema, Tag
from app.web.problems import PROBLEM, Problem, ProblemError

Json = dict[str, Any]  # a node of the document

INFO = """\
Store images, find them by words, tags, and times, and get their bytes and thumbnails.

Unless the service runs with `AUTH=none`, send a token: `Authorization: Bearer images_...`. An administrator creates it.

Times are RFC 3339 in UTC.

Errors are `application/problem+json` (RFC 9457). The service rejects unknown fields and unknown query parameters, and \
names them in the error.

If `Accept-Encoding` contains gzip, JSON of 1 KiB or more is compressed.

Each response has an `X-Request-ID`, under which the log has the request. If your request has an `X-Request-ID` of 1 \
to 128 printable ASCII characters without blanks, the response has the same.

If the token has limits, each response has `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers). \
The policy `requests` counts requests in a second. `uploads` counts bytes of request bodies in a day of UTC.
"""
TAGS = {
    Tag.IMAGES: "Store, list, read, change, and delete images.",
    Tag.CONTENT: "The bytes of an image, and its thumbnails.",
    Tag.TRANSFER: "Many images at once, as NDJSON.",
    Tag.FIGURES: "Tags with their numbers of images, and totals of the catalogue.",
    Tag.SERVICE: "Health, metrics, the database schema, and the pages for people.",
}
BEARER = (
    "A token from `images token create`, sent as `Authorization: Bearer images_...`. It has one of three scopes: "
    "`read`, `write` (may also read), or `admin` (may also import records, and read the schema and positions)."
)
PROBLEMS = {
    400: "Your request is malformed, for example not JSON, or an ETag without quotes.",
    401: "Your token is missing, unknown, revoked, or expired.",
    403: "The scope of your token does not allow this. Without authentication: your request does not come from "
    "loopback, or a web page of another origin sent it.",
    404: "The image, its part, or the page that you asked for does not exist.",
    406: "Your Accept header allows none of the available media types.",
    408: "The body of your request arrived too slowly.",
    409: "Another request stored one of the images at the same time. Send the request again.",
    412: "A condition of your request is false, for example because the image has changed since you read it.",
    413: "The body of your request is too large.",
    415: "The service does not accept this media type, this image format, or a compressed body.",
    416: "The range begins after the last byte. Content-Range contains the size.",
    421: "Without authentication: Host is not localhost, a name below it, or a loopback address.",
    422: "Your request is well-formed but not valid. `errors` names each field.",
    428: "This request needs an If-Match header.",
    429: "Your token has sent too many requests, or too many bytes today. Try again after the seconds in Retry-After.",
    503: "The database or the object store is not available, the service is busy, or a migration is pending. Try again "
    "after the seconds in Retry-After.",
}
REJECTED_IMAGE = " Or the image is empty, damaged, or too large."
LIMIT_HEADERS = ("RateLimit-Policy", "RateLimit")  # of responses to tokens with limits
PROBLEM_HEADERS = {401: "WWW-Authenticate", 412: "ETag", 416: "Content-Range", 429: "Retry-After", 503: "Retry-After"}
PATH_PARAMETER = re.compile(r"{(\w+):(\w+)}")  # as Starlette writes it: name and converter
PATH_SCHEMAS = {"uuid": {"type": "string", "format": "uuid"}, "str": {"type": "string"}}


class Document:
    """The OpenAPI document of a service with these operations and settings."""

    def __init__(self, operations: Sequence[Operation], settings: Settings) -> None:
        self._operations, self._settings = operations, settings
        self.at = lru_cache(maxsize=4)(self._at)

    def _at(self, root_path: str) -> bytes:
        """Return the document as JSON, for a service that a proxy offers under `root_path`.

        Only this makes the document: it takes most of the time of create_app(), and few clients ask for it.
        """
        return to_json(describe(self._operations, self._settings) | {"servers": [{"url": root_path or "/"}]})


def describe(operations: Sequence[Operation], settings: Settings) -> Json:
    """Return the document without `servers`."""
    schemas = _with_limits(_definitions(frozenset(_models(operations))), settings)
    queries = {model: schemas.pop(model.__name__) for model in {operation.query for operation in operations} if model}
    paths: dict[str, Json] = {}
    for operation in operations:
        path = PATH_PARAMETER.sub(r"{\1}", operation.path)
        query = queries[operation.query]["properties"] if operation.query else {}
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, query, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image catalogue",
            "version": version("image-catalogue"),
            "description": INFO,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": tag, "description": description} for tag, description in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": BEARER}},
        },
    }


@cache
def _definitions(models: frozenset[tuple[type[BaseModel], JsonSchemaMode]]) -> Json:
    """Return the JSON schemas by name. They take most of the time that the document takes: 40 ms."""
    _, definitions = models_json_schema(sorted(models, key=str), ref_template="#/components/schemas/{model}")
    return dict(definitions["$defs"])


def _models(operations: Iterable[Operation]) -> set[tuple[type[BaseModel], JsonSchemaMode]]:
    """Return each model, and whether the service validates or serializes it."""
    found: set[tuple[type[BaseModel], JsonSchemaMode]] = {(Problem, "serialization")}
    for operation in operations:
        if operation.query is not None:
            found.add((operation.query, "validation"))
        if operation.body is not None:
            found |= {(model, "validation") for model in _models_of(operation.body)}
        found |= {(model, "serialization") for answer in operation.answers for model in _models_of(answer)}
    return found


def _models_of(part: Answer | Body) -> Iterator[type[BaseModel]]:
    yield from (schema for schema in part.content.values() if isinstance(schema, type))


def _operation(operation: Operation, query: Json, settings: Settings) -> Json:
    authentication = settings.auth == "token"
    description = operation.description
    if operation.scope is not None and authentication:
        description = f"{description}\n\nYou need a token with scope `{operation.scope}`.".strip()
    headers = ["X-Request-ID"]
    if operation.scope is not None and authentication:
        headers += LIMIT_HEADERS
    described = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": description,
        "parameters": [*_path(operation.path), *_query(query), *_headers(operation.headers, operation, settings)],
        "responses": {
            status: response | {"headers": response["headers"] | _response_headers(*headers)}
            for status, response in (_answers(operation) | _problems(_problem_kinds(operation, settings))).items()
        },
    }
    token = {"token": [operation.scope]}
    described["security"] = [] if operation.scope is None else [token] if authentication else [{}, token]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    return described


def _path(path: str) -> list[Json]:
    return [
        {"in": "path", "name": name, "required": True, "schema": PATH_SCHEMAS[converter]}
        for name, converter in PATH_PARAMETER.findall(path)
    ]


def _query(properties: Json) -> list[Json]:
    """Return the parameters. A query string cannot contain null, so an optional parameter is described without it."""
    parameters = []
    for name, described in properties.items():
        schema = {key: value for key, value in described.items() if key != "description"}
        if schema.get("default", ...) is None:
            schema = schema["anyOf"][0] | ({"examples": schema["examples"]} if "examples" in schema else {})
        parameters.append({"in": "query", "name": name, "description": described["description"], "schema": schema})
    return parameters


def _headers(headers: Iterable[RequestHeader], operation: Operation, settings: Settings) -> list[Json]:
    return [
        {
            "in": "header",
            "name": header.name,
            "description": header.description,
            "required": header is IF_MATCH and _needs_if_match(operation, settings),
            "schema": {"type": "string"} | ({"pattern": header.pattern} if header.pattern else {}),
        }
        for header in headers
    ]


def _needs_if_match(operation: Operation, settings: Settings) -> bool:
    return settings.require_if_match and IF_MATCH in operation.headers and operation.method in {"PATCH", "DELETE"}


def _answers(operation: Operation) -> Json:
    responses = {}
    for answer in operation.answers:
        response: Json = {"description": answer.description, "headers": _response_headers(*answer.headers)}
        if answer.content:
            response["content"] = _content(answer)
        responses[str(answer.status)] = response
    return responses


def _problem_kinds(operation: Operation, settings: Settings) -> set[str]:
    """Return the declared problems, and those that follow from the other fields of the operation."""
    kinds = {*operation.problems}
    if operation.query is not None:
        kinds.add("422 invalid-request")
    if operation.media_type is not None:
        kinds.add("406")
    if operation.scope is not None:
        kinds |= {f"503 {kind}" for kind in ("database-unavailable", "draining", "migrations-pending")}
        if settings.auth == "token":
            kinds |= {"401", "403 insufficient-scope", "429 too-many-requests"}
    if settings.auth == "none":
        kinds |= {"403", "421"}
    if operation.body is not None:
        kinds |= {"408", "413", "415"}
        if settings.auth == "token":
            kinds.add("429 upload-quota-exceeded")
    if IF_MATCH in operation.headers:
        kinds.add("400")
    if _needs_if_match(operation, settings):
        kinds.add("428")
    return kinds


def _problems(declared: Iterable[str]) -> Json:
    """Return a response for each status, with an example of each problem that it may be."""
    kinds: dict[int, list[str | None]] = {}
    for problem in sorted(declared):
        number, _, kind = problem.partition(" ")
        kinds.setdefault(int(number), []).append(kind or None)
    responses = {}
    for status, found in kinds.items():
        problems = [ProblemError(status, kind).problem.model_dump(exclude_none=True) for kind in found]
        types = {"type": {"enum": [problem["type"] for problem in problems]}}
        examples = {kind or "plain": {"value": problem} for kind, problem in zip(found, problems, strict=True)}
        responses[str(status)] = {
            "description": PROBLEMS[status] + (REJECTED_IMAGE if "broken-image" in found else ""),
            "headers": _response_headers(*([PROBLEM_HEADERS[status]] if status in PROBLEM_HEADERS else [])),
            "content": {PROBLEM: {"schema": {"allOf": [_schema(Problem)], "properties": types}, "examples": examples}},
        }
    return responses


def _response_headers(*names: str) -> Json:
    return {name: {"schema": {"type": "string"}} for name in names}


def _content(part: Answer | Body) -> Json:
    return {media_type: {"schema": _schema(schema)} for media_type, schema in part.content.items()}


def _schema(schema: Schema) -> Json:
    return {"$ref": f"#/components/schemas/{schema.__name__}"} if isinstance(schema, type) else dict(schema)


def _with_limits(schemas: Any, settings: Settings) -> Any:
    """Return the schemas with the values of the settings whose names app/catalogue/fields.py put there."""
    if isinstance(schemas, dict):
        return {
            key: int(getattr(settings, value))
            if key in {"maxLength", "maxItems"} and isinstance(value, str)
            else _with_limits(value, settings)
            for key, value in schemas.items()
        }
    return [_with_limits(item, settings) for item in schemas] if isinstance(schemas, list) else schemas
