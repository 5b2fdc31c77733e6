"""Filters, sorting, and pages of the lists: the query parameters, and the values of the SQL statements."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from app.catalogue import tag_keys
from app.catalogue.cursors import (
    EARLIEST,
    FIRST_ID,
    LAST_ID,
    LATEST,
    MAX_BIGINT,
    MICROSECOND,
    Position,
    cursor_of,
    place_of,
)
from app.catalogue.fields import MAX_TAG_LENGTH, AtMost, Between, MediaType, Moment, Tags, Text, Whole
from app.database.queries import Area, Sort
from app.decoder.capture import MAX_TEXT

CAPTURE_FILTERS = ("captured_after", "captured_before", "camera", "bbox")
DEGREES = r"-?[0-9]{1,3}(?:\.[0-9]{1,12})?"
AREA = re.compile(f"{DEGREES}(?:,{DEGREES}){{3}}", re.ASCII)
MOST_COUNTED = {"exact": 100_000, "estimate": 1000}  # images that `total` counts
FIRST_RANK = 2.0  # more than PostgreSQL's ts_rank returns
MAX_LIMIT = 200  # items on a page


def _area(value: str) -> str:
    if not AREA.fullmatch(value):
        raise ValueError("must be west,south,east,north in degrees, such as 5.9,47.2,15.1,55.1")
    west, south, east, north = map(float, value.split(","))
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError("must have longitudes from -180 to 180 and latitudes from -90 to 90, south before north")
    return value


class Filters(BaseModel):
    """Filters of images: the query parameters of GET /v1/images/export. GET /v1/images has them too."""

    model_config = ConfigDict(extra="forbid")

    tag: Annotated[
        Tags, Field(description="Images that have all of these tags. Case does not matter.", examples=[["flat"]])
    ] = []
    content_type: Annotated[
        MediaType | None,
        Field(description="Images of this media type.", examples=["image/png"]),
    ] = None
    q: Annotated[
        Annotated[Text, AtMost("max_query_length")] | None,
        Field(
            description="Words in the title, the tags, the file name, or the description, in any case and without "
            "accents. Images match if they contain all words. The last word can be the beginning of a word. `boats` "
            "also finds boat, and `boat` boats. Write "
            '"a phrase" in quotes, `or` between two words, and `-` before a word to exclude.',
            examples=["red -blue"],
        ),
    ] = None
    created_after: Annotated[
        Moment | None,
        Field(description="Images stored after this time, and not at it.", examples=["2026-01-31T12:00:00Z"]),
    ] = None
    created_before: Annotated[
        Moment | None,
        Field(description="Images stored before this time, and not at it.", examples=["2026-01-31T12:00:00Z"]),
    ] = None

    captured_after: Annotated[
        Moment | None,
        Field(description="Images taken after this time, and not at it.", examples=["2026-07-01T00:00:00Z"]),
    ] = None
    captured_before: Annotated[
        Moment | None,
        Field(description="Images taken before this time, and not at it.", examples=["2026-08-01T00:00:00Z"]),
    ] = None
    camera: Annotated[
        Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TEXT)] | None,
        Field(
            description="Images taken by this model of camera, also with its maker. Case does not matter.",
            examples=["Canon EOS R5"],
        ),
    ] = None
    bbox: Annotated[
        Annotated[str, AfterValidator(_area), Field(json_schema_extra={"format": "bbox"})] | None,
        Field(
            description="Images taken in this area: west,south,east,north in degrees. If west is greater than east, "
            "the area crosses the antimeridian. Your token must have the right to see positions.",
            examples=["5.9,47.2,15.1,55.1"],
        ),
    ] = None

    def terms(self) -> list[str]:
        """Return the filters as terms of the SQL function image_terms."""
        types = [] if self.content_type is None else [f"type:{self.content_type}"]
        return [*types, *(f"tag:{tag_keys.key(tag)}" for tag in self.tag)]

    def earliest(self) -> datetime:
        """Return the first time that `created_after` allows."""
        return EARLIEST if self.created_after is None else min(self.created_after, LATEST - MICROSECOND) + MICROSECOND

    def latest(self) -> datetime:
        """Return the last time that `created_before` allows."""
        return LATEST if self.created_before is None else max(self.created_before, EARLIEST + MICROSECOND) - MICROSECOND

    def area(self) -> Area:
        """Return the area of `bbox`."""
        if self.bbox is None:
            return Area()
        west, south, east, north = map(float, self.bbox.split(","))
        if west <= east:
            return Area([west], [east], south, north)
        return Area([west, -180.0], [180.0, east], south, north)


def _sort(value: object, info: ValidationInfo) -> object:
    """Return the sort. Only the list by time of capture has the filters of capture metadata."""
    filters = [name for name in CAPTURE_FILTERS if info.data.get(name) is not None]
    if value is None:
        return "captured" if filters else "newest"
    if filters and value != "captured":
        raise ValueError(f"must be captured with {' and '.join(filters)}")
    if value == "relevance" and "q" in info.data and info.data["q"] is None:
        raise ValueError("can be relevance only with q")
    return value


class ListQuery(Filters):
    """The query parameters of GET /v1/images."""

    sort: Annotated[
        Sort,
        BeforeValidator(_sort),
        Field(
            validate_default=True,
            json_schema_extra=lambda schema: schema.pop("default", None),  # or each generated client sends it
            description="By time of upload, by size in bytes, by file name in the order of Unicode code points, or by "
            "time of capture, latest first. Images without a time of capture come last. The default is `newest`. With "
            "`captured_after`, `captured_before`, `camera` or `bbox`, the order is always `captured`. `relevance` "
            "needs `q`: words in the title come first, then in the tags, the file name, and the description. It "
            "compares the newest 1,000 matches.",
        ),
    ] = cast("Sort", None)
    limit: Annotated[Whole, Between(1, MAX_LIMIT), Field(description="The largest number of images on the page.")] = 50
    total: Annotated[
        Literal["exact", "estimate"] | None,
        Field(
            description="Adds `total`, the number of images on all pages. `exact` counts up to 100,000 images, "
            "`estimate` up to 1,000. Larger numbers are estimated from a sample, and `estimated` is true. It cannot "
            "be combined "
            "with `captured_after`, `captured_before`, `camera` and `bbox`.",
        ),
    ] = None
    cursor: Annotated[
        Annotated[str, Field(json_schema_extra={"format": "cursor"})] | None,
        Field(description="`next` of the page before, with the same `sort`."),
    ] = None

    @field_validator("total")
    @classmethod
    def _without_capture(cls, value: str | None, info: ValidationInfo) -> str | None:
        filters = [name for name in CAPTURE_FILTERS if info.data.get(name) is not None]
        if value is not None and filters:
            raise ValueError(f"cannot be combined with {' and '.join(filters)}")
        return value

    @field_validator("cursor")
    @classmethod
    def _of_this_sort(cls, value: str | None, info: ValidationInfo) -> str | None:
        sort = info.data.get("sort")  # missing if its own value is wrong
        if value is not None and sort is not None:
            Position.of(value) if sort == "newest" else place_of(sort, value)
        return value

    def position(self) -> tuple[Any, UUID]:
        """Return the place after which the page begins: (sort key, ID)."""
        if self.sort == "newest":
            return min(self.end(), Position.of(self.cursor)) if self.cursor else self.end()
        start: tuple[Any, UUID] = {
            "oldest": (EARLIEST, FIRST_ID) if self.created_after is None else (self.created_after, LAST_ID),
            "largest": (MAX_BIGINT, LAST_ID),
            "name": ("", FIRST_ID),
        }[self.sort]
        if self.cursor is None:
            return start
        key, id = place_of(self.sort, self.cursor)
        return max(start, (key, id)) if self.sort == "oldest" else (key, id)

    def relevance_position(self) -> tuple[float, datetime, UUID]:
        """Return the place after which the page by relevance begins: (rank, created_at, ID)."""
        if self.cursor is None:
            return (FIRST_RANK, LATEST, LAST_ID)
        rank, created_at, id = place_of("relevance", self.cursor)
        return (rank, created_at, id)

    def captured_position(self) -> tuple[datetime, datetime, UUID]:
        """Return the place after which the page by time of capture begins: (captured_at, created_at, ID)."""
        end = (LATEST, LATEST, LAST_ID) if self.captured_before is None else (self.captured_before, EARLIEST, FIRST_ID)
        if self.cursor is None:
            return end
        captured_at, created_at, id = place_of("captured", self.cursor)
        return min(end, (captured_at, created_at, id))

    def captured_earliest(self) -> datetime:
        """Return the first time of capture that the filters allow. EARLIEST allows images without one."""
        if self.captured_after is not None:
            return min(self.captured_after, LATEST - MICROSECOND) + MICROSECOND
        return EARLIEST if self.captured_before is None else EARLIEST + MICROSECOND

    def has_other_filters(self) -> bool:
        """Return whether there are filters besides the time of capture."""
        given = (self.camera, self.bbox, self.q, self.content_type, self.created_after, self.created_before)
        return bool(self.tag) or given != (None,) * len(given)

    def end(self) -> tuple[datetime, UUID]:
        """Return the place in time before which all images are: (created_at, ID)."""
        return (LATEST, LAST_ID) if self.created_before is None else (self.created_before, FIRST_ID)

    def cursor_after(self, image: str, *place: object) -> str:
        """Return the cursor of the page after an image: its JSON, and its sort key and ID if they were selected."""
        if self.sort == "newest":
            return Position.after(image).cursor()
        return cursor_of(self.sort, *(place or Position.after(image)))


class TagQuery(BaseModel):
    """The query parameters of GET /v1/tags."""

    model_config = ConfigDict(extra="forbid")

    prefix: Annotated[
        Annotated[Text, StringConstraints(max_length=MAX_TAG_LENGTH)],
        Field(description="Tags that begin with this text. Case does not matter.", examples=["fl"]),
    ] = ""
    limit: Annotated[Whole, Between(1, MAX_LIMIT), Field(description="The largest number of tags on the page.")] = 50
    cursor: Annotated[str | None, Field(description="`next` of the page before.")] = None

    @field_validator("cursor")
    @classmethod
    def _of_tags(cls, value: str | None) -> str | None:
        if value is not None:
            place_of("tags", value)
        return value

    def after(self) -> str:
        """Return the key of the last tag of the page before."""
        return place_of("tags", self.cursor)[0] if self.cursor else ""

    def first(self) -> str:
        """Return the key that the keys of the tags begin with."""
        return tag_keys.prefix(self.prefix)

    def last(self) -> str:
        """Return a text after the keys of all tags that begin with the prefix."""
        return self.first() + chr(0x10FFFF) * tag_keys.MAX_KEY
