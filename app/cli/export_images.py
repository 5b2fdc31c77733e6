"""Export of image records as NDJSON to a file or to stdout: `images export`."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from app.catalogue.export import export
from app.catalogue.faults import explain
from app.catalogue.listing import Filters
from app.cli.failures import FAILURES, failure
from app.cli.output import open_output
from app.database.pool import Pool
from app.database.replica import ReadRouter
from app.embedded_postgres import connectable
from app.errors import UsageError
from app.progress import Progress
from app.settings import Settings, read_settings
from app.streams import STDOUT


def export_images(options: dict[str, object], coding: str | None, output: Path | None) -> None:
    """Export the images that the options select. The options are named as the fields of Filters.

    `coding` is gzip, zstd or None. Raises CommandError, OutputError.
    """
    settings = read_settings()
    try:
        given = {name: value for name, value in options.items() if value is not None}
        filters = Filters.model_validate(given, context=settings)
    except ValidationError as error:
        wrong = (f"--{str(fault['loc'][0]).replace('_', '-')} {explain(fault)}" for fault in error.errors())
        raise UsageError(f"{'; '.join(wrong)}.") from None
    if filters.bbox is not None and settings.location == "strip":
        raise UsageError("--bbox cannot be used: with LOCATION=strip, the service has no positions.")
    connectable(settings.database_url)  # outside of the event loop, because it may start a server
    signal.signal(signal.SIGINT, _interrupt)
    # A bar would be written between the records if both go to the same terminal.
    is_bar_hidden = output is None and os.isatty(STDOUT)
    with open_output(output) as write, Progress("B", is_bar_hidden=is_bar_hidden, is_scaled=True) as progress:
        try:
            asyncio.run(_export(settings, filters, coding, write, progress))
        except FAILURES as error:
            raise failure(error, settings) from error


def _interrupt(*_: object) -> NoReturn:
    """Interrupt at once: asyncio's own handler would wait for the end of a write to a pipe without a reader."""
    raise KeyboardInterrupt


async def _export(
    settings: Settings, filters: Filters, coding: str | None, write: Callable[[bytes], None], progress: Progress
) -> None:
    async def send(chunk: bytes) -> None:
        write(chunk)
        progress.advance(len(chunk))

    async with Pool(settings) as pool, ReadRouter(settings, pool) as reads:
        await export(reads, filters, coding, send, shows_location=settings.location != "strip")
