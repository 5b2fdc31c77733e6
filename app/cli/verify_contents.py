"""Verification of contents, `images objects check --verify`: reads all bytes and compares their SHA-256."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from obstore.store import ObjectStore

from app.database import queries
from app.database.pool import Pool
from app.progress import Progress
from app.storage import store

if TYPE_CHECKING:  # asyncpg's classes are generic only in its stubs
    from asyncpg import Record

PAGE = 1000  # rows per query
CONCURRENT = 4  # contents read at once
SHA256 = re.compile(r"[0-9a-f]{64}")


class Verification:
    """One run over all images, in the order of their SHA-256.

    Each result is recorded at once, so the next run continues an interrupted one: contents that were sound at `since`
    or later are skipped. `rate` is in bytes per second, for all contents together. `report` gets each image whose bytes
    have another SHA-256.
    """

    def __init__(
        self,
        pool: Pool,
        objects: ObjectStore,
        since: datetime,
        rate: int | None,
        progress: Progress,
        report: Callable[["Record"], None],
    ) -> None:
        self.verified = self.skipped = self.bytes = 0
        self._pool, self._objects, self._since, self._rate = pool, objects, since, rate
        self._progress, self._report = progress, report
        self._places = asyncio.Semaphore(CONCURRENT)
        self._started = 0.0  # of time.monotonic()

    async def work(self) -> None:
        """Verify all. Raises errors of obstore and of PostgreSQL."""
        self._started = monotonic()
        first: bytes | None = b""
        while first is not None:
            rows = await queries.list_contents_to_verify(self._pool, first, PAGE + 1)
            end = rows[PAGE]["content_sha256"] if len(rows) > PAGE else None
            await asyncio.gather(*(self._verify(row) for row in rows[:PAGE]))
            await queries.delete_checks(self._pool, first.hex(), end and end.hex())
            first = end

    async def _verify(self, row: "Record") -> None:
        was_sound = row["checked_at"] is not None and row["fault"] is None and row["checked_at"] >= self._since
        if was_sound or not SHA256.fullmatch(row["sha256"]):  # an adopted row may have any text
            self.skipped += 1
            self._progress.advance()
            return
        async with self._places:
            fault = await self._fault(row)
            if fault is not None and await queries.get_content(self._pool, row["id"]) is None:
                return  # It was deleted meanwhile.
            await queries.record_check(self._pool, row["sha256"], fault)
        self.verified += 1
        self._progress.advance()
        if fault == "wrong":  # the other faults are reported without reading the bytes
            self._report(row)

    async def _fault(self, row: "Record") -> str | None:
        """Return missing, size or wrong, or None if the bytes have their SHA-256."""
        content = await store.stream(self._objects, row["storage_key"])
        if content is None:
            return "missing"
        size, chunks = content
        if size != row["byte_size"]:
            return "size"
        sha256 = hashlib.sha256()
        async for chunk in chunks:
            sha256.update(chunk)
            await self._slow_down(len(chunk))
        return None if sha256.hexdigest() == row["sha256"] else "wrong"

    async def _slow_down(self, size: int) -> None:
        """Wait until so many more bytes are within the rate."""
        self.bytes += size
        if self._rate is not None:
            await asyncio.sleep(max(0, self._started + self.bytes / self._rate - monotonic()))
