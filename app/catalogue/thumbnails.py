"""Thumbnails: read from the object store, or made by a decoder and then stored."""

import hashlib
from functools import partial
from typing import NamedTuple

from asyncpg import Record
from obstore.store import ObjectStore

from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.decoder.attempt import Attempt
from app.decoder.client import Codec
from app.decoder.formats import SIZES, THUMBNAIL_EXTENSIONS, ThumbnailType
from app.decoder.queue import DecoderQueue
from app.errors import ContentMissingError, ImageNotFoundError, NoThumbnailError, RejectedImageError
from app.observability import metrics
from app.observability.context import current_token
from app.observability.logs import logger
from app.single_flight import SingleFlight
from app.storage import keys, store
from app.storage.spool import Spool

SMALLEST_BOX = 8  # bytes of an AVIF: the length and the type of a box


def thumbnail_name(size: int, format: ThumbnailType) -> str:
    """Return the last part of a thumbnail's storage key, such as 320.webp."""
    return f"{size}.{THUMBNAIL_EXTENSIONS[format]}"


def is_whole(content: bytes, format: ThumbnailType) -> bool:
    """Return whether the bytes begin and end as a thumbnail of the format.

    A power cut or a full disk leaves files that are empty or too short.
    """
    if format == "image/jpeg":
        return content.startswith(b"\xff\xd8") and content.endswith(b"\xff\xd9")
    if format == "image/webp":  # RIFF, the number of bytes that follow, WEBP
        return content[:4] + content[8:12] == b"RIFFWEBP" and int.from_bytes(content[4:8], "little") + 8 == len(content)
    place = 0  # boxes, which begin with their lengths
    while place < len(content) and (length := int.from_bytes(content[place : place + 4])) >= SMALLEST_BOX:
        place += length
    return content[4:8] == b"ftyp" and place == len(content)


def objects_of(row: Record) -> list[str]:
    """Return the keys that an image may have in the object store: that of its content, then those of its thumbnails."""
    names = (thumbnail_name(size, format) for size in SIZES for format in THUMBNAIL_EXTENSIONS)
    return [row["storage_key"], *(keys.thumbnail_key(row["sha256"], name) for name in names)]


class Paint(NamedTuple):
    """The first paint of an image, until its thumbnail arrives: the dominant color, and the ThumbHash."""

    color: str
    thumbhash: bytes


class Made(NamedTuple):
    """A thumbnail, the first paint if the image had none, and whether the thumbnail is not stored yet."""

    content: bytes
    paint: Paint | None = None
    is_new: bool = False


def _sha256(spool: Spool) -> str:
    """Return the SHA-256 of the bytes in hexadecimal digits."""
    content = spool.content()
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]


class Thumbnails:
    """The thumbnails of one worker. Requests of one token for the same thumbnail share one task."""

    def __init__(self, objects: ObjectStore, codec: Codec, queue: DecoderQueue, pool: Pool) -> None:
        self._objects = objects
        self._codec = codec
        self._queue = queue
        self._pool = pool
        self._flight: SingleFlight[tuple[str | None, str], bytes] = SingleFlight()

    async def get(self, row: Record, size: int, format: ThumbnailType) -> bytes:
        """Return the bytes of a thumbnail with at most `size` pixels on its longer side.

        `row` has storage_key, byte_size and sha256. A thumbnail that is stored needs no decoder. The task continues if
        the client goes away. The task itself reads the store. If the requests did, one of them could start a task just
        after another task has stored the thumbnail.

        Raises ImageNotFoundError, ContentMissingError, NoThumbnailError, or BusyError.
        """
        key = keys.thumbnail_key(row["sha256"], thumbnail_name(size, format))
        return await self._flight.share((current_token(), key), lambda: self._read_or_make(row, key, size, format))

    async def _read_or_make(self, row: Record, key: str, size: int, format: ThumbnailType) -> bytes:
        stored = await store.read(self._objects, key)
        if stored is not None and is_whole(stored, format):
            return stored
        if stored is not None:
            logger.warning("the thumbnail %r in the object store is damaged, and is made again", key)
        made = await self._queue.run("thumbnails", lambda attempt: self._make(row, key, size, format, attempt))
        if made.is_new:
            metrics.THUMBNAILS.inc()
            await self._store(row, key, made, format)
        return made.content

    def _make(self, row: Record, key: str, size: int, format: ThumbnailType, attempt: Attempt) -> Made:
        """Return the thumbnail. It may have been stored while this waited for its turn."""
        with Spool() as spool:
            if store.copy(self._objects, key, spool, store.is_small):
                content = spool.content()
                stored = content if isinstance(content, bytes) else content.read()
                if is_whole(stored, format):
                    return Made(stored)
        with Spool() as spool:
            fits = partial(keys.fits, row["storage_key"], row["sha256"], row["byte_size"])
            found = store.copy(self._objects, row["storage_key"], spool, fits)
            if found is None or not fits(found):
                raise ContentMissingError(row["storage_key"], row["byte_size"], found)
            try:
                content = self._codec.thumbnail(spool.content(), size, format, attempt)
            except RejectedImageError as error:
                if row["storage_key"] == keys.storage_key(row["sha256"]) and _sha256(spool) != row["sha256"]:
                    raise ContentMissingError(row["storage_key"], row["byte_size"], spool.size) from None
                raise NoThumbnailError(error.detail) from None  # adopted bytes, which were never decoded before
        return Made(content, self._paint(content, format, attempt) if row["lacks_paint"] else None, is_new=True)

    def _paint(self, content: bytes, format: ThumbnailType, attempt: Attempt) -> Paint | None:
        """Return the first paint of an image, from its thumbnail. An upload does not decode a JPEG for it."""
        try:
            if format == "image/jpeg":
                content = self._codec.thumbnail(content, min(SIZES), "image/webp", attempt)
            reading = self._codec.read(content, attempt)
        except RejectedImageError:  # the thumbnail is there without it, too
            return None
        return Paint(reading.color, reading.thumbhash) if reading.color and reading.thumbhash else None

    async def _store(self, row: Record, key: str, made: Made, format: ThumbnailType) -> None:
        """Store a thumbnail and the first paint, unless the image is deleted. If that fails, the next request does."""
        try:
            async with self._pool.store_transaction() as connection:
                # A DELETE takes the same lock before it removes the objects. So either the image is gone here, or the
                # DELETE removes this thumbnail too.
                await queries.lock_content(connection, row["sha256"])
                image = await queries.get_image_by_sha256(connection, row["sha256"])
                if image is None:
                    raise ImageNotFoundError
                await store.put(self._objects, key, made.content, format)
                if made.paint is not None:
                    await queries.fill_paint(connection, image["id"], *made.paint)
        except UNAVAILABLE as error:
            logger.error("could not store %r in the object store: %s", key, store.reason(error))
