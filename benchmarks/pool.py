"""The connection pool of app/database against asyncpg's: `python -m benchmarks.pool`, about three minutes.

Each variant gets images by random IDs, with a number of callers at a time. The variants run interleaved, in rounds that
begin with another variant each time. Printed are medians of the rounds, in microseconds for each call: wall clock, this
process's CPU, and PostgreSQL's CPU. Each has the median of the rounds' ratios to the first variant beside it. On a
shared machine, only the CPU is comparable.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, process_time
from uuid import UUID

import asyncpg
import psutil
import psycopg
import uvloop
from pydantic import SecretStr

from app.database.pool import BATCH_SIZE, Pool
from app.embedded_postgres import Server
from app.review import scratch
from app.schema.statements import statement
from app.settings import ROOT, Settings
from benchmarks.database import YOYO

NAME = "get_image"
SIZE = 10  # connections
TIMEOUT = 5.0  # seconds
CONCURRENCIES = (1, 16, 100)
SESSION = {"application_name": "images", "jit": "off", "plan_cache_mode": "force_generic_plan"}

Get = Callable[[UUID], Awaitable[object]]
Reset = Callable[[object], Awaitable[None]]


async def keep_session(_: object) -> None:
    """Replace asyncpg's reset of the session by nothing: no statement of the service changes the session."""


async def asyncpg_pool(url: str, reset: Reset | None = None) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(url, min_size=0, max_size=SIZE, server_settings=SESSION, reset=reset)


class BatchedPool:
    """asyncpg's pool, with the calls of one turn of the event loop in one message, as `Pool.fetch_by_id` has it."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool
        self._calls: list[tuple[UUID, int]] = []
        self._rows: asyncio.Task[dict[int, asyncpg.Record]]

    async def fetch_by_id(self, id: UUID) -> asyncpg.Record | None:
        if len(self._calls) in (0, BATCH_SIZE):
            self._calls = []
            self._rows = asyncio.create_task(self._fetch(self._calls))
        number = len(self._calls)
        self._calls.append((id, number))
        return (await asyncio.shield(self._rows)).get(number)

    async def _fetch(self, calls: list[tuple[UUID, int]]) -> dict[int, asyncpg.Record]:
        if self._calls is calls:
            self._calls = []
        async with self._pool.acquire(timeout=TIMEOUT) as connection:
            rows = await connection.fetchmany(statement(NAME), sorted(calls), timeout=TIMEOUT)
        return {row["number"]: row for row in rows}


def variants(own: Pool, plain: asyncpg.Pool[asyncpg.Record], resetting: asyncpg.Pool[asyncpg.Record]) -> dict[str, Get]:
    sql = statement(NAME)

    async def asyncpg_single(id: UUID) -> object:
        async with plain.acquire(timeout=TIMEOUT) as connection:
            return await connection.fetchrow(sql, id, 0, timeout=TIMEOUT)

    async def asyncpg_with_reset(id: UUID) -> object:
        async with resetting.acquire(timeout=TIMEOUT) as connection:
            return await connection.fetchrow(sql, id, 0, timeout=TIMEOUT)

    return {
        "own pool": lambda id: own.fetchrow(NAME, id, 0),
        "own pool, batches": lambda id: own.fetch_by_id(NAME, id),
        "asyncpg's pool, reset=no-op": asyncpg_single,
        "asyncpg's pool, reset=no-op, batches": BatchedPool(plain).fetch_by_id,
        "asyncpg's pool, its own reset": asyncpg_with_reset,
    }


Costs = tuple[float, float, float]  # wall clock, this process's CPU, PostgreSQL's CPU: microseconds for each call


def spent(server: psutil.Process) -> Costs:
    times = [process.cpu_times() for process in server.children()]
    return perf_counter(), process_time(), sum(each.user + each.system for each in times)


async def run(get: Get, ids: list[UUID], concurrency: int, seconds: float, server: psutil.Process) -> Costs:
    random, calls, end = Random(1), 0, perf_counter() + seconds  # noqa: S311

    async def caller() -> None:
        nonlocal calls
        while perf_counter() < end:
            await get(random.choice(ids))
            calls += 1

    before = spent(server)
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    wall, own, database = (
        (after - earlier) / calls * 1e6 for earlier, after in zip(before, spent(server), strict=True)
    )
    return wall, own, database


async def measure(url: str, server: psutil.Process, rounds: int, seconds: float) -> None:
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(url),
        storage_url="memory:",
        auth="none",
        database_pool_size=SIZE,
        database_pool_queue=1000,
        database_statement_timeout=TIMEOUT,
    )
    with psycopg.connect(url) as connection:
        ids = [id for (id,) in connection.execute("SELECT id FROM images")]
    async with (
        Pool(settings) as own,
        await asyncpg_pool(url, reset=keep_session) as plain,
        await asyncpg_pool(url) as resetting,
    ):
        compared = list(variants(own, plain, resetting).items())
        for concurrency in CONCURRENCIES:
            costs_by_variant: dict[str, list[Costs]] = {name: [] for name, _ in compared}
            for turn in range(rounds + 1):  # the first one warms up
                shift = turn % len(compared)
                for name, get in compared[shift:] + compared[:shift]:
                    costs = await run(get, ids, concurrency, seconds if turn else seconds / 4, server)
                    if turn:
                        costs_by_variant[name].append(costs)
            print(f"{concurrency} at a time, {rounds} rounds of {seconds:g} s{'wall':>22}{'CPU':>17}{'PostgreSQL':>16}")
            first = costs_by_variant[compared[0][0]]
            for name, each in costs_by_variant.items():
                columns = []
                for kind in range(3):
                    ratio = median(one[kind] / base[kind] for one, base in zip(each, first, strict=True) if base[kind])
                    columns.append(f"{median(one[kind] for one in each):8.0f} {ratio:5.2f}")
                print(f"  {name:38}", *columns, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="images-pool-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder, "postgres"), options="-c fsync=off -c shared_buffers=256MB")
        server.start()
        try:
            variables = os.environ | {"DATABASE_URL": server.url(), "MIGRATION_DATABASE_URL": ""}
            subprocess.run([YOYO, "apply"], cwd=ROOT, env=variables, check=True, stdout=subprocess.DEVNULL)
            with psycopg.connect(server.url(), autocommit=True) as connection:
                scratch.fill(connection, arguments.rows)
            postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
            uvloop.run(measure(server.url(), postmaster, arguments.rounds, arguments.seconds))
        finally:
            server.release()


if __name__ == "__main__":
    main()
