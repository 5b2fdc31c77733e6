"""`make bench`: fill a database, start the servers, measure them in turns, and write the report."""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from benchmarks.check import check
from benchmarks.database import Database, database
from benchmarks.filters import pages
from benchmarks.limits.psql import pgbench, psql
from benchmarks.load import Figures, load
from benchmarks.report import report
from benchmarks.results import Results
from benchmarks.servers import PGBENCH, PSQL, STARLETTE, STORAGE, US, Server, cpu, servers
from benchmarks.works import GET, NEWEST, PATCH, UPLOAD, Work, import_files, works

STATEMENTS = {GET: "get_image", NEWEST: "list_images", PATCH: "update_image"}


class Size(NamedTuple):
    """Size of a benchmark. Times are in seconds."""

    rows: int
    rounds: int
    warm_up: float
    run: float
    copies: int  # imports, and exports
    imported: int  # rows
    page_rounds: int
    page_run: float


FULL = Size(1_000_000, 5, 1.0, 5.0, 3, 100_000, 10, 0.1)
QUICK = Size(200_000, 2, 0.3, 1.5, 1, 20_000, 3, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, shorter runs: less than three minutes")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="only works with NAME in their name, or pages, export, import"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that each `finally` runs, which stops the servers
    try:
        results = measure_all(QUICK if arguments.quick else FULL, arguments.only)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"make bench: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    report(results, quick=arguments.quick)


def measure_all(size: Size, only: str) -> Results:
    results = Results(size.rows)
    with database(size.rows) as filled, servers(filled) as started:
        check(started)
        delete_added(filled)
        measure_works(results, size, filled, started, only)
        ours = started[US]
        if only in "pages":
            print("pages of the list", flush=True)
            results.pages = pages(ours, filled, size.page_rounds, size.page_run)
        if only in "export":
            limit = partial(psql, filled, "export_images.sql")
            measure_copies("export", results.exports, size, partial(export_over_http, ours, size.rows), limit)
        if only in "import":
            ndjson, table = import_files(size.imported)
            limit = partial(psql, filled, "import_images.sql", table)
            measure_copies(
                "import",
                results.imports,
                size,
                partial(import_over_http, ours, ndjson),
                limit,
                partial(delete_added, filled),
            )
        results.memory = ours.process.memory_info().rss
    return results


def measure_works(results: Results, size: Size, filled: Database, started: dict[str, Server], only: str) -> None:
    """Measure each work on each of its servers, in turns. Each round begins with another server."""
    [(last,)] = filled.execute("SELECT id FROM images ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET 49")
    asked = {name: work for name, work in works(size.rows, f"{last}").items() if only in name}
    for number in range(size.rounds):
        for name, work in asked.items():
            turn = number % len(work.servers)
            for server in work.servers[turn:] + work.servers[:turn]:
                if server == PGBENCH:
                    figures = pgbench(filled, STATEMENTS[name], size.run)
                elif server in started:
                    figures = measure(work, started[server], filled, size)
                else:
                    continue
                results.runs.setdefault((name, server), []).append(figures)
                print(f"{number + 1}/{size.rounds}  {name}: {server} {figures.rate:,.0f}/s", flush=True)
                if name == UPLOAD:
                    delete_added(filled)


def measure(work: Work, server: Server, filled: Database, size: Size) -> Figures:
    def used() -> tuple[float, float]:
        return cpu(server.process), cpu(filled.process)

    requests = work.requests()
    if server.name == STARLETTE:  # it has no images, so its answers contain none
        requests = ((request, b"") for request, _ in requests)
    return load(server.port, requests, status=work.status, warm_up=size.warm_up, seconds=size.run, cpu=used)


def measure_copies(
    what: str,
    seconds: dict[str, list[float]],
    size: Size,
    ours: Callable[[], float],
    limit: Callable[[], float],
    afterwards: Callable[[], None] = lambda: None,
) -> None:
    """Measure the seconds of our copy and of its limit, in turns. `afterwards` restores the database after each."""
    for number in range(size.copies):
        for server, copy in [(US, ours), (PSQL, limit)]:
            taken = copy()
            seconds.setdefault(server, []).append(taken)
            afterwards()
            print(f"{number + 1}/{size.copies}  {what}: {server} {taken:.1f} s", flush=True)


def import_over_http(server: Server, file: Path) -> float:
    begun = perf_counter()
    status, body = server.request("POST", "/v1/images/import", file.read_bytes(), "application/x-ndjson")
    if status != 200:
        raise RuntimeError(f"the answer to an import is {status} {body[:500]!r}")
    return perf_counter() - begun


def export_over_http(server: Server, rows: int) -> float:
    """Return the seconds of an export. The lines of the answer are counted and discarded."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=600)
    buffer, lines = bytearray(1024 * 1024), 0
    begun = perf_counter()
    connection.request("GET", "/v1/images/export")
    response = connection.getresponse()
    while size := response.readinto(buffer):
        lines += buffer.count(b"\n", 0, size)
    if (response.status, lines) != (200, rows):
        raise RuntimeError(f"the answer to an export is {response.status}, with {lines} lines")
    return perf_counter() - begun


def delete_added(filled: Database) -> None:
    """Delete the rows and photos that were added since the database was filled."""
    filled.delete_added()
    for folder in filter(Path.is_dir, STORAGE.iterdir()):
        for stored in folder.iterdir():
            shutil.rmtree(stored) if stored.is_dir() else stored.unlink()


if __name__ == "__main__":
    main()
