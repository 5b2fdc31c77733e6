"""PgBouncer in front of the tests' PostgreSQL, as docs/how-to/operate/use-pgbouncer.md has it, with few connections."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from app.embedded_postgres import Server
from tests.support.waiting import wait_until

PORT = 6432  # of a socket: it is part of a file's name
SERVERS = 3  # connections to PostgreSQL, for each database and role
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")

INI = """
[databases]
* = host={host}

[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {port}
logfile = {folder}/log
auth_type = trust
auth_file = {folder}/users
admin_users = postgres
pool_mode = {mode}
default_pool_size = {servers}
max_client_conn = 200
query_wait_timeout = 10
server_login_retry = 1
ignore_startup_parameters = {ignored}
"""


class PgBouncer:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def url(self, direct: str) -> str:
        """Return the URL of the same database and role through the pooler."""
        return f"{direct.partition('?')[0]}?host={quote(str(self.folder), safe='')}&port={PORT}"

    def ask(self, command: str) -> list[dict[str, object]]:
        """Return the rows that its console returns for a SHOW command."""
        url = self.url("postgresql://postgres@/pgbouncer?")
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as console:
            return psycopg.ClientCursor(console, row_factory=dict_row).execute(command.encode()).fetchall()


@contextmanager
def pgbouncer(server: Server, mode: str = "transaction", ignored: str = "") -> Iterator[PgBouncer]:
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    with tempfile.TemporaryDirectory(prefix="pgbouncer") as name:
        folder = Path(name)
        folder.chmod(0o777)  # as root it runs as the user that PostgreSQL runs as
        host = conninfo_to_dict(server.url())["host"]
        ini = INI.format(host=host, folder=folder, port=PORT, mode=mode, servers=SERVERS, ignored=ignored)
        (folder / "pgbouncer.ini").write_text(ini)
        (folder / "users").write_text("".join(f'"{role}" ""\n' for role in ("postgres", "images_app", "images_owner")))
        process = subprocess.Popen([*server.as_user, PROGRAM, "--quiet", folder / "pgbouncer.ini"])
        try:
            wait_until(lambda: process.poll() is not None or (folder / f".s.PGSQL.{PORT}").exists())
            assert process.poll() is None, (folder / "log").read_text()
            yield PgBouncer(folder)
        finally:
            process.terminate()
            process.wait()
