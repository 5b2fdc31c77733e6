"""Ownership of the object store: does it have the bytes of this catalogue, or of another one?

The database and the store have the same random ID. The database gets it first, then the store. After an interrupted
start, `claim` continues at the next start.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import NamedTuple
from uuid import UUID, uuid4

from asyncpg import InsufficientPrivilegeError, PostgresError
from obstore.store import ObjectStore

from app.database import queries
from app.database.errors import SCHEMA_BEHIND, UNAVAILABLE
from app.database.pool import Pool
from app.errors import WrongStoreError
from app.observability.logs import logger
from app.settings import Settings
from app.single_flight import SingleFlight
from app.storage import files, identity, store

SAMPLE = 20  # images whose bytes are looked for before a store without an ID is adopted
# Seconds between two attempts to compare, while PostgreSQL or the store does not answer. Each is twice as long as the
# last one, up to the maximum.
POLL_INTERVAL, MAX_POLL_INTERVAL = 1.0, 30.0


# The reasons for which PostgreSQL or the store does not answer.
NOT_COMPARED = (*UNAVAILABLE, *SCHEMA_BEHIND, PostgresError)


class State(Enum):
    """The result of comparing the ID in the database with the ID in the store."""

    OURS = "ours"  # they are the same
    FOREIGN = "foreign"  # the store has another ID, or one that cannot be read
    LOST = "lost"  # the store had the ID of the database, has none now, and has objects
    UNMOUNTED = "unmounted"  # the store is an empty folder, and the database has images
    UNCLAIMED = "unclaimed"  # the store has no ID, has never had that of the database, and may have any objects


class Ownership(NamedTuple):
    """The result of a comparison, the ID in the database, and the ID in the store.

    `is_confirmed` tells that the database knows that the store has had its ID.
    """

    state: State
    own: UUID | None
    found: UUID | None
    is_confirmed: bool

    def fault(self) -> WrongStoreError | None:
        """Return the error that ends a start or a removal, or None."""
        if self.state is State.FOREIGN:
            if self.found is None:
                return WrongStoreError(
                    f"{identity.KEY} in the object store is damaged.",
                    "check STORAGE_URL. If the store has the bytes of this database, remove that object, then run: "
                    "images objects adopt",
                )
            return WrongStoreError(
                f"the object store belongs to another catalogue: it has the ID {self.found}, and the database has "
                f"{self.own or 'none'}.",
                "check STORAGE_URL and DATABASE_URL. If the store has a copy of the bytes of this database, run: "
                f"images objects adopt --replace {self.found}",
            )
        if self.state is State.UNMOUNTED:
            return WrongStoreError(
                "the database has images, but the object store folder is empty.",
                "check STORAGE_URL, and that its volume is mounted. To continue without the bytes, make the folder "
                "sha256 in it",
            )
        if self.state is State.LOST:
            return WrongStoreError(
                f"the object store does not have {identity.KEY} with the ID {self.own} of the database.",
                "check STORAGE_URL. If the store has the bytes of this database, run: images objects adopt",
            )
        return None


UNCLAIMED = (
    f"the object store has objects, but no {identity.KEY}, and not the bytes of the images in the database. "
    "Orphans are not removed before: images objects adopt"
)


async def compare(database: queries.Database, objects: ObjectStore) -> Ownership:
    """Compare the IDs, and write nothing. Raises errors of PostgreSQL and of obstore."""
    # Another process may claim the store in between: it writes to the database, then to the store, then confirms. After
    # that it stores images. So the store is read first. If only the database has an ID, the store is read again,
    # after the look whether it is empty.
    is_empty = True
    try:
        found = await identity.read(objects)
        row = await queries.get_store(database)
        own, is_confirmed = (row["id"], row["is_confirmed"]) if row else (None, False)
        if found is None and is_confirmed:
            is_empty = await identity.is_empty(objects)
            found = await identity.read(objects)
    except identity.BrokenIdentityError:
        row = await queries.get_store(database)
        return Ownership(State.FOREIGN, row["id"] if row else None, None, bool(row and row["is_confirmed"]))
    if found is not None:
        return Ownership(State.OURS if found == own else State.FOREIGN, own, found, is_confirmed)
    if await files.is_bare(objects) and await queries.list_contents(database, b"", 1):
        return Ownership(State.UNMOUNTED, own, None, is_confirmed)
    return Ownership(State.UNCLAIMED if is_empty else State.LOST, own, None, is_confirmed)


async def claim(database: queries.Database, objects: ObjectStore) -> Ownership:
    """Compare the IDs. If the store has none and is empty, or has bytes of this catalogue, write the ID.

    Processes of one database that do this at the same time write the same ID. Raises errors of PostgreSQL and obstore.
    """
    ownership = await compare(database, objects)
    if ownership.state is State.UNCLAIMED and (
        await identity.is_empty(objects) or await has_known_bytes(database, objects)
    ):
        await queries.insert_store(database, uuid4())
        row = await queries.get_store(database)
        assert row is not None
        await identity.write(objects, row["id"])
        ownership = await compare(database, objects)
    if ownership.state is State.OURS and ownership.own is not None and not ownership.is_confirmed:
        await queries.confirm_store(database, ownership.own)
    return ownership


async def replace(database: queries.Database, objects: ObjectStore) -> UUID:
    """Give the database and the store a new ID, whatever they had, and return it."""
    id = uuid4()
    await queries.replace_store(database, id)
    await identity.write(objects, id, replace=True)
    await queries.confirm_store(database, id)
    return id


async def has_known_bytes(database: queries.Database, objects: ObjectStore) -> bool:
    """Return whether the store has the bytes of more than half of the first images, by SHA-256, in their size.

    A SHA-256 is as good as random, so these images are a sample.
    """
    rows = await queries.list_contents(database, b"", SAMPLE)
    sizes = await asyncio.gather(*(store.size(objects, row["storage_key"]) for row in rows))
    present = [size for size, row in zip(sizes, rows, strict=True) if size == row["byte_size"]]
    return 2 * len(present) > len(rows)


class StoreGuard:
    """The comparison of one worker. It runs in the background, so neither the store nor PostgreSQL delays a start.

    `ownership` is None until both have answered. Until then nothing is written to the store. An object that is stored
    before makes an empty store look like one that has lost its ID.
    """

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self.ownership: Ownership | None = None
        self._settings = settings.model_copy(update={"database_pool_size": 1})
        self._objects = objects
        self._is_started = False
        self._flight: SingleFlight[None, WrongStoreError | None] = SingleFlight()
        self._cannot = False  # the service has no right to the IDs, so it serves without them
        self._claimed: UUID | None = None  # the ID that the database and the store had when this worker started
        self._mark: tuple[int, ...] | None = None  # of catalogue.json at the last comparison, if the store is a folder

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Compare while the context is open."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._flight.cancel()

    async def _run(self) -> None:
        """Compare until the store is that of this catalogue: the operator may adopt it meanwhile.

        Then compare at longer intervals: a volume may be unmounted, or mounted in the wrong place.
        """
        retry, last = POLL_INTERVAL, ""
        while True:
            try:
                fault = await self._flight.share(None, self._attempt)
                text = fault.message if fault else ""
            except NOT_COMPARED as error:
                text = f"not compared with the database: {type(error).__name__}: {store.reason(error)}"
            if text and text != last:
                logger.warning("object store: %s", text)
            last = text
            await asyncio.sleep(retry if text else MAX_POLL_INTERVAL)
            retry = min(2 * retry, MAX_POLL_INTERVAL) if text and self.ownership is not None else POLL_INTERVAL

    async def _attempt(self) -> WrongStoreError | None:
        """Compare once. Return what is wrong, or None. Raises the errors of NOT_COMPARED."""
        self._cannot = False
        try:
            async with Pool(self._settings, "store") as pool:
                mark = await files.mark(self._objects, identity.KEY)
                fault = self._judge(await (compare if self._is_started else claim)(pool, self._objects))
                self._mark = mark
                return fault
        except InsufficientPrivilegeError:
            self._cannot = True
            raise

    def _judge(self, found: Ownership) -> WrongStoreError | None:
        """Keep the comparison in `ownership`. Return what is wrong, or None."""
        if self._claimed is not None and found.own is None and found.found == self._claimed:
            # The store is the same. Only the table was dropped and made again, by a rollback. The worker continues.
            return WrongStoreError(
                f"the database no longer has the ID {self._claimed} of its store. The next start fails."
            )
        if self._is_started and found.state is State.UNCLAIMED and found.is_confirmed:
            found = found._replace(state=State.LOST)
        self.ownership, fault = found, found.fault()
        if fault is None:
            if found.state is State.UNCLAIMED and not self._is_started:
                logger.warning("%s", UNCLAIMED)
            self._is_started, self._claimed = True, found.own
        return fault

    async def admit(self) -> None:
        """Return if images may be stored. If the store is not compared yet, or is another folder now, compare it.

        A disk that is unmounted leaves an empty folder. Without this, it would get the images of MAX_POLL_INTERVAL.

        Raises WrongStoreError if the store belongs to another catalogue, and the errors of NOT_COMPARED.
        """
        if not self._cannot and (self.ownership is None or await files.mark(self._objects, identity.KEY) != self._mark):
            with suppress(InsufficientPrivilegeError):
                await self._flight.share(None, self._attempt)
        self.check()

    async def is_removable(self) -> bool:
        """Return False if the store is, or may be, that of another catalogue, whose bytes a DELETE must not remove."""
        try:
            await self.admit()
        except (WrongStoreError, *NOT_COMPARED):
            return False
        return True

    def check(self) -> None:
        """Raise WrongStoreError if the store belongs to another catalogue."""
        if self.ownership is not None and (fault := self.ownership.fault()) is not None:
            raise fault
