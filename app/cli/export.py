"""`images export`: an export to a file or to stdout."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from asyncpg import PostgresError
from pydantic import ValidationError
from tqdm import tqdm

from app.catalogue.export import export
from app.catalogue.listing import Filters
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.database.replica import Reads
from app.embedded_postgres import connectable
from app.errors import fail
from app.settings import Settings, read_settings
from app.text import one_line

STDOUT = 1


class UnreadError(Exception):
    """Nobody reads stdout any more."""


def export_images(options: dict[str, object], coding: str | None, output: Path | None) -> int:
    """Export what the options, named as the fields of Filters, choose. Returns 0, or 141 where the reader went away."""
    settings = read_settings()
    try:
        given = {name: value for name, value in options.items() if value is not None}
        filters = Filters.model_validate(given, context=settings)
    except ValidationError as error:
        wrong = (
            f"--{str(fault['loc'][0]).replace('_', '-')}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        fail(f"images export: {'; '.join(wrong)}")
    connectable(settings.database_url)  # here, where it may end the command
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with _opened(output) as descriptor:
            asyncio.run(_export(settings, filters, coding, descriptor))
    except UnreadError:
        return 128 + signal.SIGPIPE
    except (*UNAVAILABLE, PostgresError) as error:
        fail(f"images export: {one_line(str(error)) or type(error).__name__}")
    return 0


def _interrupt(*_: object) -> NoReturn:
    """At once: asyncio's own would wait for the end of a write to a pipe that nobody reads."""
    raise KeyboardInterrupt


@contextmanager
def _opened(output: Path | None) -> Iterator[int]:
    """What to write to. A file has its name once it is complete; what is no file, as /dev/null, stays as it is."""
    if output is None:
        yield STDOUT
        return
    output = output.resolve()
    if output.exists() and not output.is_file():
        with output.open("wb", buffering=0) as file:
            yield file.fileno()
        return
    part = output.with_name(f"{output.name}.{os.getpid()}.part")
    with part.open("xb", buffering=0) as file:
        try:
            yield file.fileno()
            os.fsync(file.fileno())
            part.replace(output)
        except BaseException:
            part.unlink()
            raise


async def _export(settings: Settings, filters: Filters, coding: str | None, descriptor: int) -> None:
    # A bar would be written into what goes to the same terminal.
    hidden = True if os.isatty(descriptor) else None
    with tqdm(unit="B", unit_scale=True, disable=hidden, leave=False) as bar:

        async def write(chunk: bytes) -> None:
            rest = memoryview(chunk)
            try:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            except BrokenPipeError:
                raise UnreadError from None
            bar.update(len(chunk))

        async with Pool(settings) as pool, Reads(settings, pool) as reads:
            await export(reads, filters, coding, write)
