"""The pages for people: the gallery, and the schema. Each is a file of app/static/, and asks the API for all that it
shows."""

from os import PathLike
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.storage import store
from app.web.endpoints.docs import STATIC
from app.web.security import secure

# Thumbnails are fetched with the token and shown as blob: URLs, since an <img> cannot send one.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def gallery(request: Request) -> Response:
    settings = request.state["settings"]
    policy = POLICY
    if settings.content_redirect:  # a download is sent to the object store
        url = urlsplit(await store.sign(request.state["store"], "any", settings.content_redirect))
        policy = policy.replace("connect-src 'self'", f"connect-src 'self' {url.scheme}://{url.netloc}")
    return Response((STATIC / "gallery.html").read_bytes(), 200, {"Content-Security-Policy": policy}, "text/html")


async def schema(request: Request) -> Response:
    return Response((STATIC / "schema.html").read_bytes(), 200, {"Content-Security-Policy": POLICY}, "text/html")


class Files(StaticFiles):
    """Style sheet and modules."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str | PathLike[str], scope: Scope) -> Response:
        response = await super().get_response(str(path), scope)
        secure(response)
        return response
