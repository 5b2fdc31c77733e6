"""The API's description, OpenAPI 3.1, made from the models that validate the requests."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.export import NDJSON
from app.catalogue.listing import Filters, ListQuery, TagQuery
from app.catalogue.models import (
    Image,
    ImagePage,
    ImagePatch,
    ImageRecord,
    ImportResult,
    Stats,
    TagPage,
    ThumbnailQuery,
    UploadFields,
)
from app.catalogue.tokens import Scope
from app.decoder.formats import EXTENSIONS, THUMBNAIL_EXTENSIONS
from app.schema.models import Schema
from app.settings import Settings
from app.web.problems import Problem, ProblemError
from app.web.routing import JSON, Endpoint

PROBLEM = "application/problem+json"
METRICS = ("text/plain", "application/openmetrics-text")
REFUSED = {
    400: "Malformed: not JSON, not multipart/form-data.",
    401: "No token, or none that is in force.",
    403: "The token's scope does not allow it; or, without authentication, not from this machine.",
    404: "No such image, or nothing of it there.",
    406: "None of the formats that there are is in Accept.",
    408: "The body came too slowly.",
    409: "Another request stored one of the images meanwhile: send it again.",
    412: "If-Match names another version of the image.",
    413: "More bytes than are taken.",
    415: "Not a media type that is taken, or not an image of a supported format; or compressed.",
    416: "The range begins after the last byte; Content-Range tells the size.",
    422: "Well-formed and not valid; `errors` names each field. Or an image that is broken or too large.",
    428: "If-Match is required here.",
    503: "The database or the object store cannot be reached, there is too much to do, or a migration is missing; try "
    "again after Retry-After.",
}
HEADERS = {401: "WWW-Authenticate", 412: "ETag", 416: "Content-Range", 503: "Retry-After"}
TOKENS = (
    "A token from `images token create`, as `Authorization: Bearer images_...`. Its scope is read; write, which may "
    "read too; or admin, which may do all."
)
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "Only this version.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "description": "304 for it.",
    "schema": {"type": "string"},
}
RANGE = {
    "in": "header",
    "name": "Range",
    "description": "One range of bytes. Several, or what is malformed, are answered with all the bytes.",
    "schema": {"type": "string"},
}
IF_RANGE = {
    "in": "header",
    "name": "If-Range",
    "description": "The ETag that the Range is meant for; all the bytes where they have another.",
    "schema": {"type": "string"},
}
NO_NUL = {"pattern": r"^[^\u0000]*$"}
# What jsonb holds: no U+0000 in strings and names.
ANY_JSON = {
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        {"type": "string"} | NO_NUL,
        {"type": "array", "items": {"$ref": "#/components/schemas/JsonValue"}},
        {
            "type": "object",
            "propertyNames": NO_NUL,
            "additionalProperties": {"$ref": "#/components/schemas/JsonValue"},
        },
    ]
}
ID = {"in": "path", "name": "id", "required": True, "schema": {"type": "string", "format": "uuid"}}


def document(settings: Settings) -> Endpoint:
    """The endpoint of the description, which tells what this service was set to do."""
    body = to_json(description(settings))

    async def get_description(request: Request) -> Response:
        return Response(body, media_type=JSON)

    return get_description


def description(settings: Settings) -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(model, "serialization") for model in (Image, ImagePage, ImportResult, Problem, Schema, Stats, TagPage)]
        + [
            (model, "validation")
            for model in (Filters, ImagePatch, ImageRecord, ListQuery, TagQuery, ThumbnailQuery, UploadFields)
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas = _with_limits(definitions["$defs"], settings)
    filters, query, tags, thumbnail, fields = (
        schemas.pop(model.__name__)["properties"]
        for model in (Filters, ListQuery, TagQuery, ThumbnailQuery, UploadFields)
    )
    if "JsonValue" in schemas:
        schemas["JsonValue"] = ANY_JSON
    components: dict[str, Any] = {"schemas": schemas}
    if settings.auth == "token":
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": TOKENS}}

    def operation(
        name: str,
        summary: str,
        answers: dict[str, Any],
        refusals: Iterable[str] = (),
        *,
        scope: Scope | None = "read",
        changes: bool = False,
        parameters: Iterable[dict[str, Any]] = (),
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """`refusals` are a status each, and the kind of problem where it has one; those of all are added.

        `scope` is None where no token is asked for; `changes` says that If-Match holds for it.
        """
        refused = [*refusals, "422 invalid-request"]
        if any(JSON in answer.get("content", {}) for answer in answers.values()):
            refused.append("406")
        if scope is not None:
            refused += ["401", "403 insufficient-scope"] if settings.auth == "token" else ["403"]
            refused += ["503", "503 migrations-pending"]
        if body is not None:
            refused += ["408", "413", "415"]
        if changes:
            refused += ["412 version-conflict", *(["428"] if settings.require_if_match else [])]
            parameters = [*parameters, IF_MATCH | {"required": settings.require_if_match}]
        responses = {
            status: answer | {"headers": answer.get("headers", {}) | _headers("X-Request-ID")}
            for status, answer in (answers | _refusals(refused)).items()
        }
        described = {
            "operationId": name,
            "summary": summary,
            "parameters": [*parameters],
            "responses": responses,
        }
        if scope is not None and settings.auth == "token":
            described |= {"description": f"Needs the scope `{scope}`.", "security": [{"token": []}]}
        if body is not None:
            described["requestBody"] = {"required": True, "content": body}
        return described

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image catalogue",
            "version": version("image-catalogue"),
            "description": "Times are RFC 3339 in UTC. Errors are application/problem+json (RFC 9457). Unknown fields "
            "and query parameters are refused. JSON is compressed by gzip where Accept-Encoding names it. Each answer "
            "has an X-Request-ID, by which the log knows it: that of the request where it is 1 to 128 printable "
            "characters of ASCII without blanks, or a new one.",
        },
        "paths": {
            "/v1/images": {
                "get": operation("listImages", "List images", _page("ImagePage"), parameters=_query(query)),
                "post": operation(
                    "createImage",
                    "Store an image; the same bytes are stored once",
                    {
                        "201": _answer("The image was stored.", "Image", "Location", "ETag"),
                        "200": _answer("These bytes were here already.", "Image", "Content-Location", "ETag"),
                    },
                    ["400", "415 unsupported-image", "422 broken-image", "422 too-many-pixels"],
                    scope="write",
                    body=_upload(fields),
                ),
            },
            "/v1/images/{id}": {
                "parameters": [ID],
                "get": operation(
                    "getImage", "Get an image", _image() | _not_modified(), ["404"], parameters=[IF_NONE_MATCH]
                ),
                "patch": operation(
                    "updateImage",
                    "Change filename, title, description, tags or attributes",
                    _image(),
                    ["400 invalid-request", "404"],
                    scope="write",
                    changes=True,
                    body={
                        media_type: {"schema": _ref("ImagePatch")}
                        for media_type in ("application/merge-patch+json", JSON)
                    },
                ),
                "delete": operation(
                    "deleteImage",
                    "Delete an image and its bytes",
                    {"204": {"description": "The image is gone."}},
                    ["404"],
                    scope="write",
                    changes=True,
                ),
            },
            "/v1/images/{id}/content": {
                "parameters": [ID],
                "get": operation(
                    "getContent",
                    "Get the bytes",
                    _content() | _not_modified(),
                    ["404", "404 content-missing", "416"],
                    parameters=[IF_NONE_MATCH, RANGE, IF_RANGE],
                ),
            },
            "/v1/images/{id}/thumbnail": {
                "parameters": [ID],
                "get": operation(
                    "getThumbnail",
                    "Get a small picture of it: upright, never enlarged, in sRGB, without metadata",
                    _thumbnail() | _not_modified(),
                    ["404", "404 content-missing", "404 no-thumbnail", "406"],
                    parameters=[*_query(thumbnail), IF_NONE_MATCH],
                ),
            },
            "/v1/images/import": {
                "post": operation(
                    "importImages",
                    "Record images whose bytes are in the object store: all of them, or none",
                    {"200": _answer("All lines were taken.", "ImportResult")},
                    ["409"],
                    scope="admin",
                    body={NDJSON: {"schema": _ref("ImageRecord")}},
                )
            },
            "/v1/images/export": {
                "get": operation(
                    "exportImages",
                    "All images that match, newest first, as of one moment",
                    {
                        "200": {
                            "description": "A line for each image, compressed as Accept-Encoding has it: gzip or zstd.",
                            "content": {NDJSON: {"schema": _ref("Image")}},
                        }
                    },
                    ["406"],
                    parameters=_query(filters),
                )
            },
            "/v1/tags": {
                "get": operation("listTags", "List the tags of images", _page("TagPage"), parameters=_query(tags))
            },
            "/v1/stats": {
                "get": operation(
                    "getStats",
                    "How many images, bytes and tags there are",
                    {"200": _answer("The figures; `estimated` names those that are estimates.", "Stats")},
                )
            },
            "/v1/schema": {
                "get": operation(
                    "getSchema",
                    "The database's migrations, tables and queries, as they are",
                    {"200": _answer("What /schema shows. It only reads.", "Schema")},
                    scope="admin",
                )
            },
            "/healthz": {"get": operation("getHealth", "Alive", _status("The process answers."), scope=None)},
            "/readyz": {
                "get": operation(
                    "getReadiness",
                    "Ready",
                    _status(
                        "`ready`: the database is reachable, its migrations applied. `read-only`: a replica alone is."
                    ),
                    ["503", "503 migrations-pending", "503 draining"],
                    scope=None,
                )
            },
            "/": {"get": _for_people("getGallery", "The images, as a page")},
            "/schema": {"get": _for_people("getSchemaPage", "The schema, as a page")},
            "/metrics": {
                "get": operation(
                    "getMetrics",
                    "What is counted and measured, for Prometheus",
                    {
                        "200": {
                            "description": "The format that Accept prefers. Nothing in it tells of images or clients.",
                            "content": {name: {"schema": {"type": "string"}} for name in METRICS},
                        }
                    },
                    scope=None,
                )
            },
            "/docs": {
                "get": operation(
                    "getDocumentation", "This document, as a page", _html("By Swagger UI."), ["406"], scope=None
                )
            },
            "/openapi.json": {"get": operation("getDescription", "This document", _status("OpenAPI 3.1."), scope=None)},
        },
        "components": components,
    }


def _refusals(refused: Iterable[str]) -> dict[str, Any]:
    """A response for each status, with an example of each problem that it may be."""
    kinds: dict[int, list[str | None]] = {}
    for refusal in sorted(set(refused)):
        number, _, kind = refusal.partition(" ")
        kinds.setdefault(int(number), []).append(kind or None)
    responses = {}
    for status, found in kinds.items():
        problems = [ProblemError(status, kind).problem.model_dump(exclude_none=True) for kind in found]
        types = {"type": {"enum": [problem["type"] for problem in problems]}}
        examples = {kind or "plain": {"value": problem} for kind, problem in zip(found, problems, strict=True)}
        responses[str(status)] = {
            "description": REFUSED[status],
            "headers": _headers(*([HEADERS[status]] if status in HEADERS else [])),
            "content": {PROBLEM: {"schema": {"allOf": [_ref("Problem")], "properties": types}, "examples": examples}},
        }
    return responses


def _with_limits(schemas: Any, settings: Settings) -> Any:
    """The schemas, with the settings' values where app/catalogue/models.py has their names."""
    if isinstance(schemas, dict):
        return {
            key: int(getattr(settings, value))
            if key in {"maxLength", "maxItems"} and isinstance(value, str)
            else _with_limits(value, settings)
            for key, value in schemas.items()
        }
    return [_with_limits(item, settings) for item in schemas] if isinstance(schemas, list) else schemas


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}} for name in names}


