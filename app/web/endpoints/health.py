"""Health: liveness and readiness probes (GET /healthz, GET /readyz)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from asyncpg import Record
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.replica import ReadRouter
from app.observability.logs import logger
from app.schema import history
from app.schema.digest import Digest
from app.web.operations import JSON, Answer, Tag, operation
from app.web.problems import unavailable
from app.web.state import State

POLL_INTERVAL = 1.0  # seconds between two looks for migrations that another process applies


def _status(*values: str) -> dict[str, JsonValue]:
    """Return the JSON schema of {"status": VALUE}."""
    return {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"enum": [*values]}},
        "examples": [{"status": value} for value in values],
    }


@operation(
    "GET",
    "/healthz",
    "getHealth",
    tag=Tag.SERVICE,
    scope=None,
    summary="Check liveness",
    description="Returns 200 while the process runs. It does not ask the database.",
    answers=(Answer(200, "The process runs.", {JSON: _status("alive")}),),
)
async def healthz(request: Request[State]) -> Response:
    """Return 200. The database is not asked, so that an orchestrator does not restart containers when it is down."""
    return JSONResponse({"status": "alive"})


@operation(
    "GET",
    "/readyz",
    "getReadiness",
    tag=Tag.SERVICE,
    scope=None,
    summary="Check readiness",
    description="Returns 200 when the database answers, all migrations of this release are applied, and "
    "the object store does not belong to another catalogue. Migrations that run while the release serves, or after the "
    "earlier "
    "one do not count. The status is `read-only` if only a replica answers.",
    answers=(Answer(200, "The service is ready.", {JSON: _status("ready", "read-only")}),),
    problems=("503 database-unavailable", "503 migrations-pending", "503 wrong-store", "503 draining"),
)
async def readyz(request: Request[State]) -> Response:
    """Return 200 if the database answers and has all migrations of this release. It may have newer ones too.

    If only a replica answers, the service is ready: reads succeed, and writes would fail on other instances too. After
    SIGTERM the service is not ready. Probes at the same time share one statement, because anyone may send them.
    """
    if request.state["draining"].is_set():
        raise unavailable("draining")
    reads = request.state["reads"]
    shipped, waited = request.state["shipped"], request.state["waited"]
    missing, fault = await request.state["readiness"].share(None, lambda: _lacks(reads, shipped, waited))
    if missing:
        detail = f"Not applied yet: {', '.join(missing)}."
        raise unavailable("migrations-pending", detail)
    if fault and not fault["only_searches"]:
        reason: str = fault["fault"]
        raise unavailable("database-unavailable", f"{reason[0].upper()}{reason[1:]}.")
    request.state["guard"].check()
    return JSONResponse({"status": "ready" if reads.primary_answers else "read-only"})


@asynccontextmanager
async def log_pending_migrations(reads: ReadRouter, shipped: Mapping[str, Digest]) -> AsyncIterator[None]:
    """Log, while the context is open, which migrations are missing, and when all are applied."""
    task = asyncio.create_task(_tell(reads, shipped))
    try:
        yield
    finally:
        task.cancel()


async def _tell(reads: ReadRouter, shipped: Mapping[str, Digest]) -> None:
    told = ""
    waited: set[str] = set()
    while True:
        try:
            missing, fault = await _lacks(reads, shipped, waited)
        except UNAVAILABLE as error:
            logger.warning("cannot tell which migrations are applied: %s: %s", type(error).__name__, error)
        else:
            if not missing and (fault is None or fault["only_searches"]):
                if fault is not None:
                    logger.error("searches lose new images: %s", fault["fault"])
                logger.info("ready: every migration of this release is applied")
                return
            if missing:
                text = f"not ready before these migrations are applied: {', '.join(missing)}"
            else:
                text = f"not ready: {fault['fault']}" if fault else ""
            if text != told:
                logger.warning("%s", text)
            told = text
        await asyncio.sleep(POLL_INTERVAL)


async def _lacks(reads: ReadRouter, shipped: Mapping[str, Digest], waited: set[str]) -> tuple[list[str], Record | None]:
    """Return the migrations that are missing, and the row of sql/queries/find_session_fault.sql."""
    return await _pending(reads, shipped, waited), await queries.find_session_fault(reads)


async def _pending(reads: ReadRouter, shipped: Mapping[str, Digest], waited: set[str]) -> list[str]:
    """Return the migrations that the service needs and that are not applied. Add those that wait to `waited`.

    When a backfill is done, the migrations after it follow a moment later. They do not make a running process unready.
    """
    rows = await queries.read_history(reads)
    entries = history.compare(shipped, [history.Record(*row) for row in rows])
    waited.update(entry.id for entry in entries if entry.waits)
    return [entry.id for entry in entries if entry.lacking and entry.id not in waited]
