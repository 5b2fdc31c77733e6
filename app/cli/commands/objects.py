"""Commands of the object store: `images objects check` and `images objects keep`."""

import click

from app.cli.commands.classes import Command, Group, Seconds, format_option
from app.errors import UsageError


@click.group(cls=Group)
def objects() -> None:
    """Check the object store, and back it up."""


@objects.command(
    params=[format_option("text", "json")],
    examples="images objects check\nimages objects check --remove-orphans --grace 3600",
    exit_codes={0: "no findings, or all findings were removed", 1: "findings"},
)
@click.option(
    "--grace",
    type=Seconds(min=0, max=3_155_760_000),
    default=86_400,
    show_default=True,
    metavar="SECONDS",
    help="Ignore objects newer than this, because an upload or import may still be running.",
)
@click.option("--remove-orphans", is_flag=True, help="Remove bytes that belong to no image.")
def check(grace: float, remove_orphans: bool, format: str) -> int:
    """Find images without bytes, and bytes without an image."""
    from app.cli.check_objects import check_objects

    return check_objects(grace, remove_orphans, format)


@objects.command(
    cls=Command,
    context_settings={"allow_interspersed_args": False},
    examples="images objects keep -- ./backup.sh\nimages objects keep sh -c 'pg_dump -Fc images > images.dump'",
    exit_codes={0: "the command succeeded", 3: "the command was not run, or bytes may have been removed while it ran"},
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[--] COMMAND [ARG]...")
def keep(command: tuple[str, ...]) -> int:
    """Run a command, such as a backup, while no DELETE removes bytes.

    While the command runs, a DELETE removes the row of an image but keeps its bytes. The exit code is that of
    COMMAND.
    """
    if not command:
        raise UsageError("no command to run.", "images objects keep -- COMMAND [ARG]...")
    from app.cli.keep_objects import keep_objects

    return keep_objects(list(command))
