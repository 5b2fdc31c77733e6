"""Router: a route for each path, from the operations that the endpoints' modules declare.

It checks everything that holds for each request before the endpoint runs: token, method, media types, body size,
query string. It adds compression and the security headers to each response.
"""

import asyncio
import gzip
import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from anyio import to_thread
from starlette.applications import Starlette
from starlette.convertors import UUIDConvertor
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Lifespan, Receive, Scope, Send

from app.catalogue import tokens
from app.observability.context import CONTEXT
from app.settings import Settings
from app.web.auth import admit
from app.web.headers import declares_body
from app.web.limits import limited, require_length
from app.web.negotiation import coding, media_type, quality
from app.web.operations import FORM, JSON, Body, Operation
from app.web.parameters import NoParameters, parameters
from app.web.problems import TRY_AGAIN, ProblemError, answer, unavailable
from app.web.security import secure
from app.web.state import ApiRequest, State

ID = "{id:uuid}"
UUID_IN_PATH = re.compile(UUIDConvertor.regex)
WRONG_ID = re.compile(r"/v1/images/[^/]+(/content|/thumbnail)?")
MIN_COMPRESSED_BYTES = 1024  # a smaller body is sent as it is
MAX_INLINE_BYTES = 256 * 1024  # a larger body is compressed in a thread


def routes(operations: Iterable[Operation], settings: Settings) -> list[Route]:
    """Return one route for each path. It answers all methods of the path, OPTIONS and HEAD included."""
    paths: dict[str, list[Operation]] = {}
    for operation in operations:
        paths.setdefault(operation.path, []).append(operation)
    return [Route(path, _Resource(declared, settings)) for path, declared in paths.items()]


