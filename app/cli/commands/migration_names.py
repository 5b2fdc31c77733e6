"""Names of migrations as arguments: an ID, its number, a part of it, or a file. A shell completes IDs."""

from contextlib import suppress

import click

from app.errors import UsageError


def complete_migration(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the IDs of migrations that begin with `incomplete`, for completion in a shell."""
    from app.project import chosen, current

    group: click.Context | None = context
    while group is not None and "project" not in group.params:
        group = group.parent
    with suppress(UsageError), chosen(group.params["project"] if group else None):
        names = (path.stem for path in current().migrations.glob("*.sql") if not path.stem.endswith(".rollback"))
        return sorted(name for name in names if name.startswith(incomplete))
    return []


migration_argument = click.argument("migration", shell_complete=complete_migration)
migrations_argument = click.argument(
    "migrations", nargs=-1, metavar="[MIGRATION]...", shell_complete=complete_migration
)
