"""Cameras: the query parameters and the answer of GET /v1/cameras."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.catalogue.fields import Between, Text, Whole
from app.catalogue.listing import MAX_LIMIT
from app.decoder.capture import MAX_TEXT


class CameraQuery(BaseModel):
    """The query parameters of GET /v1/cameras."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        Annotated[Text, StringConstraints(max_length=MAX_TEXT)],
        Field(description="Only models after this one. For the next page, send `next`.", examples=["Canon EOS R5"]),
    ] = ""
    limit: Annotated[Whole, Between(1, MAX_LIMIT), Field(description="The largest number of models.")] = MAX_LIMIT


class Cameras(BaseModel):
    """The models of the cameras."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cameras": ["Canon EOS R5", "iPhone 17"], "next": None}]}
    )

    cameras: Annotated[list[str], Field(description="The values for `camera`.")]
    next: Annotated[str | None, Field(description="`after` of the next page. Null on the last page.")]
