"""Connect to PostgreSQL with asyncpg: hosts of the URL in turn, a check for a pooler."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from time import monotonic
from typing import Any

import asyncpg

from app.database.errors import TRY_NEXT_HOST, PoolerError
from app.project import OWN
from app.schema.files import migration_paths
from app.schema.history import number
from app.schema.statements import statement

MIGRATIONS = OWN / "sql" / "migrations"


@cache
def application_name() -> str:
    """Return the name of the service's sessions, which `images schema contract` looks for.

    It has the version, and the number of the newest migration, because two checkouts can have the same version.
    """
    return f"images {version('image-catalogue')} {number(max(path.name for path in migration_paths(MIGRATIONS)))}"


async def connect(
    urls: list[str],
    timeout: float,  # noqa: ASYNC109
    **options: Any,
) -> tuple[asyncpg.Connection[asyncpg.Record], str]:
    """Return a connection to the first host that answers and has the requested target_session_attrs, and its URL.

    `timeout` is in seconds. Each host gets an equal share of the time that is left. The URL of the connected host moves
    to the front of `urls`, so the next connection does not wait again for a frozen host. Raise the last host's error.
    """
    deadline = monotonic() + timeout
    failed: Exception | None = None
    for left, url in zip(range(len(urls), 0, -1), tuple(urls), strict=True):
        try:
            connection = await asyncpg.connect(url, timeout=(deadline - monotonic()) / left, **options)
        except TRY_NEXT_HOST as error:
            failed = error
            continue
        urls.remove(url)
        urls.insert(0, url)
        return connection, url
    assert failed is not None
    raise failed


async def reject_pooler(driver: asyncpg.Connection[asyncpg.Record], timeout: float) -> None:  # noqa: ASYNC109
    """Raise PoolerError if a pooler is between this process and PostgreSQL.

    PostgreSQL names the process of a session when the session starts. A pooler names one of its own, and may give each
    statement to another process. The question is a COPY: COPY is one message, and prepares no statement.
    """
    answer: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        answer.append(chunk)

    try:
        query = statement("find_process", "pooler").rstrip().removesuffix(";")
        await driver.copy_from_query(query, output=keep, timeout=timeout)
        if int(b"".join(answer)) != driver.get_server_pid():
            raise PoolerError
    except BaseException:
        driver.terminate()
        raise
