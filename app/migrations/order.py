"""Order of migrations: which of them may be applied, rolled back, marked, or unmarked now."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from app.errors import CommandError, ExitCode, UsageError
from app.schema.history import ACCEPT_ALL, Entry
from app.schema.phases import needed

NUMBER = re.compile("[1-9][0-9]{0,3}|[0-9]{4}")  # that of a migration, with or without its zeros


def reject_problems(entries: Sequence[Entry]) -> None:
    """Raise CommandError if one of these migrations has a problem, with all of them."""
    wrong = [entry for entry in entries if entry.problem]
    if len(wrong) == 1:
        raise CommandError(f"{wrong[0].problem}.", wrong[0].advice, ExitCode.ACTION_NEEDED)
    if all(entry.state == "edited" for entry in wrong):
        reject_faults([f"{entry.problem}." for entry in wrong], ACCEPT_ALL)
    reject_faults([entry.fault for entry in wrong])


def reject_faults(faults: Sequence[str], hint: str | None = None) -> None:
    """Raise CommandError if there are faults, with one line for each."""
    if faults:
        raise CommandError("\n  ".join(["nothing was done:", *faults]), hint, ExitCode.ACTION_NEEDED)


def reject_gap(names: Sequence[str], entries: Sequence[Entry], command: str) -> None:
    """Raise CommandError if one of the names, in order, needs a migration that is not applied."""
    requires = {entry.id: entry.depends for entry in entries}
    for name in reversed(names):
        wanted = needed([name], requires)
        for entry in entries:
            if entry.id in wanted and not entry.applied and entry.id not in names:
                raise CommandError(
                    f"{name} needs {entry.id}, which is not applied.",
                    f"{entry.id} {entry.waits}" if entry.waits else f"{command} {name}",
                    ExitCode.ACTION_NEEDED,
                )


def reject_needed(names: Sequence[str], entries: Sequence[Entry], command: str) -> None:
    """Raise CommandError if a migration that stays applied needs one of the names. The names are in reverse order."""
    for entry in entries:
        if entry.id in names and entry.replaced:
            raise CommandError(
                f"{entry.id} is a baseline: this database applied one by one the {entry.replaced} migrations that it "
                "replaces.",
                f"roll them back with the release {entry.release}, which has their files",
                ExitCode.ACTION_NEEDED,
            )
    requires = {entry.id: entry.depends for entry in entries if entry.state not in ("newer", "missing")}
    above = [
        entry
        for entry in entries
        if names
        and entry.applied
        and entry.id >= names[-1]
        and (entry.id not in requires or not needed([entry.id], requires).isdisjoint(names))
    ]
    reject_problems(above)
    for entry in above:
        if entry.id not in names:
            how = f"{command} {names[-1]}"
            if entry.state == "newer":
                how = f"roll back {entry.id} first, with the release that has it"
            raise CommandError(f"{entry.id} is applied and needs {names[-1]}.", how, ExitCode.ACTION_NEEDED)


def find_id(name: str, known: Iterable[str]) -> str:
    """Return the only known ID that `name` means: an ID, a number (84 or 0084), a part of an ID, or a file.

    If there is none, return `name` without the endings of a file. Raises UsageError if there are several.
    """
    known = list(known)
    if name.endswith(".sql"):
        name = PurePath(name).name.removesuffix(".sql").removesuffix(".rollback")
    number = f"{int(name):04}_" if NUMBER.fullmatch(name) else None
    for found in (
        [id for id in known if id == name],
        [id for id in known if number and id.startswith(number)],
        [id for id in known if id.startswith(name)],
        [id for id in known if name in id],
    ):
        if len(found) > 1:
            raise UsageError(f"{name} could be any of these migrations: {', '.join(found)}.", "write more of the ID")
        if found:
            return found[0]
    return name


def reject_force(force: bool) -> None:
    """Raise UsageError if yoyo's option --force was given."""
    if force:
        raise UsageError(
            "--force is not supported, because it records failed migrations as applied.",
            "fix the cause, or record by hand: yoyo mark -r NAME",
        )
