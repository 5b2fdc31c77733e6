"""Older releases: sessions of the service that, by application_name, run an older release than this one."""

import re
import tomllib

from psycopg.conninfo import conninfo_to_dict

from app.embedded_postgres import connectable
from app.migrations.connection import Connection, run
from app.project import current
from app.schema.files import migration_paths
from app.schema.history import number
from app.settings import Settings

NUMBER = re.compile(r"[0-9]+")


def older_sessions(connection: Connection) -> list[str]:
    """Return the sessions of the service that are of an older release, in words."""
    return [
        f"{sessions} of {program} (an older release)"
        for program, _, sessions in run(connection, "find_sessions").fetchall()
        if _is_service(program) and _is_older(program.partition(" ")[2])
    ]


def unknown_sessions(connection: Connection, settings: Settings) -> list[str]:
    """Return the sessions of the service's role whose release is not known, in words.

    A pooler may give them its own name. If DATABASE_URL is the owner's here, the service's role is not known, so each
    role counts.
    """
    role = conninfo_to_dict(connectable(settings.database_url)).get("user")
    is_known = role != connection.info.user
    return [
        f"{sessions} of {program or 'no application_name'} (role {user}, its release is not known)"
        for program, user, sessions in run(connection, "find_sessions").fetchall()
        if not _is_service(program) and program != f"{current().name}-migrations" and (user == role or not is_known)
    ]


def _is_service(program: str) -> bool:
    return program.partition(" ")[0] == current().name


def _is_older(release: str) -> bool:
    """Return whether the release is older than this one: by its version, then by the number of its newest migration.

    A name without a version is that of an early release. So is one of this service without a number.
    """
    with (current().folder / "pyproject.toml").open("rb") as file:
        own = str(tomllib.load(file)["project"]["version"])
    version, _, newest = release.partition(" ")
    if not version or _numbers(version) != _numbers(own):
        return _numbers(version) < _numbers(own)
    if not newest:
        return current().is_own
    return _numbers(newest) < _numbers(number(max(path.name for path in migration_paths(current().migrations))))


def _numbers(release: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(release)]
