"""`make bench`: fills a database, starts the servers, measures them in turns, and reports."""

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
    """Of a whole benchmark. Times are in seconds."""

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
        "--only", default="", metavar="NAME", help="the works with NAME in theirs; or pages, export, import"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of `finally`: no server is left
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
        forget(filled)
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
                "import", results.imports, size, partial(import_over_http, ours, ndjson), limit, partial(forget, filled)
            )
        results.memory = ours.process.memory_info().rss
    return results


def measure_works(results: Results, size: Size, filled: Database, started: dict[str, Server], only: str) -> None:
    """Each work by all that do it, in turns, each round beginning with another."""
    [(last,)] = filled.execute("SELECT id FROM images ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET 49")
    asked = {name: work for name, work in works(size.rows, f"{last}").items() if only in name}
    for number in range(size.rounds):
        for name, work in asked.items():
            turn = number % len(work.by)
            for who in work.by[turn:] + work.by[:turn]:
                if who == PGBENCH:
                    figures = pgbench(filled, STATEMENTS[name], size.run)
                elif who in started:
                    figures = measure(work, started[who], filled, size)
                else:
                    continue
                results.runs.setdefault((name, who), []).append(figures)
                print(f"{number + 1}/{size.rounds}  {name}: {who} {figures.rate:,.0f}/s", flush=True)
                if name == UPLOAD:
                    forget(filled)


def measure(work: Work, server: Server, filled: Database, size: Size) -> Figures:
    def used() -> tuple[float, float]:
        return cpu(server.process), cpu(filled.process)

    requests = work.requests()
    if server.name == STARLETTE:  # which knows no images
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
    """Seconds of each, in turns. Afterwards it is to be as before."""
    for number in range(size.copies):
        for who, copy in [(US, ours), (PSQL, limit)]:
            taken = copy()
            seconds.setdefault(who, []).append(taken)
            afterwards()
            print(f"{number + 1}/{size.copies}  {what}: {who} {taken:.1f} s", flush=True)


def import_over_http(server: Server, file: Path) -> float:
    begun = perf_counter()
    status, body = server.request("POST", "/v1/images/import", file.read_bytes(), "application/x-ndjson")
    if status != 200:
        raise RuntimeError(f"an import is answered by {status} {body[:500]!r}")
    return perf_counter() - begun


def export_over_http(server: Server, rows: int) -> float:
    """The answer is counted and discarded."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=600)
    buffer, lines = bytearray(1024 * 1024), 0
    begun = perf_counter()
    connection.request("GET", "/v1/images/export")
    response = connection.getresponse()
    while size := response.readinto(buffer):
        lines += buffer.count(b"\n", 0, size)
    if (response.status, lines) != (200, rows):
        raise RuntimeError(f"an export is answered by {response.status} and {lines} lines")
    return perf_counter() - begun


def forget(filled: Database) -> None:
    """Delete the rows and photos that were added since the database was filled."""
    filled.forget()
    for folder in filter(Path.is_dir, STORAGE.iterdir()):
        for stored in folder.iterdir():
            shutil.rmtree(stored) if stored.is_dir() else stored.unlink()


if __name__ == "__main__":
    main()
