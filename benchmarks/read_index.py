"""Cost of the read index of app/database/replica.py: `python -m benchmarks.read_index`, about a minute.

Callers get the newest images from a primary, from its standby without the read index, and with it. The variants take
turns. Printed are medians of the turns for each read: milliseconds, microseconds of this process's CPU, and the number
of questions. Beside a time is its ratio to a read of the standby without the read index.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import psycopg
import uvloop
from pydantic import SecretStr

from app.database.connection import Connection
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.review import scratch
from app.settings import Settings
from tests.support.cluster import DATABASE, Mortal, migrated, url

NAME = "list_images"
PAGE = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC), 50)  # the newest 50
CONCURRENCIES = (1, 16, 100)

Read = Callable[[], Awaitable[object]]


async def run(read: Read, concurrency: int, seconds: float) -> tuple[float, float, int]:
    """Return the milliseconds and the CPU in microseconds for each read, and the number of reads."""
    end, reads = perf_counter() + seconds, 0

    async def caller() -> None:
        nonlocal reads
        while perf_counter() < end:
            await read()
            reads += 1

    started, cpu = perf_counter(), process_time()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return (perf_counter() - started) / reads * 1e3, (process_time() - cpu) / reads * 1e6, reads


def count_questions() -> list[int]:
    """Count the statement read_position from now on, in the only element of the list."""
    asked, fetch = [0], Connection.fetch

    async def counted(self: Connection, name: str, *arguments: Any, **options: Any) -> list[Any]:
        asked[0] += name == "read_position"
        return await fetch(self, name, *arguments, **options)

    Connection.fetch = counted  # type: ignore[method-assign]
    return asked


async def measure(primary: Mortal, standby: Mortal, rounds: int, seconds: float) -> None:
    asked = count_questions()
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(url(primary)),
        read_database_url=SecretStr(url(standby)),
        storage_url="memory:",
        auth="none",
        database_pool_size=10,
        database_pool_queue=1000,
    )
    without = settings.model_copy(update={"database_url": settings.read_database_url})
    async with Pool(settings) as pool, Pool(without) as replica, ReadRouter(settings, pool) as router:
        variants: list[tuple[str, Read]] = [
            ("standby, no read index", lambda: replica.fetch(NAME, *PAGE)),
            ("standby, read index", lambda: router.fetch(NAME, *PAGE)),
            ("primary", lambda: pool.fetch(NAME, *PAGE)),
        ]
        for concurrency in CONCURRENCIES:
            costs_by_variant: dict[str, list[tuple[float, float, float]]] = {name: [] for name, _ in variants}
            for turn in range(rounds + 1):  # the first one warms up
                for name, read in variants[turn % 3 :] + variants[: turn % 3]:
                    before = asked[0]
                    wall, cpu, reads = await run(read, concurrency, seconds)
                    if turn:
                        costs_by_variant[name].append((wall, cpu, (asked[0] - before) / reads))
            print(f"{concurrency} at a time, {rounds} rounds of {seconds:g} s")
            first = costs_by_variant[variants[0][0]]
            for name, each in costs_by_variant.items():
                by_wall, by_cpu = (
                    median(one[kind] / base[kind] for one, base in zip(each, first, strict=True)) for kind in (0, 1)
                )
                wall, cpu, questions = (median(values) for values in zip(*each, strict=True))
                print(
                    f"  {name:24} {wall:7.2f} ms {by_wall:5.2f} {cpu:7.0f} us {by_cpu:5.2f} {questions:6.3f}",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="images-index-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        primary = migrated(Path(folder, "primary"))
        with psycopg.connect(primary.url(DATABASE), autocommit=True) as connection:
            scratch.fill(connection, arguments.rows)
        standby = primary.standby(Path(folder, "standby"))
        try:
            uvloop.run(measure(primary, standby, arguments.rounds, arguments.seconds))
        finally:
            standby.release()
            primary.release()


if __name__ == "__main__":
    main()
