"""app.database.connect: to be described."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import asyncpg

from app.urls import split_url

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    Record = asyncpg.Record
from app.database.errors import ELSEWHERE, PoolerError
from app.schema.statements import statement

# What libpq, under yoyo, takes in a URL and asyncpg would send to the server as a setting of its own.
LIBPQ_ONLY = {
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "require_auth",
    "requiressl",
    "sslcertmode",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
}


def asyncpg_url(url: str) -> str:
    """The URL as libpq reads it, less the options that asyncpg does not know; how long to wait is a setting."""
    parts = split_url(url)
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in LIBPQ_ONLY]
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(options)}"


def asyncpg_urls(url: str) -> list[str]:
    """The same for each host of the URL by itself. Raises ValueError where it has other than a port for each.

    Given all of them, asyncpg would wait for one that is frozen until no time is left for the others. Only for which
    standby is preferred to a primary it has to know them all.
    """
    parts = split_url(asyncpg_url(url))
    options = dict(parse_qsl(parts.query))
    user, at, places = parts.netloc.rpartition("@")
    lists = [places.split(","), *(options.get(name, "").split(",") for name in ("host", "port"))]
    count = max(map(len, lists))
    if count == 1 or options.get("target_session_attrs") == "prefer-standby":
        return [parts.geturl()]
    if any(len(named) not in (1, count) for named in lists):
        raise ValueError("the URL has not as many ports as hosts")
    urls = []
    for place, host, port in zip(*(named * count if len(named) == 1 else named for named in lists), strict=False):
        own = options | ({"host": host} if host else {}) | ({"port": port} if port else {})
        urls.append(f"postgresql://{user}{at}{place}{parts.path}?{urlencode(own)}")
    return urls


async def connect(urls: list[str], timeout: float, **options: Any) -> tuple[asyncpg.Connection[Record], str]:  # noqa: ASYNC109
    """A connection to the first host that is there and is what target_session_attrs asks for, and its URL.

    Each has an equal share of the time that is left. The one that was found goes to the front of `urls`: the next
    connection does not wait again for one that is frozen.
    """
    deadline = monotonic() + timeout
    failed: Exception | None = None
    for left, url in zip(range(len(urls), 0, -1), tuple(urls), strict=True):
        try:
            connection = await asyncpg.connect(url, timeout=(deadline - monotonic()) / left, **options)
        except ELSEWHERE as error:
            failed = error
            continue
        urls.remove(url)
        urls.insert(0, url)
        return connection, url
    assert failed is not None
    raise failed


async def refuse_pooler(driver: asyncpg.Connection[Record], timeout: float) -> None:  # noqa: ASYNC109
    """Raises PoolerError where the process that PostgreSQL has for us is not the one that it named when we connected:
    a pooler names one of its own, and may give each statement to another. COPY is one message, and prepares nothing."""
    answer: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        answer.append(chunk)

    try:
        await driver.copy_from_query(
            statement("find_process", "pooler").rstrip().removesuffix(";"), output=keep, timeout=timeout
        )
        if int(b"".join(answer)) != driver.get_server_pid():
            raise PoolerError
    except BaseException:
        driver.terminate()
        raise
