"""A path with its methods: what holds for every request before an endpoint has it, and for every answer after."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.catalogue import tokens
from app.web.auth import admit
from app.web.limits import limited
from app.web.negotiation import coding, quality
from app.web.parameters import NoParameters, parameters
from app.web.problems import RETRY_AFTER, ProblemError
from app.web.security import secure

JSON = "application/json"
WORTHWHILE = 1024  # bytes: fewer are sent as they are
QUICK = 256 * 1024  # bytes that are compressed without a thread

Endpoint = Callable[[Request], Awaitable[Response]]


def resource(
    path: str,
    *,
    public: bool = False,
    scope: tokens.Scope | None = None,
    answers: str | None = JSON,
    takes_query: bool = False,
    max_body_bytes: int = 0,
    takes: Mapping[str, str] | None = None,
    **methods: Endpoint,
) -> Route:
    """One route for all methods of a path.

    `scope` is what a token needs, unless read for GET and write for the others; a public path needs none. `answers` is
    the media type that Accept has to take, or None where the endpoint looks itself. `takes_query` is for GET. `takes`
    are the headers by which OPTIONS and 415 tell what the path takes.
    """
    return Route(path, _Resource(methods, public, scope, answers, takes_query, max_body_bytes, takes or {}))


class _Resource:
    """An ASGI application: a function would come with a layer for its errors, which the outermost handles as well."""

    def __init__(
        self,
        methods: Mapping[str, Endpoint],
        public: bool,
        scope: tokens.Scope | None,
        answers: str | None,
        takes_query: bool,
        max_body_bytes: int,
        takes: Mapping[str, str],
    ) -> None:
        self._endpoints = {**methods, **({"HEAD": methods["GET"]} if "GET" in methods else {})}
        self._public = public
        self._scope = scope
        self._answers = answers
        self._takes_query = takes_query
        self._max_body_bytes = max_body_bytes
        self._takes = takes
        self._allow = ", ".join(sorted({*self._endpoints, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = None
        try:
            response = await self._answer(scope, receive, send)
            await response(scope, receive, send)
        except asyncio.CancelledError:
            if not scope["state"]["draining"].is_set():
                raise
            # uvicorn has waited for as long as it is told to. An answer that has begun ends short.
            if response is None:
                refusal = ProblemError(503, detail="The service has stopped.", headers={"Retry-After": RETRY_AFTER})
                await refusal.response()(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response:
        method = scope["method"]
        reads = method in {"GET", "HEAD", "OPTIONS"}
        request = Request(scope, receive, send)
        if not self._public:
            await admit(request, self._scope or ("read" if reads else "write"))
        if method == "OPTIONS":
            response = Response(status_code=204, headers={"Allow": self._allow, **self._takes})
        elif method not in self._endpoints:
            raise HTTPException(405, headers={"Allow": self._allow})
        else:
            if not reads:
                if request.headers.get("content-encoding", "identity").lower() != "identity":
                    refusal = {"Accept-Encoding": "identity", **self._takes}
                    raise ProblemError(415, detail="Send the body without a Content-Encoding.", headers=refusal)
                request = Request(scope, limited(request, receive, self._max_body_bytes), send)
            if scope["query_string"] and not (self._takes_query and reads):
                parameters(request, NoParameters)
            if self._answers and method != "DELETE":
                _require_acceptable(request, self._answers)
            response = await self._endpoints[method](request)
            if response.media_type == JSON:
                await _compress(request, response)
        secure(response)
        return response


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Where there is no path: who has no token does not learn that."""
    await admit(Request(scope, receive, send), "read")
    raise HTTPException(404)


def _require_acceptable(request: Request, media_type: str) -> None:
    accept = request.headers.get("accept", "*/*")
    if accept != "*/*" and not quality(", ".join(request.headers.getlist("accept")), media_type):
        raise ProblemError(406, detail=f"There is {media_type} alone.")


async def _compress(request: Request, response: Response) -> None:
    """gzip where the client names it. Those bytes have an ETag of their own; entity_tags knows it for the other."""
    response.raw_headers.append((b"vary", b"Accept-Encoding"))
    body = bytes(response.body)
    if len(body) < WORTHWHILE or not coding(request.headers.get("accept-encoding", ""), ["gzip"]):
        return
    if len(body) <= QUICK:
        response.body = gzip.compress(body, compresslevel=1, mtime=0)
    else:
        response.body = await to_thread.run_sync(lambda: gzip.compress(body, compresslevel=1, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    if "etag" in response.headers:
        response.headers["ETag"] = response.headers["ETag"][:-1] + '-gzip"'