def _answer(description: str, model: str, *headers: str) -> dict[str, Any]:
    return {"description": description, "headers": _headers(*headers), "content": {JSON: {"schema": _ref(model)}}}


def _image() -> dict[str, Any]:
    return {"200": _answer("The image.", "Image", "ETag")}


def _page(model: str) -> dict[str, Any]:
    return {"200": _answer("A page, and a link to the next in `Link`.", model, "Link")}


def _status(description: str) -> dict[str, Any]:
    return {"200": {"description": description, "content": {JSON: {"schema": {"type": "object"}}}}}


def _html(description: str) -> dict[str, Any]:
    return {"200": {"description": description, "content": {"text/html": {"schema": {"type": "string"}}}}}


def _for_people(name: str, summary: str) -> dict[str, Any]:
    """A page that takes any query: it is for the page's own script, as a search is."""
    answers = _html("It asks the API for all that it shows.") | _refusals(["406"])
    return {"operationId": name, "summary": summary, "parameters": [], "responses": answers}


def _not_modified() -> dict[str, Any]:
    return {"304": {"description": "If-None-Match names this version.", "headers": _headers("ETag")}}


def _content() -> dict[str, Any]:
    return {
        "200": _bytes("The bytes as they were stored.", "Accept-Ranges", "Content-Disposition"),
        "206": _bytes("The bytes of the range.", "Content-Range", "Content-Disposition"),
        "307": {
            "description": "Where CONTENT_REDIRECT is set: the bytes are at Location, a signed URL of the object store "
            "that is valid for so many seconds. It takes Range; a HEAD is answered here.",
            "headers": {name: {"schema": {"type": "string"}} for name in ("Location", "Cache-Control")},
        },
    }


def _thumbnail() -> dict[str, Any]:
    description = "The format that Accept prefers: WebP where all are as welcome, AVIF only where it is named."
    return {"200": _bytes(description, "Vary", media_types=tuple(THUMBNAIL_EXTENSIONS))}


def _bytes(description: str, *headers: str, media_types: tuple[str, ...] = ("image/*",)) -> dict[str, Any]:
    return {
        "description": description,
        "headers": _headers("ETag", *headers),
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in media_types},
    }


def _query(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters; one that may be left out has no null, which a query string cannot say."""
    parameters = []
    for name, schema in properties.items():
        description = schema.pop("description")
        if schema.get("default", ...) is None:
            schema = schema["anyOf"][0]
        parameters.append({"in": "query", "name": name, "description": description, "schema": schema})
    return parameters


def _upload(fields: dict[str, Any]) -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": f"One of {', '.join(EXTENSIONS)}."}
    return {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": file} | fields,
                "additionalProperties": False,
            },
            "encoding": {"attributes": {"contentType": JSON}},
        },
        "image/*": {"schema": file},
    }
