"""Application: create_app() wires the routes and the objects that live from start to end."""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from app.catalogue.ownership import StoreGuard
from app.catalogue.thumbnails import Thumbnails
from app.database.database_metrics import DatabaseProbe
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.decoder.client import Codec
from app.decoder.queue import DecoderQueue
from app.errors import CommandError, describe
from app.fair_slots import Slots
from app.observability import logs
from app.observability.metrics import Metrics
from app.schema import history
from app.settings import Settings, read_settings
from app.single_flight import SingleFlight
from app.storage.store import open_store
from app.web import openapi
from app.web.auth import Tokens
from app.web.endpoints import (
    cameras,
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
    timeline,
    tokens,
    uploads,
)
from app.web.exposition import Exposition
from app.web.loopback import LoopbackGuard
from app.web.operations import HTML
from app.web.routing import PathRouter, routes
from app.web.security import cross_origin
from app.web.server.handover import take_over
from app.web.server.request_log import Watched
from app.web.server.shutdown import on_sigterm
from app.web.state import State
from app.web.transfers import Transfers

# The router tries them in this order. OpenAPI lists them in this order.
OPERATIONS = (
    images.list_images,
    uploads.create_image,
    images.get_image,
    images.update_image,
    images.delete_image,
    content.get_content,
    thumbnails.get_thumbnail,
    imports.import_images,
    exports.export_images,
    tags.list_tags,
    cameras.list_cameras,
    stats.read_stats,
    timeline.get_timeline,
    tokens.get_token,
    schema.read_schema,
    health.healthz,
    health.readyz,
    metrics.get_metrics,
    pages.gallery,
    pages.schema,
    pages.documentation,
    pages.problem,
    pages.description,
)


def create_app(settings: Settings) -> Starlette:
    """Return the application. It connects to nothing before its lifespan begins."""
    document = openapi.Document(OPERATIONS, settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[State]:
        store = open_store(settings.storage_url, signing=settings.content_redirect > 0)
        guard = StoreGuard(settings, store)
        shipped = history.shipped()  # an upgrade may replace the files while this process serves
        with (
            logs.write_in_background() as log,
            DecoderQueue() as decoder_queue,
            Codec(settings.max_image_pixels, settings.decode_timeout, settings.formats.split(",")) as codec,
        ):
            async with (
                Pool(settings) as pool,
                ReadRouter(settings, pool) as reads,
                Metrics({"requests": pool, **reads.pools}, log) as measured,
                nullcontext() if settings.migrate else health.log_pending_migrations(reads, shipped),
                guard.running(),
            ):
                take_over()
                yield {
                    "settings": settings,
                    "readiness": SingleFlight(),
                    "shipped": shipped,
                    "waited": set(),
                    "draining": on_sigterm(settings.shutdown_delay),
                    "codec": codec,
                    "decoder_queue": decoder_queue,
                    "thumbnails": Thumbnails(store, codec, decoder_queue, pool),
                    "uploads": Slots(settings.max_uploads, share=(settings.max_uploads + 1) // 2),
                    "transfers": Transfers(),
                    "pool": pool,
                    "reads": reads,
                    "metrics": measured,
                    "log": log,
                    "exposition": Exposition(measured, DatabaseProbe(settings, shipped)),
                    "tokens": Tokens(pool, reads) if settings.auth == "token" else None,
                    "store": store,
                    "guard": guard,
                    "openapi": document.at,
                }

    app = Watched(middleware=_guards(settings))
    app.router = PathRouter(
        [
            *routes(OPERATIONS, settings),
            Mount("/static", pages.static_files()),
            Mount("/docs/assets", pages.documentation_files()),
        ],
        lifespan,
    )
    return app


def _guards(settings: Settings) -> list[Middleware]:
    """Return what decides which web pages may use the API. With AUTH=none, CORS_ORIGINS is empty."""
    if settings.auth == "none":
        pages = [operation.path for operation in OPERATIONS if operation.media_type == HTML]
        return [Middleware(LoopbackGuard, pages=pages)]
    return [cross_origin(settings)] if settings.cors_origins else []


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
    # All objects so far live as long as the process, so the garbage collector skips them. The p99 of a GET is 5 ms with
    # this, 20 ms without. The default of 700 new objects between two collections is less than open requests hold.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])
    return app
