"""/docs: the API's description as a page, by Swagger UI, from this host alone."""

from os import PathLike

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.settings import ROOT
from app.web.security import secure

STATIC = ROOT / "app" / "static"
# Swagger UI styles elements one by one and has its pictures in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def page(request: Request) -> Response:
    return Response((STATIC / "docs.html").read_bytes(), 200, {"Content-Security-Policy": POLICY}, "text/html")


async def start(request: Request) -> Response:
    return Response((STATIC / "docs.js").read_bytes(), media_type="text/javascript")


class Assets(StaticFiles):
    """Swagger UI's own files."""

    def __init__(self) -> None:
        super().__init__(packages=[("openapi_ui_bundles.swagger_ui", "vendor")])

    async def get_response(self, path: str | PathLike[str], scope: Scope) -> Response:
        response = await super().get_response(str(path), scope)
        secure(response)
        return response
