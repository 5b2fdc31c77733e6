"""Every request, watched from outside all else: measured, counted, told in a line of the log, and given its id."""

import logging
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs, metrics
from app.logs import CONTEXT, Context

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # told at level debug, unless they fail


class Watched(Starlette):
    """Starlette, watched from outside its own handlers of errors: what they answer counts."""

    def build_middleware_stack(self) -> ASGIApp:
        return Watch(super().build_middleware_stack())


class Watch:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._lines: logs.Handler | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            self._lines = logs.handler()  # the lifespan: logging is configured by now
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        context = Context(dict(scope["headers"]))
        # Nobody takes it away again: what the server logs of an exception comes after us, in the same task.
        CONTEXT.set(context)
        status, sent = 0, 0

        async def send_watched(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", context.request_id.encode())]
            elif body := message.get("body"):
                sent += len(body)
            await send(message)

        metrics.progress.running += 1
        try:
            await self.app(scope, receive, send_watched)
        finally:
            metrics.progress.running -= 1
            self._tell(scope, context, status, 0 if scope["method"] == "HEAD" else sent, perf_counter() - started)

    def _tell(self, scope: Scope, context: Context, status: int, sent: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", metrics.OTHER)
        method = scope["method"] if scope["method"] in metrics.METHODS else metrics.OTHER
        metrics.REQUESTS.observe(seconds, (route, method, str(status or "none")))
        if sent:
            metrics.SENT.add(sent, (route,))
        level = logging.ERROR if status >= 500 else logging.DEBUG if route in PROBES else logging.INFO
        if self._lines is not None and logs.requests.isEnabledFor(level):
            client: Any = scope.get("client")
            self._lines.request(
                context,
                level,
                {
                    "method": scope["method"],
                    "route": route,
                    "path": scope["path"][: logs.LONGEST],
                    "status": status or None,
                    "seconds": round(seconds, 6),
                    "bytes": sent,
                    "client": client[0] if client else None,
                },
            )


def query(name: str, started: float, error: BaseException | None = None) -> None:
    """A statement has been run, or has failed."""
    seconds = perf_counter() - started
    metrics.QUERIES.observe(seconds, (name,))
    if error is not None:
        metrics.QUERY_ERRORS.add(1, (name, metrics.error_of(error)))
    waited(name, seconds)


def waited(name: str, seconds: float) -> None:
    """The request that this runs in has waited for a statement; what many wait for together runs in none."""
    context = CONTEXT.get()
    if context is not None:
        context.add_query(name, seconds)
