"""Backfill of capture metadata, `images backfill capture`: reads the bytes of images that were stored before."""

import asyncio
import hashlib
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

from obstore.store import ObjectStore

from app.catalogue.cursors import EARLIEST, FIRST_ID
from app.catalogue.ingest import columns_of
from app.cli.failures import FAILURES, interruption, main_cause
from app.cli.output import note
from app.database import queries
from app.database.pool import Pool
from app.decoder.client import Codec
from app.embedded_postgres import connectable
from app.errors import INTERRUPTED, CommandError, ExitCode, RejectedImageError
from app.progress import Progress
from app.settings import Settings, read_settings
from app.storage import store
from app.storage.spool import Spool
from app.storage.store import open_store
from app.text import printable

if TYPE_CHECKING:  # asyncpg's classes are generic only in its stubs
    from asyncpg import Record

PAGE = 500  # rows per query
MAX_COUNT = 10_000_000  # images that are counted before the start
SHA256 = re.compile(r"[0-9a-f]{64}")


class UnreadableError(Exception):
    """The bytes of an image cannot be read. The message says why."""


def backfill_capture(rate: int | None) -> int:
    """Read the bytes of the images that wait for it. Return ACTION_NEEDED if some could not be read.

    `rate` is in bytes per second, for all images together. Raises CommandError if PostgreSQL or the store fails.
    """
    settings = read_settings(needs_store=True)
    objects = open_store(settings.storage_url)
    connectable(settings.database_url)  # outside of the event loop, because it may start a server
    run = Backfill(settings, objects, rate)
    failed: CommandError | None = None
    try:
        asyncio.run(run.work())
    except* FAILURES as group:  # several images are read at the same time
        cause = main_cause(group.exceptions)
        failed = interruption(cause, settings)
        failed.__cause__ = cause
    if failed is not None:
        note(f"{run} so far")
        raise failed
    print(run)
    if run.stopped:
        return INTERRUPTED
    return ExitCode.ACTION_NEEDED if run.unreadable else ExitCode.DONE


@dataclass
class Backfill:
    """One run, in the order of the SHA-256. `str()` says how far it has come.

    Each image is written at once, so the next run continues with those that are left. An image that cannot be read is
    skipped, and tried again by the next run.
    """

    settings: Settings
    objects: ObjectStore
    rate: int | None
    filled: int = 0
    unreadable: int = 0
    forgotten: int = 0
    bytes: int = 0
    stopped: bool = False
    _started: float = field(default_factory=monotonic)

    def __str__(self) -> str:
        seconds = max(monotonic() - self._started, 0.001)
        words = f"{self.filled:,} filled, {self.unreadable:,} unreadable, {self.filled / seconds:,.0f} images/s"
        return f"{words}, {self.forgotten:,} positions removed" if self.forgotten else words

    async def work(self) -> None:
        """Fill all. Raises errors of obstore and of PostgreSQL."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)
        cores = os.cpu_count() or 1
        codec = Codec(self.settings.max_image_pixels, self.settings.decode_timeout, self.settings.formats.split(","))
        with codec, ThreadPoolExecutor(cores) as threads, Progress("images", summary=self.__str__) as progress:
            async with Pool(self.settings) as pool:
                if self.settings.location == "strip":
                    await self._forget(pool)
                progress.expect(await queries.count_images_to_capture(pool, MAX_COUNT))
                self._started, places = monotonic(), asyncio.Semaphore(2 * cores)
                after = b""
                while not self.stopped and (rows := await queries.list_images_to_capture(pool, after, PAGE)):
                    after = rows[-1]["content_sha256"]
                    async with asyncio.TaskGroup() as group:
                        for row in rows:
                            await places.acquire()
                            if self.stopped:
                                break
                            work = group.create_task(self._fill(pool, codec, threads, row, progress))
                            work.add_done_callback(lambda _: places.release())

    async def _forget(self, pool: Pool) -> None:
        """Remove positions that were stored before LOCATION was strip."""
        place: tuple[object, UUID] = (EARLIEST, FIRST_ID)
        while not self.stopped and (row := await queries.forget_locations(pool, place, PAGE)):
            place = (row["created_at"], row["id"])
            self.forgotten += row["forgotten"]

    async def _fill(
        self, pool: Pool, codec: Codec, threads: ThreadPoolExecutor, row: "Record", progress: Progress
    ) -> None:
        try:
            with Spool() as spool:
                await self._fetch(row, spool)
                read = partial(codec.read, spool.content())
                reading = await asyncio.get_running_loop().run_in_executor(threads, read)
        except (UnreadableError, RejectedImageError) as error:
            self.unreadable += 1
            reason = error.detail if isinstance(error, RejectedImageError) else str(error)
            progress.message(printable(f"{row['id']}: {reason}"))
        else:
            columns = columns_of(reading, keeps_location=self.settings.location != "strip")
            names = ("capture", "captured_at", "location", "color", "thumbhash")
            self.filled += await queries.fill_capture(pool, row["id"], *(columns[name] for name in names))
        progress.advance(label=str(self))

    async def _fetch(self, row: "Record", spool: Spool) -> None:
        """Copy the bytes of the image. Raises UnreadableError if they are not those of the row."""
        found = await store.stream(self.objects, row["storage_key"])
        if found is None:
            raise UnreadableError("the object store does not have its bytes.")
        size, chunks = found
        if size > self.settings.max_upload_bytes:
            raise UnreadableError(f"larger than {self.settings.max_upload_bytes} bytes (MAX_UPLOAD_BYTES).")
        sha256 = hashlib.sha256()
        async for chunk in chunks:
            sha256.update(chunk)
            await spool.receive(chunk)
            await self._slow_down(len(chunk))
        if SHA256.fullmatch(row["sha256"]) and sha256.hexdigest() != row["sha256"]:
            raise UnreadableError("the object store has other bytes: see images objects check --verify.")

    async def _slow_down(self, size: int) -> None:
        """Wait until so many more bytes are within the rate."""
        self.bytes += size
        if self.rate is not None:
            await asyncio.sleep(max(0, self._started + self.bytes / self.rate - monotonic()))

    def _stop(self) -> None:
        self.stopped = True
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
