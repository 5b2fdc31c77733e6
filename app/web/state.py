"""State: what each request finds in `request.state`, typed."""

import asyncio
from concurrent.futures import Executor
from typing import TypedDict

from anyio import CapacityLimiter
from obstore.store import ObjectStore

from app.catalogue.thumbnails import Thumbnails
from app.database import probe
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.decoder.client import Codec
from app.observability import logs
from app.observability.metrics import Metrics
from app.settings import Settings
from app.web.auth import Tokens


class State(TypedDict):
    """What the endpoints find in `request.state`."""

    settings: Settings
    draining: asyncio.Event  # this process has been told to stop
    codec: Codec
    decoders: Executor
    thumbnails: Thumbnails
    uploads: CapacityLimiter
    transfers: CapacityLimiter
    pool: Pool
    reads: ReadRouter
    metrics: Metrics
    log: logs.Handler | None
    look: probe.DatabaseProbe
    tokens: Tokens | None  # where everybody is let in
    store: ObjectStore
