"""State of the application: the typed values that each request finds in `request.state`."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypedDict

from asyncpg import Record
from obstore.store import ObjectStore
from starlette.requests import Request

from app.catalogue.ownership import StoreGuard
from app.catalogue.thumbnails import Thumbnails
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.decoder.client import Codec
from app.decoder.queue import DecoderQueue
from app.fair_slots import Slots
from app.observability import logs
from app.observability.metrics import Metrics
from app.schema.digest import Digest
from app.settings import Settings
from app.single_flight import SingleFlight
from app.web.auth import Tokens
from app.web.exposition import Exposition
from app.web.transfers import Transfers


class State(TypedDict):
    """The values that the lifespan makes once for each worker. An endpoint takes a `Request[State]`."""

    settings: Settings
    draining: asyncio.Event  # set when the process shall stop
    codec: Codec
    decoder_queue: DecoderQueue
    thumbnails: Thumbnails
    uploads: Slots  # uploads at the same time
    transfers: Transfers  # imports and exports at the same time
    pool: Pool
    reads: ReadRouter
    metrics: Metrics
    log: logs.Handler | None
    exposition: Exposition
    tokens: Tokens | None  # None: AUTH=none
    store: ObjectStore
    readiness: SingleFlight[None, tuple[list[str], Record | None]]  # looks for missing migrations and wrong sessions
    shipped: Mapping[str, Digest]  # this release's migrations, as the files were when this process started
    waited: set[str]  # migrations that have waited for a command since this process started: it does not need them
    guard: StoreGuard  # knows whether the store belongs to another catalogue
    openapi: Callable[[str], bytes]  # the document as JSON, for a root path


class ApiRequest(Request[State]):
    """A request whose state is the dictionary itself. Starlette's State around it takes a µs of each use."""

    @property
    def state(self) -> State:
        """The values of this worker."""
        state: State = self.scope["state"]
        return state
