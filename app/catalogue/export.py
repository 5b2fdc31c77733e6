"""Export: all images that match the filters, as NDJSON, compressed if the client wants it."""

import zlib
from collections.abc import Callable, Coroutine
from typing import Protocol

import zstandard
from anyio import to_thread

from app.catalogue.listing import Filters
from app.database import queries
from app.database.replica import ReadRouter

NDJSON = "application/x-ndjson"
Write = Callable[[bytes], Coroutine[None, None, None]]


class Encoder(Protocol):
    """A compressor, such as those of zlib and zstandard."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


# Content codings, best first. At these levels neither is slower than PostgreSQL.
ENCODERS: dict[str, Callable[[], Encoder]] = {
    "zstd": lambda: zstandard.ZstdCompressor(level=3).compressobj(),
    "gzip": lambda: zlib.compressobj(level=1, wbits=31),
}


async def export(
    reads: ReadRouter, filters: Filters, coding: str | None, write: Write, *, shows_location: bool
) -> None:
    """Pass the export to `write`, in the coding. One transaction reads all of it, so it shows one moment.

    `shows_location` tells whether it contains the positions of the cameras.

    If the database fails before the first bytes, the export starts again. Otherwise its error is raised.
    """
    encoder = ENCODERS[coding]() if coding else None
    begun = False

    async def encoded(chunk: bytes) -> None:
        nonlocal begun
        begun = True
        if encoder is not None:
            chunk = await to_thread.run_sync(encoder.compress, chunk)
        if chunk:
            await write(chunk)

    await reads.run(
        lambda connection: queries.export_images(
            connection,
            earliest=filters.earliest(),
            latest=filters.latest(),
            terms=filters.terms(),
            words=filters.q,
            captured=(filters.captured_after, filters.captured_before),
            camera=filters.camera,
            area=filters.area(),
            shows_location=shows_location,
            write=encoded,
        ),
        again=lambda: not begun,
    )
    if encoder is not None:
        await write(encoder.flush())
