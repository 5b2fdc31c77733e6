"""Commands of the object store: `images objects check`, `images objects keep` and `images objects adopt`."""

from uuid import UUID

import click

from app.cli.commands.classes import Bytes, Command, Group, Seconds, WholeNumber, format_option
from app.errors import UsageError


@click.group(cls=Group)
def objects() -> None:
    """Check the object store, back it up, and adopt a copy."""


@objects.command(
    params=[format_option("text", "json")],
    examples="images objects check\nimages objects check --remove-orphans --grace 3600\n"
    "images objects check --remove-orphans --max-removals 500\n"
    "images objects check --verify --verify-rate 50MB",
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
@click.option(
    "--max-removals",
    type=WholeNumber(min=0),
    metavar="NUMBER",
    help="Remove at most this many objects. If there are more orphans, remove none. Default: a tenth of the objects.",
)
@click.option("--verify", is_flag=True, help="Also read the bytes of each image and compare their SHA-256.")
@click.option(
    "--verify-rate",
    type=Bytes(),
    metavar="BYTES",
    help="With --verify, read at most this many bytes per second, such as 50MB. Default: no limit.",
)
@click.option(
    "--verify-interval",
    type=Seconds(min=0, max=3_155_760_000),
    default=2_592_000,
    show_default=True,
    metavar="SECONDS",
    help="With --verify, skip correct bytes that were verified within this time, so that an interrupted run continues.",
)
def check(
    grace: float,
    remove_orphans: bool,
    max_removals: int | None,
    verify: bool,
    verify_rate: int | None,
    verify_interval: float,
    format: str,
) -> int:
    """Find images without bytes, and bytes without an image.

    If the object store belongs to another catalogue, the command fails and removes nothing.
    """
    if max_removals is not None and not remove_orphans:
        raise UsageError("--max-removals needs --remove-orphans.")
    if verify_rate is not None and not verify:
        raise UsageError("--verify-rate needs --verify.")
    from app.cli.check_objects import VerifyOptions, check_objects

    options = VerifyOptions(verify_interval, verify_rate) if verify else None
    return check_objects(grace, remove_orphans, max_removals, format, options)


@objects.command(
    examples="images objects adopt\nimages objects adopt --replace 6c7b1d1e-6a0e-4a53-9d0c-5b8f3f3ad3f5",
    exit_codes={0: "the store and the database have the same ID", 3: "the store was not adopted"},
)
@click.option(
    "--replace",
    type=click.UUID,
    metavar="ID",
    help="The ID that the store has, from the error message. The store and the database both get a new one.",
)
def adopt(replace: UUID | None) -> None:
    """Connect the object store with this database.

    Use it for a copy of a store, for example one that you restored. The first start of the service gives the database
    and the object store the same ID, in the object catalogue.json. The service does not start with a store that has
    another ID. Before you adopt a store, make sure that no other catalogue uses it.
    """
    from app.cli.adopt_store import adopt_store

    adopt_store(replace)


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
    if not command or not command[0]:
        raise UsageError("no command to run.", "images objects keep -- COMMAND [ARG]...")
    from app.cli.keep_objects import keep_objects

    return keep_objects(list(command))
