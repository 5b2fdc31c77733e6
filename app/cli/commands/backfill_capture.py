"""Command that fills what a new release reads of bytes: `images backfill capture`."""

import click

from app.cli.commands.classes import Bytes, Group


@click.group("backfill", cls=Group)
def backfill_group() -> None:
    """Read the bytes of stored images again."""


@backfill_group.command(
    examples="images backfill capture\nimages backfill capture --rate 20MB",
    exit_codes={0: "no image is left", 1: "the bytes of at least one image could not be read"},
)
@click.option(
    "--rate",
    type=Bytes(),
    metavar="BYTES",
    help="Read at most this many bytes per second, such as 50MB. Default: no limit.",
)
def capture(rate: int | None) -> int:
    """Fill capture metadata and ThumbHashes.

    The command reads the bytes of each image that has no capture metadata yet. It also fills the position and the
    colors. It runs while the service serves. After an interruption, run the command again: it continues with the
    images that are left. Each image that it fills gets a new `updated_at`. With LOCATION=strip it first removes
    stored positions.
    """
    from app.cli.backfill_capture import backfill_capture

    return backfill_capture(rate)
