"""Models of requests and responses: pydantic validates requests with them, and OpenAPI shows them."""

from base64 import b64decode
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
    WithJsonSchema,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import from_json

from app.catalogue.fields import (
    YEARS,
    Attributes,
    Between,
    Description,
    Filename,
    StoredMoment,
    Tags,
    Title,
    Whole,
    json_limit,
)
from app.decoder.capture_models import Capture, Color, Location
from app.decoder.formats import EXTENSIONS, SIZES, ContentType

MAX_SAFE_INTEGER = 2**53 - 1  # the largest that every client reads exactly (RFC 8259, section 6)
IN_YEARS = f"the years {YEARS[0]} to {YEARS[-1]} UTC"

# The example in the OpenAPI document: the red rectangle of the README.
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
    "tags": ["color", "flat"],
    "created_at": "2026-01-31T12:00:00.123456+00:00",
    "updated_at": "2026-01-31T12:00:00.123456+00:00",
    "color": "#c81e1e",
    "thumbhash": "EUgCDIBwd4eIiIh4iHiHd3iHcA==",
    "capture": {},
    "location": None,
    "attributes": {"sensor": {"iso": 100}},
}

MAX_THUMBHASH_BYTES = 25
USES = ("keywords", "caption")  # of the metadata in a file, what an upload can ask for


def _thumbhash(value: str) -> str:
    try:
        length = len(b64decode(value, validate=True))
    except ValueError:
        length = 0
    if not 5 <= length <= MAX_THUMBHASH_BYTES:
        raise ValueError(f"must be 5 to {MAX_THUMBHASH_BYTES} bytes in base64")
    return value


Thumbhash = Annotated[str, AfterValidator(_thumbhash)]


def _a_size(value: int) -> int:
    if value not in SIZES:
        raise ValueError(f"must be one of {', '.join(map(str, SIZES))}")
    return value


class ThumbnailQuery(BaseModel):
    """The query parameters of GET /v1/images/{id}/thumbnail."""

    model_config = ConfigDict(extra="forbid")

    size: Annotated[
        Whole,
        AfterValidator(_a_size),
        Field(description="The largest number of pixels on the longer side.", json_schema_extra={"enum": list(SIZES)}),
    ] = 320


def _parsed(value: object) -> object:
    """Return the JSON in a part of a form. Raises ValueError."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError as error:
        raise ValueError(json_limit(str(error)) or "must be a JSON object") from None


def _uses(value: str) -> str:
    if value and not set(value.split(",")) <= set(USES):
        raise ValueError("must be keywords, caption, or keywords,caption")
    return value


Use = Annotated[
    str,
    AfterValidator(_uses),
    Field(
        json_schema_extra={"pattern": "^((keywords|caption)(,(keywords|caption))*)?$"},
        description="`keywords`: the keywords in the file become the tags. `caption`: the caption in the file "
        "becomes the description. `keywords,caption`: both. Your own tags and description come first.",
    ),
]


class UploadFields(BaseModel):
    """Metadata in a multipart/form-data upload: the parts besides the file."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Description | None = None
    tags: Annotated[Tags, Field(description="Send one part for each tag.")] = []
    attributes: Annotated[
        Attributes,
        BeforeValidator(_parsed),
        Field(description="A JSON object."),
    ] = {}
    use: Use | None = None


def _without_values(schema: dict[str, Any]) -> None:
    """Remove defaults and null from a JSON schema of a form, and add empty examples.

    A form cannot contain null. Swagger UI fills a form with examples, or with defaults, or with random text. It does
    not send a field that is empty.
    """
    for field in schema["properties"].values():
        default = field.pop("default", ...)
        if default is None:
            field |= field.pop("anyOf")[0] | {"examples": [""]}
        elif default is not ...:
            field["examples"] = [default]


class UploadForm(UploadFields):
    """An upload as multipart/form-data: one part for each field, and the bytes in the part `file`."""

    model_config = ConfigDict(json_schema_extra=_without_values)

    file: Annotated[bytes, Field(description=f"One of {', '.join(EXTENSIONS)}.")]


class UploadQuery(UploadFields):
    """Metadata in the query string of an upload."""

    model_config = ConfigDict(json_schema_extra=_without_values)

    title: Annotated[Title | None, Field(description="The title.")] = None
    description: Annotated[Description | None, Field(description="The description.")] = None
    tags: Annotated[Tags, Field(alias="tag", description="Repeat it for each tag.")] = []
    attributes: Annotated[
        Attributes,
        BeforeValidator(_parsed),
        Field(description="A JSON object."),
        WithJsonSchema({"type": "string", "contentMediaType": "application/json"}),
    ] = Field(default_factory=dict)


def _described(example: dict[str, JsonValue]) -> Callable[[dict[str, Any]], None]:
    """Return a function that adds an example to a JSON schema, and removes the defaults.

    A field that is left out of a patch or a record does not get the default.
    """

    def extra(schema: dict[str, Any]) -> None:
        schema["examples"] = [example]
        for field in schema["properties"].values():
            field.pop("default", None)

    return extra


