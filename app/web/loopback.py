"""Guard of AUTH=none: only programs of this machine and the service's own pages get an answer, no foreign web page."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.urls import is_loopback, normal_origin
from app.web.problems import ProblemError

ORIGINS = frozenset({b"origin", b"sec-fetch-site"})  # headers of browsers
OWN_SITES = frozenset({"same-origin", "none"})  # Sec-Fetch-Site of the service's own pages, and of the address bar
OWN_PAGES = frozenset({"same-origin"})  # Chromium also says `none` if a foreign page lets it load a URL in advance


class LoopbackGuard:
    """ASGI middleware for AUTH=none. It rejects a request

    - that arrived at an address of a network: 403. A Unix socket is allowed.
    - whose Host is not on loopback: 421. Otherwise a page could name a host of its own, and let the name resolve to
      127.0.0.1. Then it could read everything as a page of the same origin (DNS rebinding).
    - that a page of another origin sent: 403. Another port is another origin. A link to one of `pages` is allowed,
      because it changes nothing and the other page cannot read the answer.
    """

    def __init__(self, app: ASGIApp, pages: Iterable[str]) -> None:
        self._app = app
        self._pages = frozenset(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the service has none
            await send({"type": "websocket.close"})
        elif scope["type"] == "http" and (problem := self._problem(scope)) is not None:
            await problem.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> ProblemError | None:
        server = scope.get("server")
        if server is not None and server[1] is not None and not is_loopback(server[0]):
            return ProblemError(403, detail="AUTH=none allows requests only on the loopback interface. Set AUTH=token.")
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").strip(" \t")
        own = _loopback_origin(scope.get("scheme", "http"), host)
        if own is None:
            detail = "AUTH=none needs a Host on loopback, such as localhost:8000 or 127.0.0.1:8000. Or set AUTH=token."
            return ProblemError(421, detail=detail)
        if ORIGINS.isdisjoint([name for name, _ in scope["headers"]]):  # no browser
            return None
        headers = Headers(scope=scope)
        sites = OWN_PAGES if "sec-purpose" in headers else OWN_SITES
        if any(normal_origin(origin) != own for origin in headers.getlist("origin")) or not (
            sites.issuperset(headers.getlist("sec-fetch-site")) or self._is_link(scope, headers)
        ):
            detail = "A page of another origin sent this request. AUTH=none allows only the service's own pages."
            return ProblemError(403, detail=f"{detail} Set AUTH=token and CORS_ORIGINS.")
        return None

    def _is_link(self, scope: Scope, headers: Headers) -> bool:
        """Return whether the request opens one of the pages in a tab or window, not in a frame."""
        return (
            scope["method"] in {"GET", "HEAD"}
            and headers.getlist("sec-fetch-mode") == ["navigate"]
            and headers.getlist("sec-fetch-dest") == ["document"]
            and scope["path"].removeprefix(scope.get("root_path", "")) in self._pages
        )


@lru_cache(maxsize=64)
def _loopback_origin(scheme: str, host: str) -> str | None:
    """Return the origin of the URLs with this Host, as a browser writes it. Return None if it is not on loopback.

    Browsers resolve each name below `localhost` to loopback (RFC 6761, section 6.3). The port may be empty.
    """
    origin = normal_origin(f"{scheme}://{host.removesuffix(':')}")
    name = (urlsplit(origin).hostname or "").removesuffix(".") if origin else ""
    return origin if is_loopback(name) or name.endswith(".localhost") else None
