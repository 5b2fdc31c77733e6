"""HTML pages: gallery, database schema, API documentation (Swagger UI), and problem types, with their static files.

The gallery and the schema page are files of app/static/. Their scripts get all data from the API.
"""

import re
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.decoder.formats import optional_extensions
from app.settings import ROOT
from app.storage import store
from app.web.operations import HTML, JSON, Answer, Tag, operation
from app.web.problem_types import TYPES
from app.web.problems import ProblemError
from app.web.state import State
from app.web.static_files import Files

STATIC = ROOT / "app" / "static"
# An <img> cannot send a token. The scripts fetch thumbnails with the token and show them as blob: URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI sets style attributes, and its style sheet contains images as data: URLs.
DOCUMENTATION_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


PAGE = Answer(200, "The page.", {HTML: {"type": "string"}})


@operation(
    "GET",
    "/",
    "getGallery",
    tag=Tag.SERVICE,
    scope=None,
    summary="Open the gallery",
    description="Returns an HTML page to search, view, upload, and change images.",
    query=None,  # the search, which the script of the page reads
    answers=(PAGE,),
)
async def gallery(request: Request[State]) -> Response:
    settings = request.state["settings"]
    policy = POLICY
    if settings.content_redirect:  # the API redirects a download to the object store
        url = urlsplit(await store.sign(request.state["store"], "any", settings.content_redirect))
        policy = policy.replace("connect-src 'self'", f"connect-src 'self' {url.scheme}://{url.netloc}")
    # Only files that the service can read: an iPhone converts a photo to JPEG unless the page accepts HEIC.
    accepted = ["image/*", *(f".{extension}" for extension in optional_extensions(settings.formats.split(",")))]
    return _html("gallery.html", policy, {'accept="image/*"': f'accept="{",".join(accepted)}"'})


@operation(
    "GET",
    "/schema",
    "getSchemaPage",
    tag=Tag.SERVICE,
    scope=None,
    summary="Open the schema page",
    description="Returns an HTML page that shows the migrations, tables, and queries of the database.",
    query=None,
    answers=(PAGE,),
)
async def schema(request: Request[State]) -> Response:
    return _html("schema.html", POLICY)


@operation(
    "GET",
    "/docs",
    "getDocumentation",
    tag=Tag.SERVICE,
    scope=None,
    summary="Open the API documentation",
    description="Returns an HTML page that shows this document with Swagger UI.",
    answers=(PAGE,),
)
async def documentation(request: Request[State]) -> Response:
    return _html("docs.html", DOCUMENTATION_POLICY)


@operation(
    "GET",
    "/problems/{kind:str}",
    "getProblemPage",
    tag=Tag.SERVICE,
    scope=None,
    summary="Read about a problem type",
    description="Returns an HTML page with the cause of a problem and what the client can do. The `type` of each "
    "problem is the path of its page.",
    answers=(PAGE,),
    problems=("404",),
)
async def problem(request: Request[State]) -> Response:
    kind = request.path_params["kind"]
    if kind not in TYPES:
        raise ProblemError(404, detail="There is no problem of this type.")
    statuses, title, cause, remedy = TYPES[kind]
    page = Template((STATIC / "problem.html").read_text()).substitute(
        kind=kind,
        status=" or ".join(map(str, statuses)),
        title=escape(title),
        cause=_with_code(cause),
        remedy=_with_code(remedy),
        others="\n".join(f'<li><a href="{other}">{escape(TYPES[other].title)}</a></li>' for other in TYPES),
    )
    return Response(page, 200, {"Content-Security-Policy": POLICY}, HTML)


def _with_code(text: str) -> str:
    """Return the text as HTML, with code elements for the parts between backquotes."""
    return re.sub("`(.+?)`", r"<code>\1</code>", escape(text))


@operation(
    "GET",
    "/openapi.json",
    "getDescription",
    tag=Tag.SERVICE,
    scope=None,
    summary="Get this document",
    description="Returns the OpenAPI document of this service, with the limits of its settings.",
    answers=(Answer(200, "OpenAPI 3.1.", {JSON: {"type": "object"}}),),
)
async def description(request: Request[State]) -> Response:
    return Response(request.state["openapi"](request.scope.get("root_path", "")), media_type=JSON)


def _html(name: str, policy: str, changes: dict[str, str] | None = None) -> Response:
    """Return a page. `changes` are texts in it, and what to write instead."""
    page = (STATIC / name).read_text()
    for text, other in (changes or {}).items():
        page = page.replace(text, other)
    return Response(page, 200, {"Content-Security-Policy": policy}, HTML)


def static_files() -> Files:
    """Return the service's own style sheets and scripts."""
    return Files(STATIC)


def documentation_files() -> Files:
    """Return the files of Swagger UI."""
    return Files(Path(str(files("openapi_ui_bundles.swagger_ui"))) / "vendor")
