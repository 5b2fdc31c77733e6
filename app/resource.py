"""A path with its methods, and what becomes of a request before an endpoint has it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.limits import limited
from app.parameters import NoParameters, parameters

MAX_BODY_BYTES = 256 * 1024  # more than the largest patch

Endpoint = Callable[[Request], Awaitable[Response]]


def resource(
    path: str, *, takes_query: bool = False, max_body_bytes: int = MAX_BODY_BYTES, **methods: Endpoint
) -> Route:
    """One route for all methods of a path, so that 405 names all of them in Allow. `takes_query` is for GET."""
    return Route(path, _Resource(methods, takes_query, max_body_bytes), methods=list(methods))


class _Resource:
    """An ASGI application: a function would come with a layer for its errors, which the outermost handles as well."""

    def __init__(self, methods: dict[str, Endpoint], takes_query: bool, max_body_bytes: int) -> None:
        self._methods = methods
        self._takes_query = takes_query
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method in {"GET", "HEAD"}:
            method = "GET"
        else:
            receive = limited(scope, receive, self._max_body_bytes)
        request = Request(scope, receive, send)
        if scope["query_string"] and not (self._takes_query and method == "GET"):
            parameters(request, NoParameters)
        response = await self._methods[method](request)
        await response(scope, receive, send)
