"""One function for each statement of sql/queries/, whose header tells parameters, index and caller.

A row comes back as an asyncpg.Record with the columns that the statement lists; no row as None. An image comes as the
JSON that the client gets, in the column `image`. jsonb goes in as text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal, cast
from uuid import UUID

from asyncpg import UndefinedTableError

from app.database.connection import ENDLESS, Connection
from app.database.pool import Pool
from app.database.replica import Reads

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record

Database = Pool | Connection | Reads


async def get_image(database: Pool | Reads, id: UUID) -> Record | None:
    return await database.fetch_by_id("get_image", id)


async def get_image_by_sha256(database: Database, sha256: str) -> Record | None:
    return await database.fetchrow("get_image_by_sha256", sha256)


async def get_attributes(pool: Pool, id: UUID) -> Record | None:
    return await pool.fetch_by_id("get_attributes", id)


async def get_content(database: Pool | Reads, id: UUID) -> Record | None:
    return await database.fetch_by_id("get_content", id)


async def list_images(
    database: Database,
    *,
    sort: Sort,
    position: tuple[object, UUID],
    created_after: datetime,
    end: tuple[datetime, UUID],
    terms: Sequence[str],
    words: str | None,
    limit: int,
) -> list[Record]:
    """One statement for each shape of search, so that each has a plan of its own."""
    page: tuple[object, ...]
    match sort:
        case "newest":
            return await _list_newest(database, (*position, created_after, limit), terms, words)
        case "oldest":
            name, page = "list_images_oldest", (*position, *end, limit)
        case "largest":
            name, page = "list_images_largest", (*position, created_after, *end, limit)
        case "name":
            name, page = "list_images_by_name", (*position, created_after, *end, limit, LAST_NAME)
    if terms or words is not None:
        return await database.fetch(f"{name}_matching", *page, terms, words)
    return await database.fetch(name, *page)


async def _list_newest(
    database: Database, page: tuple[object, ...], terms: Sequence[str], words: str | None
) -> list[Record]:
    if terms:
        return await database.fetch("list_images_by_terms", *page, terms, words)
    if words is not None:
        return await database.fetch("list_images_by_words", *page, words)
    return await database.fetch("list_images", *page)


async def list_tags(database: Database, *, prefix: str, last: str, after: str, limit: int) -> list[Record]:
    return await database.fetch("list_tags", prefix, last, after, limit)


async def read_stats(database: Database, few: int) -> str:
    """The JSON that the client gets."""
    [row] = await database.fetch("read_stats", few)
    return cast("str", row["stats"])


async def lock_content(database: Database, sha256: str) -> None:
    await database.fetch("lock_content", sha256)


async def lock_content_to_remove(database: Database, sha256: str) -> bool:
    """Whether the bytes may be removed."""
    [row] = await database.fetch("lock_content_to_remove", sha256)
    return bool(row["free"])


async def insert_image(
    database: Database,
    *,
    filename: str,
    content_type: str,
    byte_size: int,
    width: int,
    height: int,
    sha256: str,
    storage_key: str,
    title: str | None,
    description: str | None,
    tags: Sequence[str],
    attributes: str,
) -> Record | None:
    return await database.fetchrow(
        "insert_image",
        filename,
        content_type,
        byte_size,
        width,
        height,
        sha256,
        storage_key,
        title,
        description,
        tags,
        attributes,
    )


async def update_image(
    pool: Pool,
    id: UUID,
    versions: Sequence[datetime] | None,
    columns: Collection[str],
    *,
    filename: str | None,
    title: str | None,
    description: str | None,
    tags: Sequence[str] | None,
    attributes: str | None,
) -> Record | None:
    values = filename, title, description, tags, attributes
    return await pool.fetch_by_id("update_image", id, versions, columns, *values, changes=True)


async def delete_image(database: Database, id: UUID, versions: Sequence[datetime] | None) -> Record | None:
    return await database.fetchrow("delete_image", id, versions)


async def list_contents(database: Database, first: str, limit: int) -> list[Record]:
    return await database.fetch("list_contents", first, limit)


async def find_contents(database: Database, sha256s: Sequence[str]) -> list[Record]:
    return await database.fetch("find_contents", sha256s)


async def prepare_import(connection: Connection) -> datetime:
    """The moment that its images are stored."""
    [row] = await connection.fetch("prepare_import", timeout=ENDLESS)
    return cast("datetime", row["moment"])


async def find_known(connection: Connection, sha256s: Sequence[str], ids: Sequence[UUID]) -> list[Record]:
    return await connection.fetch("find_known", sha256s, ids)


async def copy_images(connection: Connection, images: Sequence[Mapping[str, object]]) -> None:
    """Records, each with the same columns."""
    await connection.copy_in("images", list(images[0]), [tuple(image.values()) for image in images])


async def export_images(
    connection: Connection,
    *,
    created_after: datetime,
    created_before: datetime,
    terms: Sequence[str],
    words: str | None,
    write: Callable[[bytes], Coroutine[None, None, None]],
) -> None:
    """One transaction, until whose end the filters hold."""
    async with connection.transaction():
        await connection.fetch("prepare_export", created_after, created_before, terms, words)
        async with connection.without_limit():
            await connection.copy_out(
                "export_images_matching" if terms or words is not None else "export_images", write
            )


async def find_token(database: Pool | Reads, id: UUID) -> Record | None:
    return await database.fetchrow("find_token", id)


async def touch_token(pool: Pool, id: UUID) -> None:
    await pool.fetch("touch_token", id)


async def insert_token(database: Pool | Connection, id: UUID, name: str, scope: str, sha256: bytes) -> Record | None:
    return await database.fetchrow("insert_token", id, name, scope, sha256)


async def list_tokens(pool: Pool) -> list[Record]:
    return await pool.fetch("list_tokens")


async def revoke_token(pool: Pool, name: str) -> Record | None:
    return await pool.fetchrow("revoke_token", name)


async def read_history(database: Database) -> list[Record]:
    """One statement; another where there is no ledger yet, and nothing where no migrator has been."""
    for name in ("read_history", "read_applied"):
        with suppress(UndefinedTableError):
            return await database.fetch(name)
    return []


async def read_lock_wait(database: Database) -> float | None:
    """Seconds; None where no migrator has told."""
    row = await database.fetchrow("read_lock_wait")
    return row["seconds"] if row else None


LAST_NAME = chr(0x10FFFF) * 256  # more than a name may have


Sort = Literal["newest", "oldest", "largest", "name"]
