"""What clients send and get: pydantic models, which validate requests and describe them in OpenAPI."""

from collections.abc import Callable
from datetime import datetime
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
    ValidationInfo,
    field_validator,
)
from pydantic_core import from_json

from app import history
from app.cursors import EARLIEST, FIRST_ID, LAST_ID, LATEST, MAX_BIGINT, Position, cursor_of, place_of
from app.fields import (
    MAX_TAG,
    AtMost,
    Attributes,
    ContentType,
    Description,
    Filename,
    Moment,
    Tags,
    Text,
    Title,
)

SIZES = (160, 320, 640, 1280)  # of thumbnails

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


class Database(BaseModel):
    """Which database it is, and as whom the service looks at it."""

    name: str
    version: Annotated[str, Field(description="PostgreSQL's.")]
    role: str
    bytes: Annotated[int, Field(description="Of the whole database.")]
    counted_since: Annotated[
        AwareDatetime | None, Field(description="When the counts of scans began; null: with the database.")
    ]


class Migrator(BaseModel):
    """Who is changing the schema at this moment."""

    name: Annotated[str, Field(description="With the migration, the host and the process.")]
    migration: Annotated[str | None, Field(description="Number of the one that it is at; null between two.")]
    since: Annotated[str | None, Field(description="HH:MM:SS in UTC; null where this role may not know.")]
    statement: Annotated[str | None, Field(description="Null where this role may not know.")]


class Run(BaseModel):
    """One run of a migration, as the ledger has it."""

    operation: Annotated[str, Field(description="apply, rollback, mark, unmark, adopt or accept.")]
    outcome: Annotated[str, Field(description="done, failed, interrupted; started: running, or cut off.")]
    username: str
    hostname: str
    process: int | None
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    seconds: float | None
    error: str | None


class Migration(BaseModel):
    """A migration that this build ships, or that the database has had."""

    id: str
    state: history.State
    fault: Annotated[str | None, Field(description="Why nothing may be applied while it stands so, and what to do.")]
    title: Annotated[str | None, Field(description="From the file's header, as what follows; null without a file.")]
    what: str | None
    why: str | None
    locks: str | None
    cost: str | None
    loses: Annotated[str | None, Field(description="What its rollback loses.")]
    irreversible: Annotated[str | None, Field(description="Why there is no rollback.")]
    transactional: bool | None
    sql: str | None
    rollback: str | None
    applied_at: AwareDatetime | None
    runs: Annotated[list[Run], Field(description="The last ten, newest first.")]


class Column(BaseModel):
    name: str
    type: str
    nullable: bool
    default: str | None
    generated: str | None
    comment: str | None


class Constraint(BaseModel):
    name: str
    definition: str
    valid: Annotated[bool, Field(description="Whether the rows that were there before are held to it too.")]
    comment: str | None


class Index(BaseModel):
    name: str
    definition: str
    bytes: int
    scans: Annotated[int, Field(description="Since `counted_since` of the database.")]
    valid: Annotated[bool, Field(description="False: it costs writes and serves nobody.")]
    comment: str | None


class Trigger(BaseModel):
    name: str
    definition: str
    enabled: bool
    comment: str | None


class Table(BaseModel):
    """A table as it is now."""

    name: str
    comment: str | None
    rows: Annotated[int, Field(description="Estimated.")]
    dead_rows: int
    table_bytes: Annotated[int, Field(description="With what is stored aside, without the indexes.")]
    index_bytes: int
    scans: Annotated[int, Field(description="Readings from end to end, since `counted_since` of the database.")]
    last_vacuum: AwareDatetime | None
    last_autovacuum: AwareDatetime | None
    last_analyze: AwareDatetime | None
    last_autoanalyze: AwareDatetime | None
    columns: list[Column]
    constraints: list[Constraint]
    indexes: list[Index]
    triggers: list[Trigger]


class Measured(BaseModel):
    """How often something was done, and the seconds that it took in all."""

    calls: int
    seconds: float


class Query(BaseModel):
    """A statement that the application runs."""

    name: str
    purpose: str
    sql: str
    service: Annotated[
        Measured | None,
        Field(description="As all workers have measured it; what went out together counts as one call."),
    ]
    database: Annotated[Measured | None, Field(description="As pg_stat_statements has it, for this role.")]


class Schema(BaseModel):
    """The database's schema: how it came about, what it is, and what is asked of it."""

    database: Database
    state: Annotated[
        history.Standing | None,
        Field(description="Of the migrations and the drift together; null where the history may not be read."),
    ]
    migrator: Migrator | None
    migrations: Annotated[list[Migration], Field(description="By id.")]
    drift: Annotated[
        list[str] | None,
        Field(description="Each difference from schema.sql; null: not compared, since that has other migrations."),
    ]
    tables: list[Table]
    queries: Annotated[list[Query], Field(description="By name.")]
    sources: Annotated[
        list[Literal["service", "database"]],
        Field(description="Who measures the queries: pg_stat_statements is not in each database."),
    ]
    unknown: Annotated[list[str], Field(description="What this role could not read, and why.")]


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
