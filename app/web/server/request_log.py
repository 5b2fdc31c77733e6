"""Access log: measure, count and log each request, and give it an ID. This runs outside all other layers."""

from collections.abc import Awaitable, Iterable
from logging import DEBUG, ERROR, INFO
from time import perf_counter

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability import logs, metrics
from app.observability.context import CONTEXT, Context
from app.observability.metrics import METHODS, OTHER

# The key of a request's scope under which the protocol puts the ProblemError that answers it.
REJECTION = "images.rejection"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # logged at level debug unless they fail


class Watched(Starlette):
    """Starlette with the access log outside its middleware. Its router answers exceptions (app/web/routing.py)."""

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router
        for layer, arguments, named in reversed(self.user_middleware):
            app = layer(app, *arguments, **named)
        return Watch(app)


class Watch:
    """ASGI middleware that logs each request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        exchange = Exchange(scope["headers"], send)
        # It is not reset: later, in the same task, the server logs exceptions, and needs the ID.
        CONTEXT.set(exchange)
        metrics.requests_running += 1
        rejection = scope.get(REJECTION)
        try:
            await (self.app if rejection is None else rejection.response())(scope, receive, exchange)
        finally:
            metrics.requests_running -= 1
            self._tell(scope, exchange, perf_counter() - started)

    def _tell(self, scope: Scope, exchange: "Exchange", seconds: float) -> None:
        method, route, status = scope["method"], getattr(scope.get("route"), "path_format", OTHER), exchange.status
        sent = exchange.sent if method != "HEAD" else 0
        metrics.REQUESTS.observe(seconds, (route, method if method in METHODS else OTHER, status or "none"))
        if sent:
            metrics.SENT.add(sent, (route,))
        level = ERROR if status >= 500 else DEBUG if route in PROBES else INFO
        if logs.requests.isEnabledFor(level) and (log := scope["state"]["log"]) is not None:
            log.request(exchange, level, scope, route, status, seconds, sent)


class Exchange(Context):
    """The context of a request, and the `send` of its application, which notes status and size."""

    __slots__ = ("_send", "sent")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]], send: Send) -> None:
        super().__init__(headers)
        self._send = send
        self.sent = 0  # bytes of the body

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message.get("headers", ()), own, *self.headers]
        elif "body" in message:
            self.sent += len(message["body"])
        return self._send(message)
