"""The application as a value: routes, limits, handlers, and what lives from start to end."""

import gc
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from app.catalogue.export import NDJSON
from app.catalogue.thumbnails import Thumbnails
from app.database import probe
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.decoder.client import Codec
from app.errors import CommandError, describe
from app.observability import logs
from app.observability.metrics import Metrics
from app.settings import Settings, read_settings
from app.storage.store import open_store
from app.web import openapi
from app.web.auth import Tokens
from app.web.endpoints import (
    content,
    exports,
    health,
    images,
    imports,
    metrics,
    pages,
    schema,
    stats,
    tags,
    thumbnails,
    uploads,
)
from app.web.problems import EXCEPTION_HANDLERS
from app.web.routing import not_found, resource
from app.web.security import cross_origin
from app.web.server.request_log import Watched
from app.web.server.shutdown import on_sigterm
from app.web.state import State

DECODERS = 2  # uploads that one worker decodes at once
THUMBNAILERS = 2  # thumbnails that it makes at once, beside them
TRANSFERS = 2  # imports and exports that it runs at once: each holds a connection until it ends


def create_app(settings: Settings) -> Starlette:
    """The service; nothing is connected before its lifespan begins."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[State]:
        store = open_store(settings.storage_url, signing=settings.content_redirect > 0)
        with (
            logs.written_aside() as log,
            ThreadPoolExecutor(DECODERS, "decoder") as decoders,
            ThreadPoolExecutor(THUMBNAILERS, "thumbnailer") as thumbnailers,
            Codec(settings.max_image_pixels, settings.decode_timeout) as codec,
        ):
            for_thumbnails = settings.model_copy(update={"database_pool_size": THUMBNAILERS})
            async with (
                Pool(settings) as pool,
                Pool(for_thumbnails, "thumbnails") as thumbnail_pool,
                ReadRouter(settings, pool) as reads,
                Metrics({"requests": pool, "thumbnails": thumbnail_pool, **reads.pools}, log) as measured,
                nullcontext() if settings.migrate else health.telling(reads),
            ):
                yield {
                    "settings": settings,
                    "draining": on_sigterm(settings.shutdown_delay),
                    "codec": codec,
                    "decoders": decoders,
                    "thumbnails": Thumbnails(store, codec, thumbnail_pool, thumbnailers, THUMBNAILERS),
                    "uploads": CapacityLimiter(settings.max_uploads),
                    "transfers": CapacityLimiter(TRANSFERS),
                    "pool": pool,
                    "reads": reads,
                    "metrics": measured,
                    "log": log,
                    "look": probe.DatabaseProbe(settings),
                    "tokens": Tokens(pool, reads) if settings.auth == "token" else None,
                    "store": store,
                }

    app = Watched(
        routes=[
            resource(
                "/v1/images",
                takes_query=True,
                max_body_bytes=settings.max_upload_bytes + 2 * settings.max_record_bytes,
                takes=uploads.TAKES,
                GET=images.list_images,
                POST=uploads.create_image,
            ),
            resource(
                "/v1/images/{id:uuid}",
                max_body_bytes=settings.max_record_bytes,
                takes=images.TAKES,
                GET=images.get_image,
                PATCH=images.update_image,
                DELETE=images.delete_image,
            ),
            resource("/v1/images/{id:uuid}/content", answers=None, GET=content.get_content),
            resource("/v1/images/{id:uuid}/thumbnail", answers=None, takes_query=True, GET=thumbnails.get_thumbnail),
            resource(
                "/v1/images/import",
                scope="admin",
                max_body_bytes=sys.maxsize,
                takes=imports.TAKES,
                POST=imports.import_images,
            ),
            resource("/v1/images/export", answers=NDJSON, takes_query=True, GET=exports.export_images),
            resource("/v1/tags", takes_query=True, GET=tags.list_tags),
            resource("/v1/stats", GET=stats.read_stats),
            resource("/v1/schema", scope="admin", GET=schema.read_schema),
            resource("/healthz", public=True, GET=health.healthz),
            resource("/readyz", public=True, GET=health.readyz),
            resource("/metrics", public=True, answers=None, GET=metrics.page),
            resource("/openapi.json", public=True, GET=openapi.document(settings)),
            resource("/", public=True, answers="text/html", takes_query=True, GET=pages.gallery),
            resource("/schema", public=True, answers="text/html", takes_query=True, GET=pages.schema),
            Mount("/static", GZipMiddleware(pages.static_files())),
            resource("/docs", public=True, answers="text/html", GET=pages.documentation),
            Mount("/docs/assets", pages.documentation_files()),
        ],
        middleware=[cross_origin(settings)] if settings.cors_origins else [],
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = not_found
    return app


def from_environment() -> Starlette:
    """Return the application for uvicorn: `uvicorn --factory app.main:from_environment`.

    If a setting is wrong, log each fault and end the process: a traceback of uvicorn would hide them.
    """
    try:
        settings = read_settings(needs_store=True)
    except CommandError as error:
        for line in describe(error).splitlines():
            logs.logger.error("%s", line)
        sys.exit(error.exit_code)
    app = create_app(settings)
    # What is there by now stays: no collection of garbage looks at it again. With that p99 of a get was 20 ms, not 5.
    # Nor is it worth to look each 700 new objects: those of the requests under way are more, and none of them garbage.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])
    return app
