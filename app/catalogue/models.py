"""What clients send and get: pydantic models, which validate requests and describe them in OpenAPI."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
)
from pydantic_core import from_json

from app.catalogue.fields import Attributes, Between, Description, Filename, Moment, Tags, Title
from app.decoder.formats import EXTENSIONS, SIZES, ContentType

# What the description shows of an image: the red rectangle of the README.
EXAMPLE: dict[str, JsonValue] = {
    "id": "0b6f3a52-6d5e-4c0e-9d52-1f6f0f5c2a11",
    "filename": "red.png",
    "content_type": "image/png",
    "byte_size": 89,
    "width": 64,
    "height": 48,
    "sha256": "77acae2b11bceed61246a1d1ab22649e5cd35fd947a999f77e9627635729f96a",
    "title": "Red",
    "description": None,
    "tags": ["colour", "flat"],
    "created_at": "2026-01-31T12:00:00.123456+00:00",
    "updated_at": "2026-01-31T12:00:00.123456+00:00",
    "attributes": {"sensor": {"iso": 100}},
}


def _a_size(value: int) -> int:
    if value not in SIZES:
        raise ValueError(f"must be one of {', '.join(map(str, SIZES))}")
    return value


class ThumbnailQuery(BaseModel):
    """The query parameters of GET /v1/images/{id}/thumbnail."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[
        int,
        AfterValidator(_a_size),
        Field(description="Pixels of the longer side, at most.", json_schema_extra={"enum": list(SIZES)}),
    ] = 320


def _parsed(value: object) -> object:
    """Return the JSON in a part of a form. Raises ValueError."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError:
        raise ValueError("must be a JSON object") from None


class UploadFields(BaseModel):
    """What may come with the bytes of an image, in the other parts of multipart/form-data."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Description | None = None
    tags: Annotated[Tags, Field(description="One part each.")] = []
    attributes: Annotated[
        Attributes,
        BeforeValidator(_parsed),
        Field(description="A JSON object."),
    ] = {}


class UploadForm(UploadFields):
    """An image as multipart/form-data: one part for each field, and the bytes in the part `file`."""

    file: Annotated[bytes, Field(description=f"One of {', '.join(EXTENSIONS)}.")]


def _described(example: dict[str, JsonValue]) -> Callable[[dict[str, Any]], None]:
    """With an example, and without defaults: what is left out is not set to them."""

    def extra(schema: dict[str, Any]) -> None:
        schema["examples"] = [example]
        for field in schema["properties"].values():
            field.pop("default", None)

    return extra


class ImagePatch(BaseModel):
    """A JSON merge patch (RFC 7396): what is left out stays, null takes away."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=_described({"title": "Rectangle", "tags": ["flat"], "attributes": {"sensor": {"iso": None}}}),
    )

    filename: Filename = ""
    title: Title | None = None
    description: Description | None = None
    tags: Tags | None = None
    attributes: Attributes | None = None


class ImageRecord(BaseModel):
    """A line of POST /v1/images/import: an image whose bytes are in the object store already, under its SHA-256."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_described(EXAMPLE))

    id: Annotated[UUID | None, Field(description="Kept where it is given.")] = None
    filename: Filename
    content_type: ContentType
    byte_size: Annotated[int, Field(strict=True), Between(0, 2**63 - 1)]
    width: Annotated[int, Field(strict=True), Between(1, 2**31 - 1)]
    height: Annotated[int, Field(strict=True), Between(1, 2**31 - 1)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    title: Title | None = None
    description: Description | None = None
    tags: Tags = []
    created_at: Annotated[Moment | None, Field(description="Now, where it is not given.")] = None
    updated_at: Annotated[Moment | None, Field(description="As created_at, where it is not given.")] = None
    attributes: Attributes = {}


class ImportResult(BaseModel):
    """What an import has done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"new": 1, "known": 2}]})

    new: Annotated[int, Field(description="Images that are in the catalogue now, and were not.")]
    known: Annotated[int, Field(description="Lines whose SHA-256 was in the catalogue, or on a line before.")]


class Image(BaseModel):
    """An image of the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    filename: str
    content_type: Annotated[str, Field(description="As found in the bytes.", examples=["image/jpeg"])]
    byte_size: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(description="Pixels across as displayed, with EXIF orientation applied.")]
    height: Annotated[int, Field(description="Pixels down as displayed, with EXIF orientation applied.")]
    sha256: Annotated[str, Field(description="SHA-256 of the bytes, in hexadecimal.")]
    title: Title | None
    description: str | None
    tags: list[str]
    attributes: Annotated[
        JsonValue, Field(description="An object; of an adopted image whatever the former service stored.")
    ]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ImagePage(BaseModel):
    """A page of a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [EXAMPLE], "next": None}]})

    images: list[Image]
    next: Annotated[str | None, Field(description="The `cursor` of the next page; null on the last one.")]


class TagCount(BaseModel):
    """A tag, and how many images have it."""

    tag: str
    images: Annotated[int, Field(ge=1, description="Counted up to 1,000; from 1,001 on estimated.")]
    estimated: bool


class TagPage(BaseModel):
    """A page of the tags that images have, in the order of their characters' numbers."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tags": [{"tag": "colour", "images": 7, "estimated": False}], "next": None}]}
    )

    tags: list[TagCount]
    next: Annotated[str | None, Field(description="The `cursor` of the next page; null on the last one.")]


class Stats(BaseModel):
    """The catalogue in figures."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "images": 1,
                    "bytes": 89,
                    "content_types": {"image/png": 1},
                    "tags": 2,
                    "oldest": "2026-01-31T12:00:00.123456+00:00",
                    "newest": "2026-01-31T12:00:00.123456+00:00",
                    "estimated": [],
                }
            ]
        }
    )

    images: Annotated[int, Field(ge=0)]
    bytes: Annotated[int, Field(description="Of the content of all images.")]
    content_types: Annotated[dict[str, int], Field(description="Images by media type.")]
    tags: Annotated[int, Field(ge=0, description="Different ones that images have.")]
    oldest: Annotated[
        AwareDatetime | None, Field(description="The first `created_at`; null where there are no images.")
    ]
    newest: Annotated[AwareDatetime | None, Field(description="The last `created_at`.")]
    estimated: Annotated[
        list[Literal["images", "bytes", "content_types", "tags"]],
        Field(description="Which of these figures are estimates: none of up to 10,000 images."),
    ]
