"""Sizes and WAL of two schemas: `python -m benchmarks.sizes 0037`, eight minutes at a million images.

It fills a database after that migration, and one after all migrations, with images in the order of time. So the indexes
grow as those of uploads do. It prints the sizes of tables and indexes. Then come single writes, each in a transaction:
the WAL of each without full-page images, and the share of the edits that is HOT.
"""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import LiteralString

import psycopg
from psycopg.sql import SQL
from psycopg.types.numeric import Int8

from app.embedded_postgres import Server
from app.migrations.connection import run_text
from app.review import scratch
from app.schema.history import shipped
from app.settings import ROOT
from benchmarks.database import DATA, OPTIONS, YOYO

WRITES = 2_000
SIZES: LiteralString = """
    SELECT relname, pg_table_size(oid)
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND pg_table_size(oid) > 10 * 1024 ^ 2
    ORDER BY relkind DESC, relname
"""
EDITS: dict[str, LiteralString] = {
    "edit of a title": "title = 'Seen from bridge ' || length(filename)",
    "edit of attributes": "attributes = attributes || '{\"iso\": 50}'",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizes", description=__doc__)
    parser.add_argument("migration", help="ID or number of the last migration of the first schema")
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="images (default: 1000000)")
    arguments = parser.parse_args()
    before = next(name for name in sorted(shipped()) if name.startswith(arguments.migration))
    for last, options in ((before, ["-r", before]), (max(shipped()), [])):
        with server(options) as url, psycopg.connect(url, autocommit=True) as connection:
            print(f"\n{arguments.rows:,} images after {last}", flush=True)
            scratch.fill(connection, arguments.rows)
            print("\n| table or index | MB |\n|---|---|")
            for name, size in connection.execute(SIZES).fetchall():
                print(f"| `{name}` | {size / 1e6:,.1f} |")
            print("\n| write | bytes of WAL | HOT |\n|---|---|---|", flush=True)
            write(connection, arguments.rows)


@contextmanager
def server(options: list[str]) -> Iterator[str]:
    """Start a server whose database is made by `yoyo apply` with these options. Yield its URL, and remove it."""
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        started = Server(Path(folder, "postgres"), options=f"{OPTIONS} -c full_page_writes=off")
        started.start()
        try:
            environment = os.environ | {"DATABASE_URL": started.url(), "MIGRATION_DATABASE_URL": ""}
            subprocess.run([YOYO, "apply", *options], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
            yield started.url()
        finally:
            started.release()


def write(connection: psycopg.Connection, rows: int) -> None:
    """Insert images one by one, change others at random, and print a line for each kind of write."""
    insert = scratch.fitting(connection, ROOT / "sql" / "review" / "fill_images.sql")
    begun = position(connection)
    for number in range(rows + 1, rows + WRITES + 1):
        run_text(connection, insert, first=Int8(number), last=Int8(number))
    print(f"| upload | {(position(connection) - begun) // WRITES:,} | |")
    numbers = Random(1)  # noqa: S311
    for name, change in EDITS.items():
        begun, hot = position(connection), hot_updates(connection)
        for _ in range(WRITES):
            connection.execute(
                SQL("UPDATE images SET {} WHERE id = md5('image ' || %s)::uuid").format(SQL(change)),
                (numbers.randrange(1, rows),),
            )
        share = (hot_updates(connection) - hot) / WRITES
        print(f"| {name} | {(position(connection) - begun) // WRITES:,} | {share:.0%} |", flush=True)


def position(connection: psycopg.Connection) -> int:
    """Return the end of the WAL, in bytes."""
    [(end,)] = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchall()
    return int(end)


def hot_updates(connection: psycopg.Connection) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")
    [(number,)] = connection.execute(
        "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'images'"
    ).fetchall()
    return int(number)


if __name__ == "__main__":
    main()