class ImagePatch(BaseModel):
    """A JSON merge patch (RFC 7396): a missing field stays, and null removes a value."""

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
    """A line of an import: an image whose bytes are already in the object store under their SHA-256."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_described(EXAMPLE))

    id: Annotated[UUID | None, Field(description="The default is a new ID.")] = None
    filename: Filename
    content_type: ContentType
    byte_size: Annotated[int, Field(strict=True), Between(0, MAX_SAFE_INTEGER)]
    width: Annotated[int, Field(strict=True), Between(1, 2**31 - 1)]
    height: Annotated[int, Field(strict=True), Between(1, 2**31 - 1)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    title: Title | None = None
    description: Description | None = None
    tags: Tags = []
    created_at: Annotated[
        StoredMoment | None, Field(description=f"In {IN_YEARS}. The default is the time of the import.")
    ] = None
    updated_at: Annotated[StoredMoment | None, Field(description=f"In {IN_YEARS}. The default is created_at.")] = None
    color: Color | None = None
    thumbhash: Annotated[Thumbhash | None, Field(description="In base64.")] = None
    capture: Annotated[
        Capture | None, Field(description="Null if `images backfill capture` has to read the bytes.")
    ] = None
    location: Annotated[Location | None, Field(description="It is ignored with LOCATION=strip.")] = None
    attributes: Attributes = {}


class ImportResult(BaseModel):
    """The result of an import."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"new": 1, "known": 2}]})

    new: Annotated[int, Field(description="The number of images that the import added.")]
    known: Annotated[
        int, Field(description="The number of lines whose SHA-256 was in the catalogue or on an earlier line.")
    ]


class Image(BaseModel):
    """An image."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    filename: str
    content_type: Annotated[
        str, Field(description="The media type that the service found in the bytes.", examples=["image/jpeg"])
    ]
    byte_size: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(description="The width in pixels as displayed, with the EXIF orientation applied.")]
    height: Annotated[int, Field(description="The height in pixels as displayed, with the EXIF orientation applied.")]
    sha256: Annotated[str, Field(description="The SHA-256 of the bytes in hexadecimal.")]
    title: Title | None
    description: str | None
    tags: list[str]
    attributes: Annotated[
        Any,
        Field(description="An object. An adopted image may have any JSON value of the earlier service."),
    ]
    color: Annotated[Color | None, Field(description="The dominant color. Null if `thumbhash` is.")]
    thumbhash: Annotated[
        str | None,
        Field(
            description="The [ThumbHash](https://evanw.github.io/thumbhash/) in base64: a tiny picture to show before "
            "the thumbnail arrives. Null if the bytes have not been read, or are a JPEG without a thumbnail in its "
            "EXIF."
        ),
    ]
    capture: Annotated[
        Capture | None,
        Field(description="How the picture was taken. Null if the bytes have not been read."),
    ]
    location: Annotated[
        Location | None, Field(description="Null if it is not known, or if LOCATION hides it from this token.")
    ]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Total(BaseModel):
    """How many images match the filters."""

    images: Annotated[int, Field(ge=0, description="The number of images on all pages.")]
    estimated: Annotated[bool, Field(description="True if `images` is an estimate.")]


class ImagePage(BaseModel):
    """A page of images."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"images": [EXAMPLE], "next": None}]})

    images: list[Image]
    next: Annotated[str | None, Field(description="The `cursor` of the next page. Null on the last page.")]
    total: Annotated[Total | SkipJsonSchema[None], Field(description="Only if the request has `total`.")] = None


class TagCount(BaseModel):
    """A tag and its number of images."""

    tag: str
    images: Annotated[int, Field(ge=1, description="The number of images. Above 1,000 it is an estimate.")]
    estimated: Annotated[bool, Field(description="True if `images` is an estimate.")]


class TagPage(BaseModel):
    """A page of tags in the order of Unicode code points."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"tags": [{"tag": "color", "images": 7, "estimated": False}], "next": None}]}
    )

    tags: list[TagCount]
    next: Annotated[str | None, Field(description="The `cursor` of the next page. Null on the last page.")]


class Stats(BaseModel):
    """The totals of the catalogue."""

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

    images: Annotated[int, Field(ge=0, description="The number of images.")]
    bytes: Annotated[
        int,
        Field(
            description="The size of all images together. If there are many images, the service adds up the 1,000 "
            "largest, and estimates the others."
        ),
    ]
    content_types: Annotated[dict[str, int], Field(description="The number of images of each media type.")]
    tags: Annotated[int, Field(ge=0, description="The number of different tags.")]
    oldest: Annotated[AwareDatetime | None, Field(description="The first `created_at`. Null if there are no images.")]
    newest: Annotated[AwareDatetime | None, Field(description="The last `created_at`. Null if there are no images.")]
    estimated: Annotated[
        list[Literal["images", "bytes", "content_types", "tags"]],
        Field(description="The fields that are estimates. Empty up to 10,000 images."),
    ]
