"""Ingest: measure the bytes of an image, store them, and insert the row. For POST /v1/images and `images import`."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from errno import EIO
from typing import Any, NamedTuple, cast
from uuid import UUID

from asyncpg import Record
from obstore.store import ObjectStore
from pydantic_core import to_json

from app.catalogue import tag_keys
from app.catalogue.models import UploadFields
from app.database import queries
from app.database.errors import SCHEMA_BEHIND, UNAVAILABLE
from app.database.pool import Pool
from app.decoder.formats import EXTENSIONS, Reading
from app.observability.logs import logger
from app.settings import Settings
from app.storage import files, keys, store
from app.storage.spool import Content

MAX_WRITES = 6  # of the same bytes in one upload. More than one is needed if DELETEs of the same bytes come in between.


class HashedContent(NamedTuple):
    """The bytes of an image, how many they are, and their SHA-256 in hexadecimal."""

    content: Content
    byte_size: int
    sha256: str


async def store_image(
    pool: Pool,
    objects: ObjectStore,
    hashed: HashedContent,
    read: Callable[[Content], Awaitable[Reading]],
    filename: str | None,
    fields: UploadFields,
    confirm: Callable[[], Awaitable[None]],
    settings: Settings,
) -> tuple[Record, bool]:
    """Store an image. Return its row and whether it is new, because the same bytes are stored once.

    `read` decodes the image. If the catalogue and the store have the bytes already, they are not decoded again. If
    the store does not have the bytes of a known image, or the last check found others, they are written again. If the
    row of a known image says another size of them, it is wrong: an import or another program wrote it. Such a row gets
    what was measured. Without a file name, the hash becomes the name.

    `confirm` raises an error if nothing may be written any longer. Raises errors of `read` and `confirm`, of obstore
    and of PostgreSQL.
    """
    reading: Reading | None = None
    key, written = keys.storage_key(hashed.sha256), 0
    while True:
        row = await queries.get_image_by_sha256(pool, hashed.sha256)
        fault = None if row is None else await _fault(pool, objects, row["id"], hashed)
        if row is not None and fault is None:
            return row, False
        if reading is None:
            reading = await read(hashed.content)
            measured = columns_of(reading, keeps_location=settings.location != "strip")
        await confirm()
        async with pool.exclusive(hashed.sha256) as waited:
            if waited:  # Another request in this process may have stored the same bytes in between.
                continue
            if written == MAX_WRITES:
                raise TimeoutError(EIO, "the object store does not have the bytes that were just written")
            # The row is committed after the bytes are written, so a crash can leave bytes without a row, but no row
            # without bytes. No connection is held while they are written. A DELETE may remove them meanwhile, until
            # this transaction has the lock. Then they are looked up, and written again if they are gone.
            await files.make_folder(objects, key)
            await store.put(objects, key, hashed.content, reading.measure.content_type)
            await files.sync(objects, key)
            written += 1
            await confirm()  # the bytes may be in another store, mounted meanwhile
            async with pool.store_transaction() as connection:
                await queries.lock_content(connection, hashed.sha256)
                if await store.size(objects, key) != hashed.byte_size:
                    continue
                if row is None:
                    stored = await queries.insert_image(
                        connection,
                        filename=filename or f"{hashed.sha256[:16]}.{EXTENSIONS[reading.measure.content_type]}",
                        byte_size=hashed.byte_size,
                        sha256=hashed.sha256,
                        **measured,
                        **_described(fields, reading, settings),
                        attributes=to_json(fields.attributes).decode(),
                    )
                else:
                    stored = await queries.correct_image(connection, row["id"], byte_size=hashed.byte_size, **measured)
                    await queries.record_check(connection, hashed.sha256, None)
            if stored is not None:
                if fault is not None:
                    logger.warning("wrote %r again: there was a fault (%s)", key, fault)
                return stored, row is None
        # Another process has stored the same bytes in between, or deleted the image.


def _described(fields: UploadFields, reading: Reading, settings: Settings) -> dict[str, Any]:
    """Return title, description and tags: those of the client, and those of the file that the client asks for."""
    described = fields.model_dump(include={"title", "description", "tags"})
    asked = set((fields.use or "").split(",")) - {
        {"tags": "keywords", "description": "caption"}.get(name) for name in fields.model_fields_set
    }
    if "keywords" in asked:
        keywords = tag_keys.distinct(map(tag_keys.clean, cast("list[str]", reading.capture.get("keywords", []))))
        described["tags"] = [tag for tag in keywords if tag_keys.key(tag) and len(tag) <= settings.max_tag_length][
            : settings.max_tags
        ]
    if "caption" in asked and "caption" in reading.capture:
        described["description"] = str(reading.capture["caption"])[: settings.max_description_length].rstrip()
    return described


def columns_of(reading: Reading, *, keeps_location: bool) -> dict[str, Any]:
    """Return what was read of an image as columns of its row. jsonb is text."""
    moment = reading.capture.get("captured_at")
    return {
        **reading.measure._asdict(),
        "capture": to_json(reading.capture).decode(),
        "captured_at": datetime.fromisoformat(str(moment)) if moment else None,
        "location": to_json(reading.location).decode() if keeps_location and reading.location else None,
        "color": reading.color,
        "thumbhash": reading.thumbhash,
    }


async def fault_of(pool: Pool, objects: ObjectStore, row: Record, sha256: str) -> str | None:
    """Return what is wrong with the bytes of an image: missing, size, wrong, or None. `row` is that of get_content.

    Only `images objects check --verify` finds out that bytes of the right size are wrong. Raises errors of obstore and
    of PostgreSQL.
    """
    size = await store.size(objects, row["storage_key"])
    if size != row["byte_size"]:
        return "missing" if size is None else "size"
    return await queries.find_fault(pool, sha256)


async def _fault(pool: Pool, objects: ObjectStore, id: UUID, hashed: HashedContent) -> str | None:
    """Return what is wrong with a known image: as `fault_of`, or row if its row has another size than the bytes.

    If the store or PostgreSQL does not answer, return None: the upload succeeds, because the catalogue has the image.
    """
    try:
        row = await queries.get_content(pool, id)
        if row is None or row["byte_size"] != hashed.byte_size:
            return "row"  # or it is deleted, which the transaction finds
        return await fault_of(pool, objects, row, hashed.sha256)
    except (*UNAVAILABLE, *SCHEMA_BEHIND) as error:
        logger.error("could not look up the bytes of image %s: %s", id, store.reason(error))
        return None


async def hash_content(content: Content) -> HashedContent:
    """Hash the content: bytes at once, because that takes 1 ms at most, and a file in a thread."""
    if isinstance(content, bytes):
        return HashedContent(content, len(content), hashlib.sha256(content).hexdigest())

    def work() -> HashedContent:
        content.seek(0)
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
        return HashedContent(content, content.tell(), sha256)

    return await asyncio.to_thread(work)
