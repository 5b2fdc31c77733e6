"""Renumber command: `images schema renumber`, which gives a migration the next free number."""

from pathlib import Path

from app.migrations import renumber
from app.migrations.output import Output, requested


def renumber_migration(file: Path) -> None:
    """Rename the files of a migration, and say what else may name it."""
    output = Output(requested())
    moved = renumber.renumber(file)
    for old, new in moved:
        output.report(f"renumbered {old} to {new}")
    if not moved:
        output.report("nothing to renumber: it has the next number already", "nothing")
