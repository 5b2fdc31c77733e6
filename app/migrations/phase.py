"""Phases background and contract: apply the migrations that wait for their command, and those that wait for them."""

import re
import tomllib
from collections.abc import Sequence

from psycopg.conninfo import conninfo_to_dict
from yoyo.migrations import MigrationList

from app.embedded_postgres import connectable
from app.errors import CommandError, ExitCode
from app.migrations.backend import SettingsBackend
from app.migrations.connection import Connection, run
from app.migrations.migrator import FinishedElsewhereError
from app.program import SCHEMA
from app.project import current
from app.schema.history import Entry
from app.schema.phases import Phase, needed
from app.settings import Settings

NUMBER = re.compile(r"[0-9]+")


def apply_phase(backend: SettingsBackend, migrations: MigrationList, phase: Phase) -> bool:
    """Apply the migrations of a phase whose requirements are applied, one by one, inside the lock.

    The expand migrations that waited only for them follow at once. Return whether nothing of this phase is left.
    """
    backend.to_apply(migrations)  # so that the backend knows all files
    has_run = False
    while (released := _released(entries := backend.entries(), phase)) or not has_run:
        has_run = True  # at least once: an earlier run may have left its lock row
        backend.released = released
        try:
            backend.apply_migrations(migrations.filter(lambda each: each.id in backend.released))
        except FinishedElsewhereError:
            continue
    left = [entry for entry in entries if entry.waits and entry.phase == phase]
    for entry in left:
        backend.report(f"{entry.id} {entry.waits}")
    return not left


def _released(entries: Sequence[Entry], phase: Phase) -> frozenset[str]:
    """Return the first migration of the phase that may run now, and the expand migrations that wait only for it.

    If an earlier run was cut off between the two, return the expand migrations that are left.
    """
    ready = {entry.id for entry in entries if not entry.waits}
    requires = {entry.id: entry.depends for entry in entries}
    of_phase = {entry.id for entry in entries if entry.phase == phase}
    released = {
        entry.id
        for entry in entries
        if entry.id in ready and entry.lacking and not of_phase.isdisjoint(needed([entry.id], requires) - {entry.id})
    }
    for entry in entries:
        is_next = entry.phase == ("expand" if released else phase)
        if entry.waits and is_next and ready.union(released).issuperset(entry.depends):
            released.add(entry.id)
    return frozenset(released)


def reject_older_sessions(connection: Connection, settings: Settings, reason: str | None) -> list[str]:
    """Raise CommandError if a session may be of an older release, unless the operator gives a reason.

    The service names itself and its release in application_name. A session of the service's role with another name may
    also be of an older release, for example behind a pooler. If DATABASE_URL is the owner's here, the service's role is
    not known, so this applies to each role. Return these sessions in words.
    """
    role = conninfo_to_dict(connectable(settings.database_url)).get("user")
    is_known = role != connection.info.user
    seen = []
    for program, user, sessions in run(connection, "find_sessions").fetchall():
        first, _, release = program.partition(" ")
        if first == current().name and _is_older(release):
            seen.append(f"{sessions} of {program} (an older release)")
        elif first != current().name and (user == role or not is_known):
            seen.append(f"{sessions} of {program or 'no application_name'} (role {user}, its release is not known)")
    if seen and not reason:
        raise CommandError(
            f"nothing was applied: an older release may still run, by its sessions: {'; '.join(seen)}.",
            f"stop it. If these sessions are not of an older release, say why: {SCHEMA} contract --despite REASON",
            ExitCode.ACTION_NEEDED,
        )
    return seen


def _is_older(release: str) -> bool:
    """Return whether the release is older than this one. A name without a release is that of an early one."""
    with (current().folder / "pyproject.toml").open("rb") as file:
        own = str(tomllib.load(file)["project"]["version"])
    return not release or _numbers(release) < _numbers(own)


def _numbers(release: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(release)]
