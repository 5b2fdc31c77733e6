"""Whether the service is alive, and whether it is ready."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import history, queries
from app.problems import RETRY_AFTER, ProblemError


async def healthz(request: Request) -> Response:
    """Alive: this process answers. It asks nobody else, so that a database's death restarts no container."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Ready: the database answers, and has every migration that this build ships. A newer database is ready too.

    So is a replica alone: it serves every read, and to take this process out would make nobody's write succeed.
    """
    reads = request.state["reads"]
    rows = await queries.read_history(reads)
    entries = history.compare(history.shipped(), [history.Record(*row) for row in rows])
    pending = [entry.id for entry in entries if not entry.applied]
    if pending:
        detail = f"Not applied yet: {', '.join(pending)}."
        raise ProblemError(503, "migrations-pending", detail, headers={"Retry-After": RETRY_AFTER})
    return JSONResponse({"status": "ready" if reads.primary_answers else "read-only"})
