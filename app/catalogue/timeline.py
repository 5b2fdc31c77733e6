"""Timeline: the query parameters and the answer of GET /v1/timeline."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.catalogue.fields import Between, Whole

MAX_MONTHS = 240  # of a page
MONTH = r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$"


class TimelineQuery(BaseModel):
    """The query parameters of GET /v1/timeline."""

    model_config = ConfigDict(extra="forbid")

    before: Annotated[
        Annotated[str, StringConstraints(pattern=MONTH)] | None,
        Field(description="Only months before this one. For the next page, send `next`.", examples=["2026-07"]),
    ] = None
    limit: Annotated[Whole, Between(1, MAX_MONTHS), Field(description="The largest number of months.")] = 120


class Month(BaseModel):
    """A month of UTC and its number of images."""

    month: Annotated[str, Field(examples=["2026-07"])]
    images: Annotated[int, Field(ge=1, description="The number of images.")]
    estimated: Annotated[bool, Field(description="True if `images` is an estimate.")]


class Timeline(BaseModel):
    """The months in which images were taken, latest first. A month without images is left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"months": [{"month": "2026-07", "images": 7, "estimated": False}], "next": None}]
        }
    )

    months: list[Month]
    next: Annotated[str | None, Field(description="`before` of the next page. Null on the last page.")]
