"""A backfill beside one UPDATE of all rows: `python -m benchmarks.backfill`, about seven minutes.

Both change each image of a database as `make bench` fills it. First each has the server for itself, in turns. Then each
runs beside the clients of `make soak`: the backfill on the database of these clients, and it is killed on the way. The
UPDATE is on another database, because on the same one the clients would wait for its row locks until it ends. The
settings of a backfill come from the environment: BACKFILL_PAUSE=0.1 python -m benchmarks.backfill
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import httpx
import psycopg

from app.schema.history import shipped
from app.settings import ROOT
from benchmarks.database import OPTIONS, YOYO, Database, database
from tests.soak.load import REQUEST_TIMEOUT, Client, Outcome
from tests.soak.report import Absence, Act, Report, as_text
from tests.soak.siege import until_ready
from tests.soak.stage import Instance
from tests.support.cluster import Mortal

PAUSE = 0.25  # seconds between two requests of a client
WARM_UP = 10.0  # seconds
ADD, FILL = "9998_add_times_done", "9999_fill_times_done"
WHOLE = "UPDATE images SET times_done = coalesce(times_done, 0) + 1"
MIGRATIONS = {  # format with the newest migration
    ADD: """\
-- Adds times_done, which counts how often the backfill did a row.
--
-- depends: {}

ALTER TABLE images ADD times_done integer;
""",
    FILL: f"""\
-- Counts.
--
-- backfill: images
-- depends: {ADD}

{WHOLE} WHERE (created_at, id) BETWEEN ($1, $2) AND ($3, $4);
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="images (default: 1000000)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="rounds without clients (default: 2)")
    parser.add_argument(
        "--kills", type=int, default=5, metavar="N", help="of the migrator, one of the server (default: 5)"
    )
    parser.add_argument("--clients", type=int, default=24, metavar="N", help="clients; 0: only without (default: 24)")
    parser.add_argument("--quiet", type=float, default=40.0, metavar="SECONDS", help="clients only (default: 40)")
    arguments = parser.parse_args()
    with database(arguments.rows) as filled, tempfile.TemporaryDirectory() as temporary:
        bench = Bench(filled, Path(temporary))
        if arguments.rounds:
            bench.without_clients(arguments.rounds)
        if arguments.clients:
            asyncio.run(bench.beside_clients(arguments.clients, arguments.quiet, arguments.kills))


