"""The application as a value: routes, limits, handlers, and what lives from start to end."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypedDict

from anyio import CapacityLimiter
from obstore.store import ObjectStore
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import content, exports, health, images, imports, openapi
from app.database import Pool
from app.limits import BodyLimit
from app.parameters import NoParameters, parameters
from app.problems import EXCEPTION_HANDLERS
from app.settings import Settings, read_settings
from app.store import open_store
from app.uploads import MULTIPART_OVERHEAD

MAX_BODY_BYTES = 256 * 1024  # of every request but an upload: more than the largest patch
DECODERS = 2  # uploads that one worker decodes at once
THUMBNAILERS = 2  # thumbnails that it makes at once, beside them
TRANSFERS = 2  # imports and exports that one worker runs at once: each holds a connection until it ends

TAKE_PARAMETERS = {images.list_images, exports.export_images, content.get_thumbnail}

Endpoint = Callable[[Request], Awaitable[Response]]


class State(TypedDict):
    """What the endpoints find in `request.state`."""

    settings: Settings
    decoders: Executor
    thumbnailers: Executor
    thumbnails: dict[str, asyncio.Task[bytes]]  # being made, by key
    transfers: CapacityLimiter
    pool: Pool
    store: ObjectStore


def create_app(settings: Settings) -> Starlette:
    """The service; nothing is connected before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[State]:
        store = open_store(settings.storage_url)
        with (
            ThreadPoolExecutor(DECODERS, "decoder") as decoders,
            ThreadPoolExecutor(THUMBNAILERS, "thumbnailer") as thumbnailers,
        ):
            async with Pool(settings) as pool:
                yield {
                    "settings": settings,
                    "decoders": decoders,
                    "thumbnailers": thumbnailers,
                    "thumbnails": {},
                    "transfers": CapacityLimiter(TRANSFERS),
                    "pool": pool,
                    "store": store,
                }

    app = Starlette(
        routes=[
            resource(
                "/v1/images",
                max_body_bytes=settings.max_upload_bytes + MULTIPART_OVERHEAD,
                GET=images.list_images,
                POST=images.create_image,
            ),
            resource(
                "/v1/images/{id:uuid}",
                GET=images.get_image,
                PATCH=images.update_image,
                DELETE=images.delete_image,
            ),
            resource("/v1/images/{id:uuid}/content", GET=content.get_content),
            resource("/v1/images/{id:uuid}/thumbnail", GET=content.get_thumbnail),
            resource("/v1/images/import", max_body_bytes=sys.maxsize, POST=imports.import_images),
            resource("/v1/images/export", GET=exports.export_images),
            resource("/healthz", GET=health.healthz),
            resource("/readyz", GET=health.readyz),
            resource("/openapi.json", GET=openapi.document),
        ],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def resource(path: str, *, max_body_bytes: int = MAX_BODY_BYTES, **methods: Endpoint) -> Route:
    """One route for all methods of a path, so that 405 names all of them in Allow."""

    async def endpoint(request: Request) -> Response:
        handler = methods["GET" if request.method == "HEAD" else request.method]
        if request.scope["query_string"] and handler not in TAKE_PARAMETERS:
            parameters(request, NoParameters)
        return await handler(request)

    return Route(path, endpoint, methods=list(methods), middleware=[Middleware(BodyLimit, max_bytes=max_body_bytes)])


def from_environment() -> Starlette:
    """What uvicorn calls: `uvicorn --factory app.main:from_environment`."""
    return create_app(read_settings())
