"""Connect to PostgreSQL with asyncpg: hosts of the URL in turn, options of libpq, a check for a pooler."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlencode

import asyncpg

from app.database.errors import TRY_NEXT_HOST, PoolerError
from app.schema.statements import statement
from app.urls import split_url

# Options of a URL that libpq, under yoyo, reads. asyncpg would send them to the server as settings of its own.
LIBPQ_ONLY = {
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "require_auth",
    "sslcertmode",
    "sslcompression",
    "sslkeylogfile",
    "sslsni",
    "tcp_user_timeout",
}


@cache
def application_name() -> str:
    """Return the name of the service's sessions with its release, which `images schema contract` looks for."""
    return f"images {version('image-catalogue')}"


# Options with an effect on the server or on security, which asyncpg lacks.
UNSUPPORTED = {
    *("hostaddr", "min_protocol_version", "oauth_client_id", "oauth_client_secret", "oauth_issuer", "oauth_scope"),
    *("replication", "requirepeer", "scram_client_key", "scram_server_key", "sslcrldir"),
}
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def check_options(options: Mapping[str, str]) -> None:
    """Raise ValueError for an option that asyncpg lacks, or a file of TLS that cannot be read."""
    for name in sorted(UNSUPPORTED & options.keys()):
        raise ValueError(f"the service cannot use {name}" + (": write the address as the host" * (name == "hostaddr")))
    if options.get("sslrootcert") == "system":
        raise ValueError("the service cannot use sslrootcert=system: name the file with the certificates")
    for name in FILES if options.get("sslmode") != "disable" else ():
        if path := options.get(name):
            try:
                Path(path).open("rb").close()
            except OSError as error:
                raise ValueError(f"{name}: {path}: {error.strerror}") from error


def asyncpg_url(url: str) -> str:
    """Return the URL as libpq reads it, without the options that asyncpg does not know."""
    parts = split_url(url)
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in LIBPQ_ONLY]
    return f"postgresql://{parts.netloc}{parts.path}?{urlencode(options)}"


def asyncpg_urls(url: str) -> list[str]:
    """Return one URL for each host of the URL. Raise ValueError if it has neither one port nor one for each host.

    Also raise it for what `check_options` rejects.

    With all hosts in one URL, asyncpg would wait for a frozen host until no time is left for the others. The exception
    is target_session_attrs=prefer-standby: to prefer one, asyncpg must know all hosts.
    """
    parts = split_url(asyncpg_url(url))
    options = dict(parse_qsl(parts.query))
    check_options(options)
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
