"""Thumbnails: read from the object store, or made by a decoder and then stored."""

import asyncio
from concurrent.futures import Executor

from anyio import CapacityLimiter
from asyncpg import Record
from obstore.store import ObjectStore

from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.decoder.client import Codec
from app.decoder.formats import SIZES, THUMBNAIL_EXTENSIONS, ThumbnailType
from app.errors import ContentMissingError, ImageNotFoundError, NoThumbnailError, RejectedImageError
from app.observability import metrics
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.storage import keys, store
from app.storage.spool import Spool


def thumbnail_name(size: int, format: ThumbnailType) -> str:
    """Return the last part of a thumbnail's storage key, such as 320.webp."""
    return f"{size}.{THUMBNAIL_EXTENSIONS[format]}"


def objects_of(row: Record) -> list[str]:
    """Return the keys that an image may have in the object store: that of its content, then those of its thumbnails."""
    names = (thumbnail_name(size, format) for size in SIZES for format in THUMBNAIL_EXTENSIONS)
    return [row["storage_key"], *(keys.thumbnail_key(row["sha256"], name) for name in names)]


class Thumbnails:
    """The thumbnails of one worker. Requests for the same thumbnail share one task.

    `threads` run the decoding of at most `most` thumbnails at the same time. `pool` has a connection for each of them.
    """

    def __init__(self, objects: ObjectStore, codec: Codec, pool: Pool, threads: Executor, most: int) -> None:
        self._objects = objects
        self._codec = codec
        self._pool = pool
        self._threads = threads
        self._making = CapacityLimiter(most)
        self._flight: SingleFlight[str, bytes] = SingleFlight()

    async def get(self, row: Record, size: int, format: ThumbnailType) -> bytes:
        """Return the bytes of a thumbnail with at most `size` pixels on its longer side.

        `row` has storage_key, byte_size and sha256. The task continues if the client goes away. The task itself reads
        the store. If the requests did, one of them could start a task just after another task has stored the thumbnail.

        Raises ImageNotFoundError, ContentMissingError, or NoThumbnailError.
        """
        key = keys.thumbnail_key(row["sha256"], thumbnail_name(size, format))
        return await self._flight.share(key, lambda: self._read_or_make(row, key, size, format))

    async def _read_or_make(self, row: Record, key: str, size: int, format: ThumbnailType) -> bytes:
        stored = await store.read(self._objects, key)
        if stored is not None:
            return stored

        def work() -> bytes:
            with Spool() as spool:
                if not store.copy(self._objects, row["storage_key"], spool):
                    raise ContentMissingError(row["storage_key"], row["byte_size"], None)
                if not keys.fits(row["storage_key"], row["sha256"], row["byte_size"], spool.size):
                    raise ContentMissingError(row["storage_key"], row["byte_size"], spool.size)
                try:
                    return self._codec.thumbnail(spool.content(), size, format)
                except RejectedImageError as error:  # adopted bytes, which were never decoded before
                    raise NoThumbnailError(error.detail) from None

        async with self._making, self._pool.transaction() as connection:
            # With this lock one worker makes the thumbnail and the others find it. A DELETE takes the same lock before
            # it removes the objects. So either the image is gone here, or the DELETE removes this thumbnail too.
            await queries.lock_content(connection, row["sha256"])
            if await queries.get_image_by_sha256(connection, row["sha256"]) is None:
                raise ImageNotFoundError
            stored = await store.read(self._objects, key)
            if stored is not None:
                return stored
            content = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            metrics.THUMBNAILS.inc()
            try:
                await store.put(self._objects, key, content, format)
            except UNAVAILABLE as error:
                logger.error("could not store %r in the object store: %s", key, store.reason(error))
            return content
