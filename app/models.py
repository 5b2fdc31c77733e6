"""What clients send and get: pydantic models, which validate requests and describe them in OpenAPI."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sized
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema, from_json, to_json

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)  # asyncpg's infinity
LAST_ID = UUID(int=2**128 - 1)
FIRST_ID = UUID(int=0)
MAX_BIGINT = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

MAX_TAG = 100
SIZES = (160, 320, 640, 1280)  # of thumbnails

ID_AND_MOMENT = re.compile(r'{"id":"([^"]+)".*?,"created_at":"([^"]+)"', re.DOTALL)
NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")

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

Sort = Literal["newest", "oldest", "largest", "name"]
ContentType = Literal["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif"]


@dataclass(frozen=True)
class AtMost:
    """As many characters of a string, or items of a list, as a setting says: the context of a validation is Settings.

    In the schema stands the setting's name, for app/openapi.py to replace.
    """

    setting: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        described["maxItems" if described["type"] == "array" else "maxLength"] = self.setting
        return described

    def _check(self, value: Sized, info: core_schema.ValidationInfo) -> Sized:
        most = getattr(info.context, self.setting)
        if len(value) > most:
            raise ValueError(f"must have at most {most} {'characters' if isinstance(value, str) else 'items'}")
        return value


def _without_nul(value: str) -> str:
    # PostgreSQL's text holds every character but this one.
    if "\x00" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _a_name(value: str) -> str:
    if NOT_IN_A_NAME.search(value) or value in {".", ".."}:
        raise ValueError("must be a file's name, without folders and control characters")
    return value


def _storable(value: JsonValue) -> JsonValue:
    """jsonb has neither U+0000 nor numbers beyond the finite."""
    if isinstance(value, str):
        _without_nul(value)
    elif isinstance(value, float) and not isfinite(value):
        raise ValueError("must not contain a number beyond the range of a double")
    elif isinstance(value, list):
        for item in value:
            _storable(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _without_nul(key)
            _storable(item)
    return value


def attributes_within(value: dict[str, JsonValue], most: int) -> dict[str, JsonValue]:
    """The attributes, where they can be stored, and have that many bytes at most. Raises ValueError."""
    _storable(value)
    if len(to_json(value)) + _zeros(value) > most:
        raise ValueError(f"must have at most {most} bytes as JSON, numbers without exponent")
    return value


def _attributes(value: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
    assert info.context is not None
    return attributes_within(value, info.context.max_attributes_bytes)


def _zeros(value: JsonValue) -> int:
    """The bytes that numbers gain in PostgreSQL, where jsonb writes 1e300 as a 1 and 300 zeros."""
    if isinstance(value, float):
        return max(0, len(f"{Decimal(repr(value)):f}") - len(repr(value)))
    if isinstance(value, dict):
        return sum(map(_zeros, value.values()))
    return sum(map(_zeros, value)) if isinstance(value, list) else 0


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _rfc3339(value: Any) -> Any:
    # pydantic would also take a number of seconds, or a date alone.
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", value):
        raise ValueError("must be a time as in 2026-01-31T12:00:00Z")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 UTC") from None


WITHOUT_NUL = AfterValidator(_without_nul), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
A_NAME = AfterValidator(_a_name), Field(json_schema_extra={"pattern": r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f/\\]*$"})

Text = Annotated[str, *WITHOUT_NUL]
Filename = Annotated[str, StringConstraints(min_length=1), AtMost("max_filename_length"), *A_NAME]
Title = Annotated[str, AtMost("max_title_length"), *WITHOUT_NUL]
Description = Annotated[str, AtMost("max_description_length"), *WITHOUT_NUL]
Tag = Annotated[str, StringConstraints(min_length=1), AtMost("max_tag_length"), *WITHOUT_NUL]
Tags = Annotated[list[Tag], AtMost("max_tags"), AfterValidator(_distinct)]
Attributes = Annotated[
    dict[str, JsonValue],
    AfterValidator(_attributes),
    Field(json_schema_extra={"propertyNames": {"pattern": r"^[^\u0000]*$"}}),
]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc)]


def microseconds(moment: datetime) -> int:
    """Since 1970, in UTC, where asyncpg's times are: all but PostgreSQL's infinity, which comes without a zone."""
    return (moment.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


class Position(tuple[datetime, UUID]):
    """A place in the newest-first list, (created_at, id); a cursor is its 24 bytes in base64url."""

    __slots__ = ()

    @classmethod
    def of(cls, cursor: str) -> Self:
        """Raises ValueError for anything that `cursor()` did not write."""
        try:
            packed = urlsafe_b64decode(cursor)
            moment = EPOCH + timedelta(microseconds=int.from_bytes(packed[:8], signed=True))
            position = cls((moment, UUID(bytes=packed[8:])))
        except (ValueError, OverflowError):
            position = None
        if position is None or position.cursor() != cursor:
            raise ValueError("is not a cursor that this service gave")
        return position

    @classmethod
    def after(cls, image: str) -> Self:
        """The place of an image, of which this is the JSON, as PostgreSQL writes it.

        It is not parsed: the attributes, which come last, may be more than a parser takes. No text before them has an
        unescaped quote after a comma.
        """
        found = ID_AND_MOMENT.match(image)
        assert found
        id, created_at = found.groups()
        return cls((LATEST if created_at == "infinity" else datetime.fromisoformat(created_at), UUID(id)))

    def cursor(self) -> str:
        return urlsafe_b64encode(microseconds(self[0]).to_bytes(8, signed=True) + self[1].bytes).decode()


# What a cursor of each other list holds: the list, and what its last row is sorted by.
PLACES: dict[str, TypeAdapter[Any]] = {
    "oldest": TypeAdapter(tuple[Literal["oldest"], Moment, UUID]),
    "largest": TypeAdapter(tuple[Literal["largest"], Annotated[int, Field(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)], UUID]),
    "name": TypeAdapter(tuple[Literal["name"], Text, UUID]),
    "tags": TypeAdapter(tuple[Literal["tags"], Text]),
}


def cursor_of(name: str, *place: object) -> str:
    """The cursor of a place in a list: JSON in base64url."""
    return urlsafe_b64encode(PLACES[name].dump_json((name, *place))).decode()


def place_of(name: str, cursor: str) -> tuple[Any, ...]:
    """The place in the list. Raises ValueError for anything that `cursor_of()` did not write for it."""
    try:
        place = tuple(PLACES[name].validate_json(urlsafe_b64decode(cursor))[1:])
    except ValueError:
        place = ()
    if not place or cursor_of(name, *place) != cursor:
        raise ValueError("is not a cursor that this service gave for this list")
    return place


class Filters(BaseModel):
    """Which images: the query parameters of GET /v1/images/export, and of GET /v1/images beside the page."""

    model_config = ConfigDict(extra="forbid")

    tag: Annotated[Tags, Field(description="Images that have each of these tags.")] = []
    content_type: Annotated[
        Annotated[Text, StringConstraints(to_lower=True)] | None, Field(description="Images of this media type.")
    ] = None
    q: Annotated[
        Annotated[Text, AtMost("max_query_length")] | None,
        Field(
            description='Words of title, tags, file name or description: all of them, "a phrase", this or that, -not.'
        ),
    ] = None
    created_after: Annotated[Moment | None, Field(description="Images stored later than this.")] = None
    created_before: Annotated[Moment | None, Field(description="Images stored earlier than this.")] = None

    def terms(self) -> list[str]:
        """The filters as the terms of image_terms."""
        types = [] if self.content_type is None else [f"type:{self.content_type}"]
        return [*types, *(f"tag:{tag}" for tag in self.tag)]


class ListQuery(Filters):
    """The query parameters of GET /v1/images."""

    sort: Annotated[
        Sort, Field(description="By time, by size, or by name in the order of the characters' numbers.")
    ] = "newest"
    limit: Annotated[int, Field(ge=1, le=200, description="Images on a page.")] = 50
    cursor: Annotated[
        Annotated[str, Field(json_schema_extra={"format": "cursor"})] | None,
        Field(description="`next` of the page before, of the same `sort`."),
    ] = None

    @field_validator("cursor")
    @classmethod
    def _of_this_sort(cls, value: str | None, info: ValidationInfo) -> str | None:
        sort = info.data.get("sort")  # is missing where it is at fault itself
        if value is not None and sort is not None:
            Position.of(value) if sort == "newest" else place_of(sort, value)
        return value

    def position(self) -> tuple[Any, UUID]:
        """Where the page starts: what comes after it in the list, itself not included."""
        if self.sort == "newest":
            return min(self.end(), Position.of(self.cursor)) if self.cursor else self.end()
        start: tuple[Any, UUID] = {
            "oldest": (self.created_after or EARLIEST, LAST_ID),
            "largest": (MAX_BIGINT, LAST_ID),
            "name": ("", FIRST_ID),
        }[self.sort]
        if self.cursor is None:
            return start
        key, id = place_of(self.sort, self.cursor)
        return max(start, (key, id)) if self.sort == "oldest" else (key, id)

    def end(self) -> tuple[datetime, UUID]:
        """Before which place in time all images lie."""
        return (LATEST, LAST_ID) if self.created_before is None else (self.created_before, FIRST_ID)

    def cursor_after(self, image: str, *place: object) -> str:
        """The cursor of the page after an image: its JSON, and its place in the list where the statement tells that."""
        if self.sort == "newest":
            return Position.after(image).cursor()
        return cursor_of(self.sort, *(place or Position.after(image)))


class TagQuery(BaseModel):
    """The query parameters of GET /v1/tags."""

    model_config = ConfigDict(extra="forbid")

    prefix: Annotated[
        Annotated[Text, StringConstraints(max_length=MAX_TAG)], Field(description="What each tag begins with.")
    ] = ""
    limit: Annotated[int, Field(ge=1, le=200, description="Tags on a page.")] = 50
    cursor: Annotated[str | None, Field(description="`next` of the page before.")] = None

    @field_validator("cursor")
    @classmethod
    def _of_tags(cls, value: str | None) -> str | None:
        if value is not None:
            place_of("tags", value)
        return value

    def after(self) -> str:
        """The last tag of the page before."""
        return place_of("tags", self.cursor)[0] if self.cursor else ""

    def last(self) -> str:
        """The last text that begins with the prefix and is as long as a tag may be, or longer."""
        return self.prefix + chr(0x10FFFF) * MAX_TAG


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


class UploadFields(BaseModel):
    """What may come with the bytes of an image, in the other parts of multipart/form-data."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Description | None = None
    tags: Annotated[Tags, Field(description="One part each.")] = []
    attributes: Annotated[
        Attributes,
        BeforeValidator(lambda text: from_json(text) if isinstance(text, str) else text),
        Field(description="A JSON object."),
    ] = {}


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
    byte_size: Annotated[int, Field(strict=True, ge=0, lt=2**63)]
    width: Annotated[int, Field(strict=True, ge=1, lt=2**31)]
    height: Annotated[int, Field(strict=True, ge=1, lt=2**31)]
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
