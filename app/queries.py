"""One function for each statement of sql/queries/, whose header tells parameters, index and caller.

A row comes back as an asyncpg.Record with the columns that the statement lists; no row as None. jsonb comes and goes as
text.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg import Connection, Pool, Record, UndefinedTableError

from app.settings import ROOT

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    Database = Pool[Record] | Connection[Record]


@cache
def statement(name: str) -> str:
    """The text of sql/queries/NAME.sql, as PostgreSQL gets it and shows it in pg_stat_activity: header and all."""
    return (ROOT / "sql" / "queries" / f"{name}.sql").read_text(encoding="utf-8")


async def get_image(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow(statement("get_image"), id)


async def get_image_by_sha256(database: Database, sha256: str) -> Record | None:
    return await database.fetchrow(statement("get_image_by_sha256"), sha256)


async def get_content(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow(statement("get_content"), id)


async def list_images(
    database: Database,
    *,
    position: tuple[datetime, UUID],
    created_after: datetime,
    content_type: str | None,
    tags: Sequence[str],
    limit: int,
) -> list[Record]:
    """One statement for each combination of filters, so that each has a plan of its own."""
    page = (*position, created_after, limit)
    if content_type is not None and tags:
        return await database.fetch(statement("list_images_by_content_type_and_tags"), *page, content_type, tags)
    if content_type is not None:
        return await database.fetch(statement("list_images_by_content_type"), *page, content_type)
    if tags:
        return await database.fetch(statement("list_images_by_tags"), *page, tags)
    return await database.fetch(statement("list_images"), *page)


async def lock_content(database: Database, sha256: str) -> None:
    await database.execute(statement("lock_content"), sha256)


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
        statement("insert_image"),
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
    database: Database,
    id: UUID,
    updated_at: datetime,
    *,
    filename: str,
    title: str | None,
    description: str | None,
    tags: Sequence[str],
    attributes: str,
) -> Record | None:
    return await database.fetchrow(
        statement("update_image"), id, updated_at, filename, title, description, tags, attributes
    )


async def delete_image(database: Database, id: UUID, updated_at: datetime | None) -> Record | None:
    return await database.fetchrow(statement("delete_image"), id, updated_at)


async def read_history(database: Database) -> list[Record]:
    """One statement; another where there is no ledger yet, and nothing where no migrator has been."""
    for name in ("read_history", "read_applied"):
        with suppress(UndefinedTableError):
            return await database.fetch(statement(name))
    return []
