"""Database of the benchmark: PostgreSQL 18 with settings of production, and rows that resemble real images."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psutil
import psycopg
from psycopg.rows import TupleRow

from app.embedded_postgres import Server
from app.review import scratch
from app.settings import ROOT

DATA = ROOT / ".data" / "bench"
OPTIONS = (
    "-c shared_buffers=1GB -c effective_cache_size=4GB -c maintenance_work_mem=512MB -c random_page_cost=1.1 "
    "-c max_wal_size=8GB -c checkpoint_timeout=30min -c max_connections=300"  # four workers of each service
)
YOYO = Path(sys.executable).with_name("yoyo")


class Database:
    def __init__(self, server: Server, rows: int) -> None:
        self.server = server
        self.bin = server.bin
        self.rows = rows
        self.url = server.url("bench")
        self.process = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))

    def execute(self, statement: str, *arguments: object) -> list[TupleRow]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

    def delete_added(self) -> None:
        """Delete the rows that were added. Those of fill_images.sql stay: their created_at is in 2020."""
        self.execute("DELETE FROM images WHERE created_at >= '2026-01-01Z'")
        self.execute("VACUUM (INDEX_CLEANUP ON)")

    @contextmanager
    def copied(self, name: str) -> Iterator[str]:
        """Yield the URL of another copy of the database `filled`, and drop it."""
        url = self.server.url()
        with psycopg.connect(url, autocommit=True) as admin:
            _copy(admin, name)
        try:
            yield self.server.url(name)
        finally:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def database(rows: int) -> Iterator[Database]:
    """Yield the database `bench`, a new copy of the database `filled`.

    If no earlier run has filled that one from the same SQL files, fill it first.
    """
    files = [*sorted((ROOT / "sql" / "migrations").glob("*.sql")), ROOT / "sql" / "review" / "fill_images.sql"]
    version = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    data = DATA / f"postgres-{rows}-{version}"
    for outdated in set(DATA.glob(f"postgres-{rows}-*")) - set(DATA.glob(f"{data.name}*")):
        shutil.rmtree(outdated) if outdated.is_dir() else outdated.unlink()
    server = Server(data, options=OPTIONS)
    server.start()
    try:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            if not admin.execute("SELECT FROM pg_database WHERE datname = 'filled'").fetchall():
                _fill(server, admin, rows)
            _copy(admin, "bench")
        yield Database(server, rows)
    finally:
        server.release()


def _copy(admin: psycopg.Connection, name: str) -> None:
    admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
    admin.execute(f"CREATE DATABASE {name} TEMPLATE filled STRATEGY file_copy".encode())


def _fill(server: Server, admin: psycopg.Connection, rows: int) -> None:
    """Create the database `filled`. Its indexes grow with the rows, as those of uploads do."""
    print(f"fill a database with {rows:,} rows, which later runs copy", flush=True)
    admin.execute("DROP DATABASE IF EXISTS filling")
    admin.execute("CREATE DATABASE filling")
    environment = os.environ | {"DATABASE_URL": server.url("filling"), "MIGRATION_DATABASE_URL": ""}
    subprocess.run([YOYO, "apply"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    with psycopg.connect(server.url("filling"), autocommit=True) as connection:
        scratch.fill(connection, rows)
        connection.execute("VACUUM (FREEZE, ANALYZE)")
    admin.execute("ALTER DATABASE filling RENAME TO filled")
