"""Security headers of all answers, and CORS: which pages of other origins may use the API."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.settings import Settings

# A browser must not run, frame or sniff an answer, nor share it with other users. An answer may have its own values.
SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"private, no-cache",
}
ALL = tuple(SECURITY.items())


def cross_origin(settings: Settings) -> Middleware:
    """Return the middleware that lets the pages of CORS_ORIGINS use the API with a token."""
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins.replace(",", " ").split(),
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Disposition",
            "Content-Type",
            "If-Match",
            "If-Modified-Since",
            "If-None-Match",
            "If-Range",
            "If-Unmodified-Since",
            "Range",
            "traceparent",
            "tracestate",
            "X-Request-ID",
        ],
        expose_headers=[
            "Content-Disposition",
            "Content-Location",
            "Content-Range",
            "ETag",
            "Link",
            "Location",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-ID",
        ],
        max_age=86_400,
    )


def secure(response: Response) -> None:
    """Add the headers of SECURITY that the response does not have."""
    present = [name for name, _ in response.raw_headers]
    if SECURITY.keys().isdisjoint(present):
        response.raw_headers += ALL
    else:
        response.raw_headers += [header for header in ALL if header[0] not in present]
