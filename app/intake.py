"""How an image comes into the catalogue: for POST /v1/images and `images import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import ObjectStore
from pydantic_core import to_json

from app import queries, store
from app.codec.formats import EXTENSIONS
from app.database import Pool
from app.models import UploadFields
from app.spool import Content
from app.uploads import Digest

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record


async def store_image(
    pool: Pool, objects: ObjectStore, content: Content, found: Digest, filename: str | None, fields: UploadFields
) -> tuple[Record, bool]:
    """The row, and whether it is new: the same bytes are stored once. Where there is no name the hash makes one."""
    key = store.storage_key(found.sha256)
    while True:
        row = await queries.get_image_by_sha256(pool, found.sha256)
        if row is not None:
            return row, False
        async with pool.alone(found.sha256) as waited:
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
