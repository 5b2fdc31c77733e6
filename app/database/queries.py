"""Queries: one function for each statement of sql/queries/. The header of the file says parameters, index, and caller.

A row is an asyncpg.Record with the columns that the statement lists. No row is None. An image is the JSON that the
client gets, in the column `image`. Parameters of type jsonb are text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Literal, NamedTuple, cast
from uuid import UUID

from asyncpg import Record, UndefinedColumnError, UndefinedTableError

from app.database.connection import COPY_TIMEOUT, Connection
from app.database.pool import Pool
from app.database.replica import ReadRouter

Database = Pool | Connection | ReadRouter
Sort = Literal["newest", "oldest", "largest", "name", "captured", "relevance"]

MAX_CAMERA_WORDS = 12  # of the name of a camera, each of which costs a look-up
MAX_CAPTURED_WALK = 10_000  # rows that a list by time of capture walks for a page: some µs of CPU each
MAX_WALK = 50_000  # index entries that a list by name or by size walks for a page: 0.3 µs of CPU each
AFTER_ALL_NAMES = chr(0x10FFFF) * 256  # sorts after every name that an image may have


class Area(NamedTuple):
    """An area in degrees, in two parts if it crosses the antimeridian, or in none: all the world."""

    west: Sequence[float] = ()
    east: Sequence[float] = ()
    south: float = 0.0
    north: float = 0.0


async def get_image(database: Pool | ReadRouter, id: UUID) -> Record | None:
    return await database.fetch_by_id("get_image", id)


async def get_image_by_sha256(database: Database, sha256: str) -> Record | None:
    return await database.fetchrow("get_image_by_sha256", sha256)


async def get_attributes(pool: Pool, id: UUID) -> Record | None:
    return await pool.fetch_by_id("get_attributes", id)


async def get_content(database: Pool | ReadRouter, id: UUID) -> Record | None:
    """Return the key of the content. Raises UndefinedColumnError if a backfill has not filled the hash of the row."""
    row = await database.fetch_by_id("get_content", id)
    if row is not None and row["sha256"] is None:
        raise UndefinedColumnError("images.content_sha256 is not filled yet")
    return row


async def list_images(
    database: Database,
    *,
    sort: Sort,
    position: tuple[object, UUID],
    earliest: datetime,
    end: tuple[datetime, UUID],
    terms: Sequence[str],
    words: str | None,
    limit: int,
) -> list[Record]:
    """Return a page of images. Each shape of search has a statement of its own, so each has a plan of its own.

    If one row has no image, its statement stopped before the page was full. The next page begins after the place in it.
    """
    page: tuple[object, ...]
    match sort:
        case "newest":
            return await _list_newest(database, (*position, earliest, limit), terms, words)
        case "oldest":
            name, page = "list_images_oldest", (*position, *end, limit)
        case "largest":
            name, page = "list_images_largest", (*position, earliest, *end, limit, MAX_WALK)
        case "name":
            name, page = "list_images_by_name", (*position, earliest, *end, limit, AFTER_ALL_NAMES, MAX_WALK)
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


async def count_images(
    database: Database,
    *,
    terms: Sequence[str],
    words: str | None,
    earliest: datetime,
    end: tuple[datetime, UUID],
    most: int,
) -> Record:
    """Return how many images match, and whether that is an estimate: more than about `most` are not counted."""
    [row] = await database.fetch("count_images", terms, words, earliest, *end, most)
    return row


async def list_by_relevance(
    database: Database,
    *,
    position: tuple[float, datetime, UUID],
    earliest: datetime,
    end: tuple[datetime, UUID],
    terms: Sequence[str],
    words: str,
    limit: int,
) -> list[Record]:
    return await database.fetch("list_images_by_relevance", *end, earliest, *position, limit, terms, words)


async def list_captured(
    database: Database,
    *,
    position: tuple[datetime, datetime, UUID],
    captured_earliest: datetime,
    earliest: datetime,
    end: tuple[datetime, UUID],
    terms: Sequence[str],
    words: str | None,
    camera: str | None,
    area: Area,
    has_filters: bool,
    limit: int,
) -> list[Record]:
    """Return a page of images by time of capture, with their places. If a row has no image, see `list_images`.

    Without filters besides the time of capture, the page costs as many index entries as it has images.
    """
    if not has_filters:
        return await database.fetch("list_images_captured", *position, captured_earliest, limit)
    filters = (earliest, *end, limit, MAX_CAPTURED_WALK, terms, words, camera, *area)
    return await database.fetch("list_images_captured_matching", *position, captured_earliest, *filters)


async def list_months(database: Database, before: date, limit: int, few: int) -> list[Record]:
    return await database.fetch("list_months", before, limit, few)


async def find_camera(database: Database, name: str) -> str:
    """Return the model in small letters that people call so: the model itself, or the maker and the model.

    If no image has such a model, return the name in small letters.
    """
    words = name.lower().split()[:MAX_CAMERA_WORDS]
    models = [name.lower().strip(), *(" ".join(words[start:]) for start in range(1, len(words)))]
    makers = [" ".join(words[:start]) for start in range(len(models))]
    row = await database.fetchrow("find_camera", models, makers)
    return models[0] if row is None else str(row["model"])


async def list_cameras(database: Database, after: str, limit: int) -> list[Record]:
    return await database.fetch("list_cameras", after, limit)


async def list_tags(database: Database, *, prefix: str, last: str, after: str, limit: int) -> list[Record]:
    return await database.fetch("list_tags", prefix, last, after, limit)


async def read_stats(database: Database, few: int) -> str:
    """Return the statistics as the JSON that the client gets."""
    [row] = await database.fetch("read_stats", few)
    return cast("str", row["stats"])


async def lock_content(database: Database, sha256: str) -> None:
    await database.fetch("lock_content", sha256)


async def lock_content_to_remove(database: Database, sha256: str) -> bool:
    """Lock the bytes of a content, and return whether they may be removed."""
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
    title: str | None,
    description: str | None,
    tags: Sequence[str],
    attributes: str,
    capture: str,
    captured_at: datetime | None,
    location: str | None,
    color: str | None,
    thumbhash: bytes | None,
) -> Record | None:
    return await database.fetchrow(
        "insert_image",
        filename,
        content_type,
        byte_size,
        width,
        height,
        bytes.fromhex(sha256),
        title,
        description,
        tags,
        attributes,
        capture,
        captured_at,
        location,
        color,
        thumbhash,
    )


async def correct_image(
    database: Database,
    id: UUID,
    *,
    content_type: str,
    byte_size: int,
    width: int,
    height: int,
    capture: str,
    captured_at: datetime | None,
    location: str | None,
    color: str | None,
    thumbhash: bytes | None,
) -> Record | None:
    measured = content_type, byte_size, width, height
    return await database.fetchrow("correct_image", id, *measured, capture, captured_at, location, color, thumbhash)


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


async def list_images_to_capture(database: Database, after: bytes, limit: int) -> list[Record]:
    return await database.fetch("list_images_to_capture", after, limit)


async def count_images_to_capture(database: Database, most: int) -> int:
    [row] = await database.fetch("count_images_to_capture", most)
    return cast("int", row["images"])


async def fill_capture(
    database: Database,
    id: UUID,
    capture: str,
    captured_at: datetime | None,
    location: str | None,
    color: str | None,
    thumbhash: bytes | None,
) -> bool:
    """Return whether the image was there, and had no capture metadata."""
    return bool(await database.fetch("fill_capture", id, capture, captured_at, location, color, thumbhash))


async def fill_paint(database: Database, id: UUID, color: str, thumbhash: bytes) -> bool:
    """Return whether the image was there, and had no first paint."""
    return bool(await database.fetch("fill_paint", id, color, thumbhash))


async def forget_locations(database: Database, place: tuple[object, UUID], limit: int) -> Record | None:
    return await database.fetchrow("forget_locations", *place, limit)


async def list_contents(database: Database, first: bytes, limit: int) -> list[Record]:
    return await database.fetch("list_contents", first, limit)


async def find_contents(database: Database, sha256s: Sequence[str]) -> list[Record]:
    return await database.fetch("find_contents", [bytes.fromhex(sha256) for sha256 in sha256s])


async def get_store(database: Database) -> Record | None:
    return await database.fetchrow("get_store")


async def insert_store(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow("insert_store", id)


async def confirm_store(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow("confirm_store", id)


async def replace_store(database: Database, id: UUID) -> Record | None:
    return await database.fetchrow("replace_store", id)


async def list_contents_to_verify(database: Database, first: bytes, limit: int) -> list[Record]:
    return await database.fetch("list_contents_to_verify", first, limit)


async def record_check(database: Database, sha256: str, fault: str | None) -> None:
    await database.fetch("record_check", sha256, fault)


async def find_fault(database: Database, sha256: str) -> str | None:
    row = await database.fetchrow("find_fault", sha256)
    return row["fault"] if row else None


async def count_faults(database: Database) -> Record:
    [row] = await database.fetch("count_faults")
    return row


async def record_objects_check(database: Database) -> None:
    await database.fetch("record_objects_check")


async def delete_checks(database: Database, first: str, end: str | None) -> None:
    await database.fetch("delete_checks", first, end)


async def prepare_import(connection: Connection) -> datetime:
    """Begin an import, and return the time that its images will have as `created_at`."""
    [row] = await connection.fetch("prepare_import", timeout=COPY_TIMEOUT)
    return cast("datetime", row["moment"])


async def find_known(connection: Connection, sha256s: Sequence[bytes], ids: Sequence[UUID]) -> list[Record]:
    return await connection.fetch("find_known", sha256s, ids)


async def copy_images(connection: Connection, images: Sequence[Mapping[str, object]]) -> None:
    """Insert images by COPY. All must have the same columns."""
    await connection.copy_in("images", list(images[0]), [tuple(image.values()) for image in images])


async def export_images(
    connection: Connection,
    *,
    earliest: datetime,
    latest: datetime,
    terms: Sequence[str],
    words: str | None,
    captured: tuple[datetime | None, datetime | None],
    camera: str | None,
    area: Area,
    shows_location: bool,
    write: Callable[[bytes], Coroutine[None, None, None]],
) -> None:
    """Export in one transaction: the filters are settings that end with it."""
    camera = camera and await find_camera(connection, camera)
    filters = (terms, words, shows_location, *captured, camera, *area)
    if camera is not None or area.west or captured != (None, None):
        name = "export_images_captured"
    else:
        name = "export_images_matching" if terms or words is not None else "export_images"
    async with connection.transaction():
        await connection.fetch("prepare_export", earliest, latest, *filters)
        async with connection.without_time_limit():
            await connection.copy_out(name, write)


async def read_history(database: Database) -> list[Record]:
    """Return the history of the migrations: from the ledger, or else from yoyo's table, or else an empty list."""
    for name in ("read_history", "read_applied"):
        with suppress(UndefinedTableError):
            return await database.fetch(name)
    return []


async def find_session_fault(database: Database) -> Record | None:
    """Return why the sessions cannot use the tables rightly, and the remedy, or None."""
    return await database.fetchrow("find_session_fault")


async def read_lock_wait(database: Database) -> float | None:
    """Return the seconds that the last migrator waited, or None if no migrator has recorded any."""
    row = await database.fetchrow("read_lock_wait")
    return row["seconds"] if row else None


async def read_checks(database: Database) -> list[Record]:
    """Return the last results of `images schema verify`. It has none if it has never run."""
    [row] = await database.fetch("has_checks")
    return await database.fetch("read_checks") if row["has_checks"] else []
