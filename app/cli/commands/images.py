"""Commands that move images and records: `images import` and `images export`."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click

from app.cli.commands.classes import Command, FilePath


@click.command(
    "import",
    cls=Command,
    examples="images import ~/photos\nimages import --tag harbour --tag 2026 a.jpg b.png",
    exit_codes={1: "at least one file was rejected"},
)
@click.argument("paths", nargs=-1, required=True, type=FilePath(), metavar="PATH...")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Add this tag to each new image. You can repeat this option."
)
@click.option(
    "--use",
    metavar="NAMES",
    help="Use the keywords in each file as tags, and its caption as the description: `keywords`, `caption`, or "
    "`keywords,caption`. With --tag, the keywords are ignored.",
)
@click.pass_obj
def import_(leave: Callable[[int], NoReturn], paths: tuple[Path, ...], tags: tuple[str, ...], use: str | None) -> int:
    """Import the images of files and folders.

    The command imports all files in a folder and its subfolders, except hidden files and links to folders. It prints a
    line to stderr for each rejected file. To continue after an error, run the command again: it skips images that are
    already stored.
    """
    from app.cli.import_files import import_folders

    return import_folders(list(paths), list(tags), use, leave)


@click.command(
    cls=Command,
    examples="images export -o images.ndjson\nimages export --tag harbour --compress zstd > harbour.ndjson.zst",
)
@click.option(
    "--tag",
    multiple=True,
    metavar="TAG",
    help="Only images with this tag. If you repeat this option, images need all the tags.",
)
@click.option("--content-type", metavar="TYPE", help="Only images of this media type, such as image/png.")
@click.option("--q", metavar="WORDS", help="Only images with these words in the title, description, file name or tags.")
@click.option(
    "--created-after", metavar="TIME", help="Only images stored after this time. Example: 2026-01-31T12:00:00Z."
)
@click.option("--created-before", metavar="TIME", help="Only images stored before this time.")
@click.option("--captured-after", metavar="TIME", help="Only images taken after this time.")
@click.option("--captured-before", metavar="TIME", help="Only images taken before this time.")
@click.option("--camera", metavar="MODEL", help="Only images taken by this model of camera.")
@click.option("--bbox", metavar="W,S,E,N", help="Only images taken in this area: west,south,east,north in degrees.")
@click.option("--compress", type=click.Choice(["gzip", "zstd"]), help="Compress the output.")
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    metavar="FILE",
    help="Write to FILE instead of stdout. FILE appears only when the export is complete.",
)
def export(compress: str | None, output: Path | None, tag: tuple[str, ...], **filters: str | None) -> None:
    """Export the records of images as NDJSON, newest first."""
    from app.cli.export_images import export_images

    export_images({"tag": list(tag), **filters}, compress, output)
