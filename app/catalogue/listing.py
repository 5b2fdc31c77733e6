"""app.catalogue.listing: to be described."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from app.catalogue.cursors import EARLIEST, FIRST_ID, LAST_ID, LATEST, MAX_BIGINT, Position, cursor_of, place_of
from app.catalogue.fields import MAX_TAG, AtMost, Between, Moment, Tags, Text
from app.database.queries import Sort

MAX_LIMIT = 200  # items on a page


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
    limit: Annotated[int, Between(1, MAX_LIMIT), Field(description="The largest number of images on the page.")] = 50
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
    limit: Annotated[int, Between(1, MAX_LIMIT), Field(description="The largest number of tags on the page.")] = 50
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
