"""Models of capture metadata: they check the answers of a decoder, and the lines of an import."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from app.decoder.capture import FIRST_YEAR, MAX_CAPTION, MAX_KEYWORD, MAX_KEYWORDS, MAX_TEXT

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
LAST_YEAR = 9998  # in every time zone such a time has a year of four digits

Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]
Keyword = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEYWORD, pattern=r"^[^\x00]*$")]
Caption = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CAPTION, pattern=r"^[^\x00]*$")]


def _written(value: object) -> object:
    # pydantic also accepts a number of seconds, and a date without a time.
    if value is not None and not (isinstance(value, str) and MOMENT.match(value)):
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    return value


def _readable(value: AwareDatetime) -> AwareDatetime:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    return value


class Capture(BaseModel):
    """How a picture was taken, as its metadata say. A field is missing if they do not say it, or it cannot be true."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    captured_at: Annotated[
        AwareDatetime | None,
        BeforeValidator(_written),
        AfterValidator(lambda value: value and _readable(value)),
        PlainSerializer(datetime.isoformat, when_used="json-unless-none"),  # as the decoder writes it: +00:00, not Z
        Field(
            description="When the picture was taken. See `captured_at_zone`.", examples=["2026-07-14T18:30:00+02:00"]
        ),
    ] = None
    captured_at_zone: Annotated[
        Literal["offset", "local", "day"] | None,
        Field(
            description="`offset`: the file has the offset from UTC. `local`: it has only the local time, which "
            "`captured_at` shows as if it were UTC. `day`: it has only the day, so the time is 00:00:00."
        ),
    ] = None
    make: Annotated[Line | None, Field(description="The maker of the camera.")] = None
    model: Annotated[Line | None, Field(description="The model of the camera.")] = None
    lens: Annotated[Line | None, Field(description="The model of the lens.")] = None
    exposure_seconds: Annotated[
        float | None, Field(strict=True, gt=0, le=86_400, description="The exposure time in seconds.")
    ] = None
    aperture: Annotated[float | None, Field(strict=True, gt=0, le=1000, description="The f-number.")] = None
    iso: Annotated[int | None, Field(strict=True, ge=1, le=10_000_000, description="The sensitivity as ISO speed.")] = (
        None
    )
    focal_length_mm: Annotated[
        float | None, Field(strict=True, gt=0, le=100_000, description="The focal length of the lens in millimeters.")
    ] = None
    software: Annotated[Line | None, Field(description="The program that wrote the file.")] = None
    creator: Annotated[Line | None, Field(description="The person who made the picture.")] = None
    copyright: Annotated[Line | None, Field(description="The copyright notice.")] = None
    rating: Annotated[
        int | None, Field(strict=True, ge=-1, le=5, description="Stars from 0 to 5, or -1: rejected.")
    ] = None
    caption: Annotated[Caption | None, Field(description="The description in the file.")] = None
    keywords: Annotated[
        list[Keyword] | None, Field(max_length=MAX_KEYWORDS, description="The keywords in the file.")
    ] = None


class Location(BaseModel):
    """The position of the camera (WGS 84)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    latitude: Annotated[float, Field(strict=True, ge=-90, le=90, description="Degrees. North is positive.")]
    longitude: Annotated[float, Field(strict=True, ge=-180, le=180, description="Degrees. East is positive.")]
    altitude_m: Annotated[
        float | None, Field(strict=True, ge=-12_000, le=100_000, description="Meters above sea level.")
    ] = None


Color = Annotated[str, StringConstraints(pattern="^#[0-9a-f]{6}$")]


class Described(BaseModel):
    """The answer of a decoder, besides the measure."""

    color: Color | None
    capture: Capture
    location: Location | None
