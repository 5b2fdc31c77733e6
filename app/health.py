"""Whether the service is alive, and whether it is ready."""

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import queries
from app.problems import RETRY_AFTER, ProblemError
from app.settings import ROOT


async def healthz(request: Request) -> Response:
    """Alive: this process answers. It asks nobody else, so that a database's death restarts no container."""
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Ready: the database answers, and has every migration that this build ships."""
    try:
        pending = await queries.list_pending_migrations(request.state["pool"], shipped_migrations())
    except asyncpg.UndefinedTableError:  # yoyo has never run here
        pending = shipped_migrations()
    if pending:
        detail = f"Not applied yet: {', '.join(pending)}."
        raise ProblemError(503, "migrations-pending", detail, headers={"Retry-After": RETRY_AFTER})
    return JSONResponse({"status": "ready"})


def shipped_migrations() -> list[str]:
    """The ids of sql/migrations/, as yoyo takes them from the files' names."""
    folder = ROOT / "sql" / "migrations"
    return sorted(path.stem for path in folder.glob("*.sql") if not path.name.endswith(".rollback.sql"))
