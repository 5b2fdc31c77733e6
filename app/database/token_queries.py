"""Queries of tokens: one function for each statement of sql/queries/ that reads or changes tokens."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from asyncpg import Record

from app.database.connection import Connection
from app.database.pool import Pool
from app.database.queries import Database


async def find_token(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow("find_token", id)


async def touch_token(pool: Pool, id: UUID) -> None:
    await pool.fetch("touch_token", id)


async def take_requests(pool: Pool, id: UUID, wanted: int) -> Record | None:
    return await pool.fetchrow("take_requests", id, wanted)


async def count_upload_bytes(pool: Pool, id: UUID, size: int, day: date | None = None) -> Record | None:
    return await pool.fetchrow("count_upload_bytes", id, size, day)


async def insert_token(
    database: Pool | Connection,
    id: UUID,
    name: str,
    scope: str,
    sha256: bytes,
    *,
    note: str | None = None,
    expires_at: datetime | None = None,
    lifetime: timedelta | None = None,
    requests_per_second: int | None = None,
    upload_bytes_per_day: int | None = None,
) -> Record | None:
    return await database.fetchrow(
        "insert_token",
        id,
        name,
        scope,
        sha256,
        note,
        expires_at,
        lifetime,
        requests_per_second,
        upload_bytes_per_day,
    )


async def get_token(connection: Connection, name: str) -> Record | None:
    return await connection.fetchrow("get_token", name)


async def rotate_token(
    connection: Connection,
    id: UUID,
    known_sha256: bytes,
    sha256: bytes,
    *,
    overlap: timedelta,
    expires_at: datetime | None,
    lifetime: timedelta | None,
) -> Record | None:
    return await connection.fetchrow("rotate_token", id, known_sha256, sha256, overlap, expires_at, lifetime)


async def limit_token(
    database: Pool | Connection, name: str, *, rate: tuple[int | None] | None, quota: tuple[int | None] | None
) -> Record | None:
    """Change the limits that are given. Each is a tuple with the number, or with None for no limit."""
    return await database.fetchrow("limit_token", name, *_change(rate), *_change(quota))


def _change(limit: tuple[int | None] | None) -> tuple[bool, int | None]:
    return (False, None) if limit is None else (True, limit[0])


async def list_tokens(pool: Pool) -> list[Record]:
    return await pool.fetch("list_tokens")


async def revoke_token(database: Pool | Connection, name: str) -> Record | None:
    return await database.fetchrow("revoke_token", name)


async def name_actor(connection: Connection, actor: str) -> None:
    await connection.fetch("name_actor", actor)


async def can_read_hashes(pool: Pool) -> bool:
    """Return whether images_app may read the hashes of all tokens."""
    [row] = await pool.fetch("can_read_hashes")
    return bool(row["is_readable"])
