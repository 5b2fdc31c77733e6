"""Tokens: the scope of the token of a request (GET /v1/token)."""

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.tokens import Scope
from app.web.auth import scope_of
from app.web.operations import JSON, Answer, Tag, operation
from app.web.state import State


class OwnToken(BaseModel):
    """The scope of a token."""

    scope: Annotated[
        Scope,
        Field(
            description="`read` allows to list, search, download, and export. `write` also allows to upload, change, "
            "and delete. `admin` also allows to import records, read `/v1/schema`, and see positions.",
            examples=["read"],
        ),
    ]


@operation(
    "GET",
    "/v1/token",
    "getToken",
    tag=Tag.SERVICE,
    scope="read",
    summary="Get the scope of your token",
    description="Returns what your token allows, so that a client shows only what it can do. Without authentication, "
    "the scope is `admin`.",
    answers=(Answer(200, "The scope.", {JSON: OwnToken}),),
)
async def get_token(request: Request[State]) -> Response:
    return Response(OwnToken(scope=await scope_of(request)).model_dump_json(), media_type=JSON)
