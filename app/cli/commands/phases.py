"""Commands of the phases: `images schema backfill status`, `run`, `pause`, `resume`, `cancel`, and `contract`."""

import click

from app.cli.commands.classes import Command, Group, format_option


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


@backfill.command(examples="images schema backfill pause 0038")
@click.argument("migration")
def pause(migration: str) -> None:
    """Pause a backfill after the batch that runs. It keeps its position."""
    from app.cli.phases import change_backfill

    change_backfill(migration, "paused")


@backfill.command(examples="images schema backfill resume 0038")
@click.argument("migration")
def resume(migration: str) -> None:
    """Allow a paused or cancelled backfill to run again.

    This command does not run it. `images schema backfill run` or `yoyo apply` does.
    """
    from app.cli.phases import change_backfill

    change_backfill(migration, "running")


@backfill.command(examples="images schema backfill cancel 0038")
@click.argument("migration")
def cancel(migration: str) -> None:
    """Stop a backfill and forget its position.

    It stops after the batch that runs. The rows that are done stay as they are. After `resume`, the backfill begins
    again with the first row.
    """
    from app.cli.phases import change_backfill

    change_backfill(migration, "cancelled")


@click.command(
    cls=Command,
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
