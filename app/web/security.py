"""app.web.security: to be described."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from app.settings import Settings

# What each answer says to a browser, unless it says something else: nothing in it is to be run, framed, guessed at, or
# kept for anybody else.
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-cache"),
]


def cross_origin(settings: Settings) -> Middleware:
    """Lets pages of CORS_ORIGINS use the API from a browser, with a token and all that its answers tell."""
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins.replace(",", " ").split(),
        allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
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
            "Retry-After",
            "X-Request-ID",
        ],
        max_age=86_400,
    )


def secure(response: Response) -> None:
    """With SECURITY, but for what the answer says itself."""
    present = {name for name, _ in response.raw_headers}
    response.raw_headers.extend(header for header in SECURITY if header[0] not in present)
