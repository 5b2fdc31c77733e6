"""Phases background and contract: apply the migrations that wait for their command, and those that wait for them."""

from collections.abc import Sequence
from pathlib import Path

from yoyo.migrations import MigrationList

from app.errors import CommandError, ExitCode
from app.migrations.backend import SettingsBackend
from app.migrations.connection import Connection
from app.migrations.migrator import FinishedElsewhereError
from app.migrations.older_sessions import older_sessions, unknown_sessions
from app.program import SCHEMA
from app.schema.headers import directives
from app.schema.history import Entry
from app.schema.phases import Phase, needed
from app.settings import Settings


def apply_phase(backend: SettingsBackend, migrations: MigrationList, phase: Phase) -> bool:
    """Apply the migrations of a phase whose requirements are applied, one by one, inside the lock.

    The expand migrations that waited only for them follow at once. Return whether nothing of this phase is left. A
    backfill of the phase expand that `yoyo apply` has not finished counts as left in the phase background.
    """
    backend.to_apply(migrations)  # so that the backend knows all files
    has_run = False
    while (released := _released(entries := backend.known.entries(), phase)) or not has_run:
        has_run = True  # at least once: an earlier run may have left its lock row
        backend.released = released
        try:
            backend.apply_migrations(migrations.filter(lambda each: each.id in backend.released))
        except FinishedElsewhereError:
            continue
    left = [entry for entry in entries if entry.waits and entry.phase == phase]
    for entry in left:
        backend.report(f"{entry.id} {entry.waits}")
    paths = {migration.id: Path(migration.path) for migration in migrations}
    for entry in entries if phase == "background" else []:
        is_pending = entry.phase == "expand" and entry.lacking and not entry.waits and entry.id in paths
        if is_pending and "backfill" in directives(paths[entry.id]):
            left.append(entry)
            backend.report(f"{entry.id} waits for the command: yoyo apply")
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

    A session whose release is not known may be one. Return these sessions in words.
    """
    seen = [*older_sessions(connection), *unknown_sessions(connection, settings)]
    if seen and not reason:
        raise CommandError(
            f"nothing was applied: an older release may still run, by its sessions: {'; '.join(seen)}.",
            f"stop its instances. If these sessions do not belong to an older release, give the reason: {SCHEMA} "
            f"contract --despite REASON",
            ExitCode.ACTION_NEEDED,
        )
    return seen