class PathRouter(Router):
    """Starlette's router, which answers exceptions too, and finds most routes in a dictionary.

    Starlette tries a regular expression for each route, and has two layers for exceptions, which wrap `send` of each
    request. Without them, a GET takes 8 % fewer instructions.
    """

    def __init__(self, routes: Sequence[BaseRoute], lifespan: Lifespan[Starlette]) -> None:
        super().__init__(routes, redirect_slashes=False, default=not_found, lifespan=lifespan)
        known = [route for route in routes if isinstance(route, Route)]
        self._fixed = {route.path: route for route in known if not route.param_convertors}
        # By the text before the ID, and the text after it.
        self._by_id = {
            tuple(route.path.split(ID)): route for route in known if route.path.count("{") == route.path.count(ID) == 1
        }

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the route of the path, and answer if it raises an exception."""
        if scope["type"] != "http":
            await super().app(scope, receive, send)
            return
        try:
            if (route := self._find(scope)) is not None:
                scope["route"] = route
                await route.app(scope, receive, send)
            else:
                await super().app(scope, receive, send)
        except Exception as error:
            context = CONTEXT.get()
            if context is not None and context.status:
                raise  # The response has begun. The server logs the exception, and closes the connection.
            response = await answer(error, Request(scope, receive))
            await response(scope, receive, send)
            if response.status_code == 500:
                raise  # The server logs it.

    def _find(self, scope: Scope) -> Route | None:
        """Return the route of the path, or None if only Starlette can tell: below a root path, or for a Mount."""
        path = scope["path"]
        if scope.get("root_path"):
            return None
        route = self._fixed.get(path)
        if route is None and (found := UUID_IN_PATH.search(path)):
            route = self._by_id.get((path[: found.start()], path[found.end() :]))
            scope["path_params"] = {"id": UUID(found[0])}
        return route


class _Resource:
    """The ASGI application of a path.

    Starlette would wrap a function in another layer of error handling, which the outermost layer already does.
    """

    def __init__(self, operations: Sequence[Operation], settings: Settings) -> None:
        self._operations: dict[str, Operation] = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._media_types = {method: operation.media_type for method, operation in self._operations.items()}
        self._max_body_bytes = {
            operation.method: operation.body.max_bytes(settings)
            for operation in operations
            if operation.body is not None
        }
        self._max_form_bytes = {
            operation.method: operation.body.max_form_bytes(settings)
            for operation in operations
            if operation.body is not None and operation.body.max_form_bytes is not None
        }
        self._allow = ", ".join(sorted({*self._operations, "OPTIONS"}))
        self._accepted = _accepted_bodies(operations)
        # OPTIONS needs the lowest scope of the path, an unknown method the highest. No scope: the path is public.
        needed = {operation.scope for operation in operations}
        scopes: list[tokens.Scope | None] = [scope for scope in tokens.SCOPES if scope in needed] or [None]
        self._scopes = {method: operation.scope for method, operation in self._operations.items()} | {
            "OPTIONS": scopes[0]
        }
        self._highest = scopes[-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = None
        try:
            response = await self._answer(scope, receive, send)
            await response(scope, receive, send)
        except asyncio.CancelledError:
            if not scope["state"]["draining"].is_set():
                raise
            # uvicorn has waited as long as it may. If the response has begun, it ends early.
            if response is None:
                await unavailable("draining", f"The service is stopping. {TRY_AGAIN}").response()(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response:
        method = scope["method"]
        operation = self._operations.get(method)
        has_body = operation is not None and (operation.body is not None or declares_body(scope["headers"]))
        max_bytes = self._max_body_bytes.get(method, 0)
        if method in self._max_form_bytes and media_type(Headers(scope=scope).get("content-type", "")) == FORM:
            max_bytes = self._max_form_bytes[method]
        if has_body:
            receive = limited(scope["state"]["settings"], receive, max_bytes)
        request = ApiRequest(scope, receive, send)
        tokens, wanted, meter = scope["state"]["tokens"], self._scopes.get(method, self._highest), None
        if tokens is not None and wanted is not None:
            meter = await admit(tokens, request, wanted)
            if meter is not None and (operation is None or operation.body is None):
                await meter.count_unread(request)
        if method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": self._allow, **self._accepted})
        elif operation is None:
            raise HTTPException(405, f"This path allows only {self._allow}.", {"Allow": self._allow})
        else:
            if has_body:
                self._require_plain(request)
                require_length(request, max_bytes)
                if operation.body is not None:
                    self._require_media_type(request, operation.body)
                else:
                    async for _ in request.stream():  # A chunked body may be empty. Any byte is 413.
                        pass
            if scope["query_string"] and operation.query is NoParameters:
                parameters(request, NoParameters)
            if produced := self._media_types[method]:
                _require_acceptable(request, produced)
            if meter is not None and operation.body is not None:
                async with meter.count_body(request, receive) as counted:
                    response = await operation.endpoint(ApiRequest(scope, counted, send))
            else:
                response = await operation.endpoint(request)
            if response.media_type == JSON:
                await _compress(request, response)
        secure(response)
        return response

    def _require_plain(self, request: Request[State]) -> None:
        """Raise ProblemError 415 if the body is compressed."""
        if {coding.lower() for coding in request.headers.getlist("content-encoding")} - {"identity"}:
            headers = {"Accept-Encoding": "identity", **self._accepted}
            raise ProblemError(415, detail="Send the body without a Content-Encoding.", headers=headers)

    def _require_media_type(self, request: Request[State], body: Body) -> None:
        """Raise ProblemError 415 if the body is of no media type that the operation declares, and 400 if it has two."""
        if len(request.headers.getlist("content-type")) > 1:
            raise ProblemError(400, detail="Send one Content-Type header.")
        sent = media_type(request.headers.get("content-type", ""))
        kind, slash, _ = sent.partition("/")
        if sent not in body.content and f"{kind}{slash}*" not in body.content:
            detail = f"Send a body of type {' or '.join(body.content)}, and name the type in Content-Type."
            raise ProblemError(415, detail=detail, headers=self._accepted)


def _accepted_bodies(operations: Iterable[Operation]) -> dict[str, str]:
    """Return the headers that name the media types of the bodies: Accept-Post, Accept-Patch (RFC 5789, section 3.1)."""
    headers = {}
    for operation in operations:
        if operation.body is not None:
            headers[f"Accept-{operation.method.capitalize()}"] = ", ".join(operation.body.content)
    return headers


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Raise HTTPException 404 for a path that does not exist. A client without a token does not learn that: 401."""
    request: Request[State] = Request(scope, receive, send)
    meter = await admit(request.state["tokens"], request, "read")
    if meter is not None:
        await meter.count_unread(request)
    if WRONG_ID.fullmatch(scope["path"].removeprefix(scope.get("root_path", ""))):
        raise ProblemError(404, "image-not-found", "No image has this ID, because it is not a UUID.")
    raise HTTPException(404, "There is nothing at this path. See /docs for the paths of the API.")


def _require_acceptable(request: Request[State], produced: str) -> None:
    accept = [value for name, value in request.scope["headers"] if name == b"accept"]
    if accept not in ([b"*/*"], []) and not quality(b", ".join(accept).decode("latin-1"), produced):
        raise ProblemError(406, detail=f"This resource is available only as {produced}. Change the Accept header.")


async def _compress(request: Request[State], response: Response) -> None:
    """Compress the body with gzip if the client accepts it.

    The compressed bytes have an ETag of their own, from which entity_tags() removes the suffix again.
    """
    response.raw_headers.append((b"vary", b"Accept-Encoding"))
    body = bytes(response.body)
    if len(body) < MIN_COMPRESSED_BYTES or not coding(request.headers.get("accept-encoding", ""), ["gzip"]):
        return
    if len(body) <= MAX_INLINE_BYTES:
        response.body = gzip.compress(body, compresslevel=1, mtime=0)
    else:
        response.body = await to_thread.run_sync(lambda: gzip.compress(body, compresslevel=1, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    if "etag" in response.headers:
        response.headers["ETag"] = response.headers["ETag"][:-1] + '-gzip"'
