"""How an image comes into the catalogue: for POST /v1/images and `images import`."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import Executor
from typing import TYPE_CHECKING, NamedTuple

from obstore.store import ObjectStore
from pydantic_core import to_json

from app.catalogue.models import UploadFields
from app.database import queries
from app.database.pool import Pool
from app.decoder.client import Codec
from app.decoder.formats import EXTENSIONS, Measure
from app.storage import keys, store
from app.storage.spool import Content

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record


async def store_image(
    pool: Pool, objects: ObjectStore, content: Content, found: Digest, filename: str | None, fields: UploadFields
) -> tuple[Record, bool]:
    """The row, and whether it is new: the same bytes are stored once. Where there is no name the hash makes one."""
    key = keys.storage_key(found.sha256)
    while True:
        row = await queries.get_image_by_sha256(pool, found.sha256)
        if row is not None:
            return row, False
        async with pool.exclusive(found.sha256) as waited:
            if waited:
                continue  # whoever was at these bytes may have stored them
            # Until the row is committed the lock keeps a DELETE from removing the bytes that are written here; and the
            # row is committed after they are written, so that a crash leaves bytes without a row, never the reverse.
            async with pool.transaction() as connection:
                await queries.lock_content(connection, found.sha256)
                await store.put(objects, key, content, found.measure.content_type)
                row = await queries.insert_image(
                    connection,
                    filename=filename or f"{found.sha256[:16]}.{EXTENSIONS[found.measure.content_type]}",
                    byte_size=found.byte_size,
                    sha256=found.sha256,
                    storage_key=key,
                    **found.measure._asdict(),
                    **fields.model_dump(exclude={"attributes"}),
                    attributes=to_json(fields.attributes).decode(),
                )
        if row is not None:
            return row, True
        # Another process has stored them in between.


class Digest(NamedTuple):
    byte_size: int
    sha256: str
    measure: Measure


async def digest(content: Content, codec: Codec, decoders: Executor) -> Digest:
    """Size, SHA-256 and measure of the content, in a worker thread. Raises ProblemError as `Codec.measure` does.

    `decoders` bounds how many images are decoded at once: one of MAX_IMAGE_PIXELS may take 15 bytes a pixel. It has a
    queue, so that a thread goes on with the next image without waiting for the event loop.
    """

    def work() -> Digest:
        if isinstance(content, bytes):
            size, sha256 = len(content), hashlib.sha256(content).hexdigest()
        else:
            content.seek(0)
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
            size = content.tell()
        return Digest(size, sha256, codec.measure(content))

    return await asyncio.get_running_loop().run_in_executor(decoders, work)