class Bench:
    def __init__(self, filled: Database, folder: Path) -> None:
        self.filled, self.folder = filled, folder
        self.migrations = folder / "migrations"
        shutil.copytree(ROOT / "sql" / "migrations", self.migrations)
        newest = max(shipped())
        for name, text in MIGRATIONS.items():
            (self.migrations / f"{name}.sql").write_text(text.format(newest))
            (self.migrations / f"{name}.rollback.sql").write_text("-- loses: nothing\n\nSELECT 1;\n")
        (folder / "objects" / "sha256").mkdir(parents=True)  # the rows of the benchmark have no bytes

    def without_clients(self, rounds: int) -> None:
        """Time both in turns, each on a new copy, and print the medians."""
        backfills, updates = [], []
        for number in range(rounds):
            for work in ("backfill", "update")[:: 1 if number % 2 else -1]:
                with self.filled.copied("bench_copy") as url:
                    self.yoyo(url, "apply", "--revision", ADD)
                    if work == "backfill":
                        backfills.append(timed(partial(self.yoyo, url, "apply")))
                    else:
                        updates.append(timed(partial(update, url)))
        backfill, whole = median(backfills), median(updates)
        print(
            f"without clients: backfill {backfill:.1f} s, UPDATE {whole:.1f} s, speed {whole / backfill:.2f}",
            flush=True,
        )

    async def beside_clients(self, number: int, quiet: float, kills: int) -> None:
        """Start an instance and clients, run both beside them, and print the requests and the times."""
        variables = {
            "DATABASE_URL": self.filled.url,
            "STORAGE_URL": f"file:{self.folder / 'objects'}",
            "AUTH": "none",
            "WEB_CONCURRENCY": "2",
        }
        instance = Instance("instance", ROOT, self.folder, variables)
        outcomes: list[Outcome] = []
        url = f"http://127.0.0.1:{instance.port}"
        try:
            await until_ready(instance)
            async with httpx.AsyncClient(base_url=url, timeout=REQUEST_TIMEOUT) as http:
                clients = [Client(n, http, outcomes, PAUSE) for n in range(number)]
                working = [asyncio.create_task(client.work()) for client in clients]
                try:
                    acts, absences = await self.run_acts(quiet, kills)
                finally:
                    for task in working:
                        task.cancel()
                    await asyncio.wait(working)
                lost = [line for client in clients for line in await client.verify()]
        finally:
            instance.kill()
        print(as_text(Report(acts, absences, outcomes, sum(client.acknowledged for client in clients), lost, 0, [])))
        _, backfill, whole = (act.ended - act.begun for act in acts)
        down = sum(absence.ended - absence.begun for absence in absences)
        print(f"beside clients: backfill {backfill:.1f} s, UPDATE {whole:.1f} s, speed {whole / backfill:.2f}")
        if absences:
            print(f"without the {down:.1f} s without PostgreSQL: speed {whole / (backfill - down):.2f}")
        done = self.filled.execute(
            "SELECT times_done, count(*) FROM images WHERE created_at < '2026-01-01Z' GROUP BY times_done"
        )
        print(f"how often a row was done, and rows: {done}")

    async def run_acts(self, quiet: float, kills: int) -> tuple[list[Act], list[Absence]]:
        """Run the acts beside the clients. Return them, and the times without PostgreSQL."""
        acts, absences = [], []
        clock = asyncio.get_running_loop().time

        @asynccontextmanager
        async def act(name: str) -> AsyncIterator[None]:
            begun = clock()
            yield
            acts.append(Act(name, begun, clock(), resets=False))

        with self.filled.copied("bench_copy") as copy:
            for url in (self.filled.url, copy):
                await asyncio.to_thread(self.yoyo, url, "apply", "--revision", ADD)
            await asyncio.sleep(WARM_UP)
            async with act("clients only"):
                await asyncio.sleep(quiet)
            async with act("backfill"):
                for begun, ended in await asyncio.to_thread(self.backfill_with_kills, kills):
                    absences.append(Absence("PostgreSQL", begun, ended))
            async with act("UPDATE of another database"):
                await asyncio.to_thread(update, copy)
        return acts, absences

    def backfill_with_kills(self, kills: int) -> list[tuple[float, float]]:
        """Run the backfill, kill it on the way, and return from when to when the server was down.

        The kill in the middle is of the server.
        """
        server = Mortal(self.filled.server.data, f"-c fsync=on {OPTIONS}", "bench")
        down = []
        for kill in range(1, kills + 1):
            process = self.start(self.filled.url, "apply")
            while self.done() < self.filled.rows * kill // (kills + 1):
                if process.poll() is not None:
                    raise RuntimeError(f"the backfill ended with {process.returncode}: {process.communicate()[0]}")
                sleep(0.05)
            if kill == (kills + 1) // 2:
                begun = monotonic()
                server.kill()
                server.up()
                process.wait()
                down.append((begun, monotonic()))
            else:
                process.kill()
                process.wait()
        self.yoyo(self.filled.url, "apply")
        return down

    def done(self) -> int:
        """Return how many rows the backfill has done."""
        with suppress(psycopg.Error):
            for (rows,) in self.filled.execute(
                "SELECT rows_done FROM _yoyo_ledger_backfills WHERE migration_id = %s", FILL
            ):
                return int(rows)
        return 0

    def start(self, url: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [YOYO, *arguments, self.migrations],
            cwd=ROOT,
            # An installation has the bytecode of its modules. Without it, each start takes twice as long.
            env=os.environ | {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": "", "PYTHONDONTWRITEBYTECODE": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def yoyo(self, url: str, *arguments: str) -> None:
        process = self.start(url, *arguments)
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"yoyo {' '.join(arguments)}: {output}")


def update(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(WHOLE)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that the work took."""
    begun = monotonic()
    work()
    return monotonic() - begun


if __name__ == "__main__":
    main()
