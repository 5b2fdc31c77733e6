"""The API's description, OpenAPI 3.1, made from the models that validate the requests."""

from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from app.codec.formats import EXTENSIONS
from app.exports import NDJSON
from app.models import (
    Filters,
    Image,
    ImagePage,
    ImagePatch,
    ImageRecord,
    ImportResult,
    ListQuery,
    Problem,
    ThumbnailQuery,
    UploadFields,
)
from app.problems import TITLES
from app.thumbnails import EXTENSIONS as THUMBNAILS

JSON = "application/json"
REFUSED = {
    400: "Malformed: not JSON, not multipart/form-data.",
    404: "No such image.",
    409: "Another request stored one of the images meanwhile: send it again.",
    406: "None of the formats that there are is in Accept.",
    412: "If-Match names another version of the image.",
    413: "More bytes than are taken.",
    415: "Not a media type that is taken, or not an image of a supported format.",
    416: "The range begins after the last byte; Content-Range tells the size.",
    422: "Well-formed and not valid; `errors` names each field. Or an image that is broken or too large.",
    503: "The database or the object store cannot be reached, or a migration is missing; try again after Retry-After.",
}
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
ACCEPT = {
    "in": "header",
    "name": "Accept",
    "description": "image/webp where all are as welcome; image/avif only where it is named.",
    "schema": {"type": "string"},
}
ID = {"in": "path", "name": "id", "required": True, "schema": {"type": "string", "format": "uuid"}}


async def document(request: Request) -> Response:
    return Response(to_json(description()), media_type=JSON)


@cache
def description() -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(model, "serialization") for model in (Image, ImagePage, ImportResult, Problem)]
        + [
            (model, "validation")
            for model in (Filters, ImagePatch, ImageRecord, ListQuery, ThumbnailQuery, UploadFields)
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas = definitions["$defs"]
    filters, query, thumbnail, fields = (
        schemas.pop(model.__name__)["properties"] for model in (Filters, ListQuery, ThumbnailQuery, UploadFields)
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Image catalogue",
            "version": version("image-catalogue"),
            "description": "Times are RFC 3339 in UTC. Errors are application/problem+json (RFC 9457). Unknown fields "
            "and query parameters are refused. Types of problem: "
            + "; ".join(f"`/problems/{kind}`: {title}" for kind, title in TITLES.items()),
        },
        "paths": {
            "/v1/images": {
                "get": _operation(
                    "listImages", "List images, newest first", _page(), [422, 503], parameters=_query(query)
                ),
                "post": _operation(
                    "createImage",
                    "Store an image; the same bytes are stored once",
                    {
                        "201": _answer("The image was stored.", _ref("Image"), "Location", "ETag"),
                        "200": _answer("These bytes were here already.", _ref("Image"), "Content-Location", "ETag"),
                    },
                    [400, 413, 415, 422, 503],
                    body=_upload(fields),
                ),
            },
            "/v1/images/{id}": {
                "parameters": [ID],
                "get": _operation(
                    "getImage", "Get an image", _image() | _not_modified(), [404, 422, 503], parameters=[IF_NONE_MATCH]
                ),
                "patch": _operation(
                    "updateImage",
                    "Change filename, title, description, tags or attributes",
                    _image(),
                    [400, 404, 412, 413, 415, 422, 503],
                    parameters=[IF_MATCH],
                    body={
                        media_type: {"schema": _ref("ImagePatch")}
                        for media_type in ("application/merge-patch+json", JSON)
                    },
                ),
                "delete": _operation(
                    "deleteImage",
                    "Delete an image and its bytes",
                    {"204": {"description": "The image is gone."}},
                    [404, 412, 422, 503],
                    parameters=[IF_MATCH],
                ),
            },
            "/v1/images/{id}/content": {
                "parameters": [ID],
                "get": _operation(
                    "getContent",
                    "Get the bytes",
                    _content() | _not_modified(),
                    [404, 416, 422, 503],
                    parameters=[IF_NONE_MATCH, RANGE, IF_RANGE],
                ),
            },
            "/v1/images/{id}/thumbnail": {
                "parameters": [ID],
                "get": _operation(
                    "getThumbnail",
                    "Get a small picture of it: upright, never enlarged, in sRGB, without metadata",
                    _thumbnail() | _not_modified(),
                    [404, 406, 422, 503],
                    parameters=[*_query(thumbnail), ACCEPT, IF_NONE_MATCH],
                ),
            },
            "/v1/images/import": {
                "post": _operation(
                    "importImages",
                    "Record images whose bytes are in the object store: all of them, or none",
                    {"200": _answer("All lines were taken.", _ref("ImportResult"))},
                    [409, 415, 422, 503],
                    body={NDJSON: {"schema": _ref("ImageRecord")}},
                )
            },
            "/v1/images/export": {
                "get": _operation(
                    "exportImages",
                    "All images that match, newest first, as of one moment",
                    {
                        "200": {
                            "description": "A line for each image, compressed as Accept-Encoding has it: gzip or zstd.",
                            "content": {NDJSON: {"schema": _ref("Image")}},
                        }
                    },
                    [422, 503],
                    parameters=_query(filters),
                )
            },
            "/healthz": {"get": _operation("getHealth", "Alive", _status("The process answers."), [422])},
            "/readyz": {
                "get": _operation(
                    "getReadiness", "Ready", _status("Database reachable, migrations applied."), [422, 503]
                )
            },
            "/openapi.json": {"get": _operation("getDescription", "This document", _status("OpenAPI 3.1."), [422])},
        },
        "components": {"schemas": schemas},
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    refusals: list[int],
    *,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    refused = {str(status): {"description": REFUSED[status], "content": problem} for status in refusals}
    if 503 in refusals:
        refused["503"]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "parameters": parameters or [],
        "responses": answers | refused,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


def _answer(description: str, schema: dict[str, Any], *headers: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
        "content": {JSON: {"schema": schema}},
    }


def _image() -> dict[str, Any]:
    return {"200": _answer("The image.", _ref("Image"), "ETag")}


def _page() -> dict[str, Any]:
    return {"200": _answer("A page, and a link to the next in `Link`.", _ref("ImagePage"), "Link")}


def _status(description: str) -> dict[str, Any]:
    return {"200": _answer(description, {"type": "object"})}


def _not_modified() -> dict[str, Any]:
    return {"304": {"description": "If-None-Match names this version."}}


def _content() -> dict[str, Any]:
    return {
        "200": _bytes("The bytes as they were stored.", "Accept-Ranges", "Content-Disposition"),
        "206": _bytes("The bytes of the range.", "Content-Range", "Content-Disposition"),
    }


def _thumbnail() -> dict[str, Any]:
    return {"200": _bytes("The thumbnail, in the format that Accept prefers.", "Vary", media_types=tuple(THUMBNAILS))}


def _bytes(description: str, *headers: str, media_types: tuple[str, ...] = ("image/*",)) -> dict[str, Any]:
    return {
        "description": description,
        "headers": {name: {"schema": {"type": "string"}} for name in ("ETag", *headers)},
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
