"""Commands of the phases: `images schema backfill status`, `run`, `pause`, `resume`, `cancel`, and `contract`."""

import click

from app.cli.commands.classes import Command, Group, format_option
from app.cli.commands.migration_names import migration_argument


@click.group(cls=Group)
def backfill() -> None:
    """Run and control migrations that write in batches."""


@backfill.command(
    params=[format_option("text", "json")],
    examples="images schema backfill status\nimages schema backfill status --format json",
    exit_codes={0: "all are done", 1: "some are not done", 3: "could not be read"},
)
def status(format: str) -> int:
    """Show the progress of each backfill."""
    from app.cli.phases import show_backfills

    return show_backfills(format)


@backfill.command(
    has_events=True,
    examples="images schema backfill run",
    exit_codes={0: "all are done", 1: "paused, or waiting for another migration or for yoyo apply"},
)
def run() -> int:
    """Run the backfills of the phase background.

    The command runs while the service serves. After a few seconds, it lets another migrator run. After an
    interruption, run the command again: it continues with the first row that is not done.
    """
    from app.cli.phases import run_phase

    return run_phase("background")


@backfill.command(has_events=True, examples="images schema backfill pause 0038")
@migration_argument
def pause(migration: str) -> None:
    """Pause a backfill after the batch that runs.

    It keeps its position. MIGRATION is an ID, its number, a part of it, or a file.
    """
    from app.cli.phases import change_backfill

    change_backfill(migration, "paused")


@backfill.command(has_events=True, examples="images schema backfill resume 0038")
@migration_argument
def resume(migration: str) -> None:
    """Allow a paused or cancelled backfill to run again.

    This command does not run it. `images schema backfill run` or `yoyo apply` does. MIGRATION is an ID, its number, a
    part of it, or a file.
    """
    from app.cli.phases import change_backfill

    change_backfill(migration, "running")


@backfill.command(has_events=True, examples="images schema backfill cancel 0038")
@migration_argument
def cancel(migration: str) -> None:
    """Stop a backfill and forget its position.

    It stops after the batch that runs. The rows that are done stay as they are. After `resume`, the backfill begins
    again with the first row. MIGRATION is an ID, its number, a part of it, or a file.
    """
    from app.cli.phases import change_backfill

    change_backfill(migration, "cancelled")


@click.command(
    cls=Command,
    has_events=True,
    examples="images schema contract\nimages schema contract --despite 'the sessions are those of a report'",
    exit_codes={0: "done", 1: "an older release may run, or a backfill is not done"},
)
@click.option("--despite", metavar="REASON", help="Apply even if sessions may belong to an older release.")
def contract(despite: str | None) -> int:
    """Apply the migrations of the phase contract.

    Run it when every instance of an older release has stopped. The command looks at the sessions on the database. It
    does not see an instance that has no connection open, or only connections to a replica.
    """
    from app.cli.phases import run_phase

    return run_phase("contract", despite)
