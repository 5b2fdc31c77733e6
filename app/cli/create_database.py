"""Database command: `images database create`, which makes a database and its roles with sql/roles.sql."""

import os
import re
import shutil
import subprocess

import psycopg
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import binaries
from app.errors import CannotConnectError, CommandError, UsageError
from app.settings import ROOT
from app.text import one_line, printable

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
MAINTENANCE = "postgres"  # the database to connect to before there is another one
CLOSED = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND NOT rolcanlogin"
LOGINS = "SELECT FROM pg_auth_members JOIN pg_roles r ON r.oid = member WHERE roleid = to_regrole(%s) AND rolcanlogin"
EMBEDDED_VERSION = 18  # of PostgreSQL's programs in the embedded wheel


def create_database(name: str, owner: str, app: str, former: str | None = None) -> None:
    """Create what does not exist yet, and print what was done. Raises CommandError.

    The connection is that of psql: PGHOST, PGPORT, PGUSER and the password file. So no password is an argument.
    """
    for option, value in (("NAME", name), ("--owner", owner), ("--app", app), ("--former", former)):
        if value is not None and not NAME.fullmatch(value):
            raise UsageError(
                f'{option}: "{printable(value)}" must have lower-case letters, digits and _ only.', "for example: shop"
            )
    if owner == app:
        raise UsageError("--owner and --app must be two roles.", "the service must not own its tables")
    try:
        with psycopg.connect(dbname=MAINTENANCE, autocommit=True, connect_timeout=10) as connection:
            known = {each for (each,) in connection.execute("SELECT datname FROM pg_database")}
            roles = {each for (each,) in connection.execute("SELECT rolname FROM pg_roles")}
            if former is not None and former not in roles:
                raise UsageError(f"--former: there is no role {former}.", "name the role that owns the tables now")
            if name not in known:
                connection.execute(
                    SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(Identifier(name))
                )
    except psycopg.OperationalError as error:
        raise CannotConnectError(os.environ.get("PGHOST"), os.environ.get("PGPORT"), "PGHOST", error) from error
    except psycopg.Error as error:
        raise CommandError(f"the database {name} cannot be created: {one_line(str(error))}.") from error
    print(f"{'database':9}{name:20}{'is there' if name in known else 'created'}")
    _make_roles(name, owner, app, former)
    opened = _open(owner, app)
    for role in (owner, app):
        state = "is there" if role in roles else "created"
        print(f"{'role':9}{role:20}{state}{', and can log in now' if role in opened else ''}")
    print(f"next: set passwords with psql -d {name} -c '\\password {owner}', and the same for {app}")
    print(f"DATABASE_URL=postgresql://{app}:PASSWORD@HOST/{name}")
    print(f"MIGRATION_DATABASE_URL=postgresql://{owner}:PASSWORD@HOST/{name}")


def _open(owner: str, app: str) -> set[str]:
    """Let the roles log in that cannot, and return them. Raises CommandError.

    An owner with a member that can log in stays as it is: it is a MIGRATION_ROLE.
    """
    try:
        with psycopg.connect(dbname=MAINTENANCE, autocommit=True, connect_timeout=10) as connection:
            closed = {role for (role,) in connection.execute(CLOSED, [[owner, app]])}
            if owner in closed and connection.execute(LOGINS, [owner]).rowcount:
                closed.remove(owner)
            for role in sorted(closed):
                connection.execute(SQL("ALTER ROLE {} LOGIN").format(Identifier(role)))
    except psycopg.Error as error:
        reason = one_line(str(error)).rstrip(".")
        raise CommandError(
            f"the roles cannot log in: {reason}.", f"as a superuser: ALTER ROLE {owner} LOGIN; ALTER ROLE {app} LOGIN"
        ) from error
    return closed


def _make_roles(name: str, owner: str, app: str, former: str | None) -> None:
    psql = shutil.which("psql") or str(binaries(EMBEDDED_VERSION) / "psql")
    variables = ["-v", f"owner={owner}", "-v", f"app={app}"]
    if former is not None:
        variables += ["-v", f"former={former}"]
    command = [psql, "--no-psqlrc", "--quiet", "-d", name, *variables, "-f", str(ROOT / "sql" / "roles.sql")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = re.search(r"(?:ERROR|FATAL):\s+(.*)", done.stderr)
        hint = re.search(r"HINT:\s+(.*)", done.stderr)
        reason = said[1] if said else one_line(done.stderr)
        print("the database stays, and no role was changed")
        raise CommandError(f"the roles cannot be created: {reason.rstrip('.')}.", hint[1] if hint else None)
