"""Limit that no service with Starlette can pass: the same answer of ANSWER_BYTES bytes, without a database.

With TOKEN, it has the duties of a service too: a bearer token, request IDs, and metrics. uvicorn logs the requests.
"""

import os
import secrets

from asgi_correlation_id import CorrelationIdMiddleware
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette_exporter import PrometheusMiddleware, handle_metrics

ANSWER = b"." * int(os.environ["ANSWER_BYTES"])
TOKEN = os.environ.get("TOKEN", "")


class Bearer(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        given = conn.headers.get("Authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {TOKEN}".encode()):
            raise AuthenticationError("the token is wrong")
        return AuthCredentials(["read"]), SimpleUser("bench")


async def answer(request: Request) -> Response:
    return Response(ANSWER, media_type="application/json")


duties = [
    Middleware(CorrelationIdMiddleware),
    Middleware(PrometheusMiddleware, group_paths=True),
    Middleware(AuthenticationMiddleware, backend=Bearer()),
]
app = Starlette(
    routes=[Route("/v1/images/{id:uuid}", answer), Route("/metrics", handle_metrics)],
    middleware=duties if TOKEN else [],
)
