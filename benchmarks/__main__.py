"""`make bench`: fill a database, start the servers, measure them in turns, and write the report."""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from benchmarks import contents
from benchmarks.check import check
from benchmarks.database import Database, database
from benchmarks.filters import pages
from benchmarks.limits.psql import pgbench, psql_export, psql_import
from benchmarks.load import Figures, load
from benchmarks.report import report
from benchmarks.results import Results
from benchmarks.servers import (
    FASTAPI,
    FASTIFY,
    PGBENCH,
    PSQL,
    STARLETTE,
    STORAGE,
    US,
    Server,
    create_token,
    servers,
)
from benchmarks.works import (
    BEFORE,
    CONTENT,
    GET,
    NEWEST,
    PATCH,
    S3_CONTENT,
    THUMBNAILS,
    UPLOAD,
    Work,
    head,
    import_files,
    pages_before,
    works,
)

WORKERS = [2, 4]
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


FULL = Size(1_000_000, 5, 0.5, 3.0, 3, 100_000, 10, 0.1)
QUICK = Size(200_000, 2, 0.3, 1.5, 1, 20_000, 3, 0.05)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows, shorter runs: five minutes")
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME",
        help="only works with NAME in their name, or workers, pages, export, import",
    )
    parser.add_argument(
        "--other", type=Path, metavar="FOLDER", help="also with the Python of another environment, such as .venv-3.13"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that each `finally` runs, which stops the servers
    try:
        results = measure_all(QUICK if arguments.quick else FULL, arguments.only, arguments.other)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"make bench: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    report(results, whole=not arguments.quick and not arguments.only)


def measure_all(size: Size, only: str, other: Path | None) -> Results:
    results = Results(size.rows)
    with database(size.rows) as filled:
        token = create_token(filled)
        with servers(filled, token, other=other) as started:
            results.starts = {name: (server.start, server.first) for name, server in started.items()}
            check(started)
            delete_added(filled)
            measure_works(results, size, filled, started, only)
            results.memory = {name: server.memory for name, server in started.items()}
            measure_contents(results, size, filled, started, only)
            ours = started[US]
            if only in "pages":
                print("pages of the list", flush=True)
                results.pages = pages(ours, filled, size.page_rounds, size.page_run)
            if only in "export":
                limit = partial(psql_export, filled)
                measure_copies("export", results.exports, size, partial(export_over_http, ours, size.rows), limit)
            if only in "import":
                ndjson, table = import_files(size.imported)
                limit = partial(psql_import, filled, table)
                restore = partial(delete_added, filled)
                measure_copies("import", results.imports, size, partial(import_over_http, ours, ndjson), limit, restore)
        for workers in WORKERS if only in "workers" else []:
            with servers(filled, token, workers=workers) as started:
                measure_works(results, size, filled, started, "", workers)
    return results


def measure_works(
    results: Results, size: Size, filled: Database, started: dict[str, Server], only: str, workers: int = 1
) -> None:
    """Measure each work on each of its servers, in turns. Each round begins with another server."""
    [(last,)] = filled.execute("SELECT id FROM images ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET 49")
    offered = works(size.rows, f"{last}", pages_before(filled), started[US].token)
    asked = {name: work for name, work in offered.items() if only in name}
    if workers > 1:
        asked = {name: work for name, work in asked.items() if name in {GET, NEWEST, BEFORE}}
    for number in range(size.rounds):
        for name, work in asked.items():
            names = [*work.servers, *(other for other in started if other.startswith(f"{US}, Python") and work.peers)]
            for who in in_turn(names, number):
                if who == PGBENCH and workers == 1:
                    figures = pgbench(filled, STATEMENTS[name], size.run)
                elif who in started:
                    figures = measure(work, started[who], filled, size)
                else:
                    continue
                results.add(name if workers == 1 else f"{name}, {workers} workers", who, figures, f"{number + 1}")
                if name == UPLOAD:
                    delete_added(filled)


def measure(work: Work, server: Server, filled: Database, size: Size) -> Figures:
    requests = work.requests()
    if STARLETTE in server.name:  # it has no images, so its answers contain none
        requests = ((request, b"") for request, _ in requests)
    return load(
        server.port,
        requests,
        status=work.status,
        warm_up=size.warm_up,
        seconds=size.run,
        cpu=partial(contents.used, server, filled),
    )


def in_turn(names: Iterable[str], number: int) -> list[str]:
    """Return the servers in the order of a round: each round begins with another one."""
    servers = [*names]
    first = number % len(servers)
    return servers[first:] + servers[:first]


def measure_contents(results: Results, size: Size, filled: Database, started: dict[str, Server], only: str) -> None:
    """Measure thumbnails of new photos, and the bytes of photos, in turns."""
    services = {name: started[name] for name in (US, FASTAPI, FASTIFY) if name in started}
    for number in range(size.rounds if only in THUMBNAILS else 0):
        for who in in_turn(services, number):
            results.add(THUMBNAILS, who, contents.thumbnails(services[who], filled), f"{number + 1}")
    if only in CONTENT:
        with contents.nginx() as limit:
            photos = {who: contents.contents_of(server) for who, server in services.items()} | limit
            for number in range(size.rounds):
                for who in in_turn(photos, number):
                    server, paths = photos[who]
                    requests = cycle([(head("GET", path, server.token), b"") for path in paths])
                    used = partial(contents.used, server, filled)
                    figures = load(server.port, requests, warm_up=size.warm_up, seconds=size.run, cpu=used)
                    results.add(CONTENT, who, figures, f"{number + 1}")
    if only in S3_CONTENT:
        with contents.on_s3(filled) as photos:
            for number in range(size.rounds):
                for who in in_turn(photos, number):
                    server, paths = photos[who]
                    results.add(S3_CONTENT, who, contents.ask(server, paths, filled), f"{number + 1}")
    delete_added(filled)


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
    connection.request("GET", "/v1/images/export", headers={"Authorization": f"Bearer {server.token}"})
    response = connection.getresponse()
    while size := response.readinto(buffer):
        lines += buffer.count(b"\n", 0, size)
    if (response.status, lines) != (200, rows):
        raise RuntimeError(f"the answer to an export is {response.status}, with {lines} lines")
    return perf_counter() - begun


def delete_added(filled: Database) -> None:
    """Delete the rows and photos that were added since the database was filled."""
    filled.delete_added()
    for stored in STORAGE.glob("*/sha256/*"):
        shutil.rmtree(stored)
    for stored in STORAGE.glob("[0-9]*/*"):
        stored.unlink()


if __name__ == "__main__":
    main()
