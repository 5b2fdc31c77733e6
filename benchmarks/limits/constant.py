"""Limit that no service with Starlette can pass: the same answer of ANSWER_BYTES bytes, without a database."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b"." * int(os.environ["ANSWER_BYTES"])


async def answer(request: Request) -> Response:
    return Response(ANSWER, media_type="application/json")


app = Starlette(routes=[Route("/v1/images/{id:uuid}", answer)])
