"""Ingest: measure the bytes of an image, store them, and insert the row. For POST /v1/images and `images import`."""

import asyncio
import hashlib
from concurrent.futures import Executor
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record
from obstore.store import ObjectStore
from pydantic_core import to_json

from app.catalogue.models import UploadFields
from app.database import queries
from app.database.errors import SCHEMA_BEHIND, UNAVAILABLE
from app.database.pool import Pool
from app.decoder.client import Codec
from app.decoder.formats import EXTENSIONS, Measure
from app.observability.logs import logger
from app.storage import keys, store
from app.storage.spool import Content

MAX_WRITES = 3  # of the same bytes in one upload. More are needed only if the store loses them.


class MeasuredContent(NamedTuple):
    """The size in bytes of an image, its SHA-256 in hexadecimal, and its measure."""

    byte_size: int
    sha256: str
    measure: Measure


async def store_image(
    pool: Pool,
    objects: ObjectStore,
    content: Content,
    measured: MeasuredContent,
    filename: str | None,
    fields: UploadFields,
) -> tuple[Record, bool]:
    """Store an image. Return its row and whether it is new, because the same bytes are stored once.

    Without a file name, the hash becomes the name. If the store does not have the bytes of a known image, or the last
    check found others, they are written again. Raises errors of obstore and of PostgreSQL.
    """
    key, written = keys.storage_key(measured.sha256), 0
    while True:
        row = await queries.get_image_by_sha256(pool, measured.sha256)
        if row is not None:
            await _write_again(pool, objects, row["id"], content, measured)
            return row, False
        async with pool.exclusive(measured.sha256) as waited:
            if waited:
                continue  # Another request in this process may have stored these bytes.
            if written == MAX_WRITES:
                raise TimeoutError("the object store does not have the bytes that were just written")
            # The row is committed after the bytes are written, so a crash can leave bytes without a row, but no row
            # without bytes. No connection is held while they are written. A DELETE may remove them meanwhile, until
            # this transaction has the lock. Then they are looked up, and written again if they are gone.
            await store.put(objects, key, content, measured.measure.content_type)
            written += 1
            async with pool.store_transaction() as connection:
                await queries.lock_content(connection, measured.sha256)
                if await store.size(objects, key) != measured.byte_size:
                    continue
                row = await queries.insert_image(
                    connection,
                    filename=filename or f"{measured.sha256[:16]}.{EXTENSIONS[measured.measure.content_type]}",
                    byte_size=measured.byte_size,
                    sha256=measured.sha256,
                    storage_key=key,
                    **measured.measure._asdict(),
                    **fields.model_dump(exclude={"attributes"}),
                    attributes=to_json(fields.attributes).decode(),
                )
        if row is not None:
            return row, True
        # Another process has stored the same bytes in between.


async def fault_of(pool: Pool, objects: ObjectStore, row: Record, sha256: str) -> str | None:
    """Return what is wrong with the bytes of an image: missing, size, wrong, or None. `row` is that of get_content.

    Only `images objects check --verify` finds out that bytes of the right size are wrong. Raises errors of obstore and
    of PostgreSQL.
    """
    size = await store.size(objects, row["storage_key"])
    if size != row["byte_size"]:
        return "missing" if size is None else "size"
    return await queries.find_fault(pool, sha256)


async def _write_again(pool: Pool, objects: ObjectStore, id: UUID, content: Content, measured: MeasuredContent) -> None:
    """Write the bytes of a known image again, if the store has none or others.

    If the store or PostgreSQL fails, the upload still succeeds: the catalogue has the image. A DELETE at the same time
    may leave an orphan, but no image without its bytes.
    """
    row = await queries.get_content(pool, id)
    if row is None or row["byte_size"] != measured.byte_size:
        return  # It is deleted, or an adopted row is wrong itself.
    key = row["storage_key"]
    try:
        fault = await fault_of(pool, objects, row, measured.sha256)
        if fault is None:
            return
        await store.put(objects, key, content, measured.measure.content_type)
        await queries.record_check(pool, measured.sha256, None)
    except (*UNAVAILABLE, *SCHEMA_BEHIND, *store.ABSENT) as error:  # the key of an adopted row may be no key
        logger.error("could not look up %r and write it again: %s", key, store.reason(error))
    else:
        logger.warning("wrote %r again: the object store had a fault (%s)", key, fault)


async def hash_and_measure(content: Content, codec: Codec, decoders: Executor) -> MeasuredContent:
    """Hash and measure the content in a thread. Raises the same errors as `Codec.measure`.

    `decoders` limits how many images are decoded at the same time: an image of MAX_IMAGE_PIXELS may take 15 bytes per
    pixel. The executor has a queue, so a thread starts the next image without waiting for the event loop.
    """

    def work() -> MeasuredContent:
        if isinstance(content, bytes):
            size, sha256 = len(content), hashlib.sha256(content).hexdigest()
        else:
            content.seek(0)
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
            size = content.tell()
        return MeasuredContent(size, sha256, codec.measure(content))

    return await asyncio.get_running_loop().run_in_executor(decoders, work)
