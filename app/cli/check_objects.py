"""`images objects check`: images whose bytes are missing, and bytes that no image has."""

import asyncio
import hashlib
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar
from uuid import UUID

from asyncpg import PostgresError, QueryCanceledError
from obstore.store import ObjectStore
from pydantic_core import to_json
from tqdm import tqdm

from app.cli.import_files import PATIENCE
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.embedded_postgres import connectable
from app.settings import Settings, read_settings
from app.storage import keys as storage_keys
from app.storage import store
from app.storage.keys import CONTENT, THUMBNAIL
from app.storage.store import Object
from app.text import printable

if TYPE_CHECKING:  # asyncpg's classes are generic in its stubs alone
    from asyncpg import Record

PAGE = 1000  # rows read at once
IN_FLIGHT = 8  # images looked at, or objects removed, at once
CLEAN, FOUND, UNKNOWN = 0, 1, 2  # exit statuses


Orphan = Literal["orphan", "thumbnail", "unfinished"]
Thing = TypeVar("Thing")


@dataclass
class Finding:
    kind: Literal["missing", "size"] | Orphan
    key: str
    id: UUID | None = None
    byte_size: int | None = None  # as the row has it
    size: int | None = None  # of the bytes
    modified: datetime | None = None
    removed: bool = False

    def __str__(self) -> str:
        told = {
            "missing": f"image {self.id}: no bytes under {self.key}",
            "size": f"image {self.id}: {self.size} bytes under {self.key}, its row has {self.byte_size}",
            "orphan": f"{self.key}: {self.size} bytes of no image",
            "thumbnail": f"{self.key}: a thumbnail of no image",
            "unfinished": f"{self.key}: {self.size} bytes of a write that was broken off",
        }[self.kind]
        return printable(told) + (", removed" if self.removed else "")


def check_objects(grace: float, remove: bool, format: str) -> int:
    """Tell what is wrong, and remove what no image has if told to. Returns 0: nothing, or all of it is removed;
    1: something; 2: it could not be looked at."""
    try:
        settings = read_settings()
        objects = store.open_store(settings.storage_url)
        connectable(settings.database_url)  # here, where it may end the command
    except SystemExit:
        return UNKNOWN
    check = Check(settings, objects, datetime.now(UTC) - timedelta(seconds=grace), remove, format)
    try:
        asyncio.run(check.work())
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"images objects check: interrupted; {check} so far", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try once more at its end
        return 128 + signal.SIGPIPE
    except (*UNAVAILABLE, PostgresError) as error:
        print(f"images objects check: {store.reason(error) or type(error).__name__}; {check} so far", file=sys.stderr)
        return UNKNOWN
    return CLEAN if check.found == check.removed else FOUND


class Check:
    """A run; `str()` says how far it has come.

    What it holds does not grow with the catalogue, but for a 256th part of the keys: the folder that it is at.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, since: datetime, remove: bool, format: str) -> None:
        self.images = self.contents = self.thumbnails = self.young = self.found = self.removed = 0
        self._objects, self._since, self._remove = objects, since, remove
        self._pool = Pool(settings)
        self._json = format == "json"
        self._kinds: Counter[str] = Counter()
        self._claimed: set[str] = set()  # what adopted images have where the service would write
        self._odd: set[str] = set()  # what names the thumbnails of adopted images whose SHA-256 is none
        self._listed: set[str] = set()  # folders
        self._bar: tqdm[NoReturn] = tqdm(unit=" objects", disable=None, leave=False)
        self._said = time.monotonic()

    def __str__(self) -> str:
        return f"{self.images} images, {self.contents} contents, {self.thumbnails} thumbnails"

    def summary(self) -> str:
        told = {
            "missing": "images without bytes",
            "size": "images with bytes of another size",
            "orphan": "contents of no image",
            "thumbnail": "thumbnails of no image",
            "unfinished": "writes broken off",
        }
        found = ", ".join(f"{self._kinds[kind]} {words}" for kind, words in told.items() if self._kinds[kind])
        young = f"; {self.young} too young to tell" if self.young else ""
        return f"{self}: {found or 'nothing is wrong'}{f'; {self.removed} removed' if self.removed else ''}{young}"

    async def work(self) -> None:
        """All of it. Raises what PostgreSQL or the store do."""
        await store.reach(self._objects)  # a bucket that is not there looks like one without the key
        if self._json:
            self._print('{"findings": [')
        with self._bar:
            async with self._pool:
                await self._adopted()
                await self._contents()
                await self._thumbnails()
                await self._unfinished()
        if self._json:
            numbers = {"images": self.images, "contents": self.contents, "thumbnails": self.thumbnails}
            numbers |= {"found": self.found, "removed": self.removed, "young": self.young}
            self._print(f'], "summary": {to_json(numbers).decode()}}}')
        else:
            self._print(self.summary())

    async def _rows(self) -> AsyncIterator[list["Record"]]:
        first = ""
        while rows := await queries.list_contents(self._pool, first, PAGE + 1):
            yield rows[:PAGE]
            if len(rows) <= PAGE:
                return
            first = rows[PAGE]["sha256"]

    async def _adopted(self) -> None:
        """The images whose bytes lie under a key of their own, one by one; before anything is taken for an orphan."""
        async for rows in self._rows():
            own = [row for row in rows if row["storage_key"] != storage_keys.storage_key(row["sha256"])]
            for row in own:
                if CONTENT.fullmatch(row["storage_key"]) or THUMBNAIL.fullmatch(row["storage_key"]):
                    self._claimed.add(row["storage_key"])
            odd = (row["sha256"] for row in rows if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]))
            self._odd.update(hashlib.sha256(sha256.encode()).hexdigest() for sha256 in odd)
            await each(own, self._look)
            self.images += len(own)
            self._say(len(own))

    async def _contents(self) -> None:
        """The others, against what the store lists: folder by folder, since files come in no order."""
        folder, there = "", dict[str, int]()
        async for rows in self._rows():
            doubtful = []
            for row in rows:
                key = row["storage_key"]
                if key != storage_keys.storage_key(row["sha256"]):
                    continue
                self.images += 1
                if folder != key[:9]:
                    folder = key[:9]
                    there = await self._listing(folder)
                if there.get(key) != row["byte_size"]:
                    doubtful.append(row)
            await each(doubtful, self._look)
            self._say(len(rows))
        for folder in await store.folders(self._objects, "sha256"):
            if folder not in self._listed:
                await self._listing(folder)

    async def _listing(self, folder: str) -> dict[str, int]:
        """The size of each content in the folder, by key; what no image has is told."""
        there = {}
        async for page in store.listing(self._objects, folder):
            found = [(match[3], object) for object in page if (match := CONTENT.fullmatch(object.key))]
            there.update({object.key: object.size for _, object in found})
            if folder not in self._listed:
                self.contents += len(found)
                await self._judge("orphan", found)
        self._listed.add(folder)
        return there

    async def _thumbnails(self) -> None:
        async for page in store.listing(self._objects, "thumbnails"):
            found = [(match[3], object) for object in page if (match := THUMBNAIL.fullmatch(object.key))]
            self.thumbnails += len(found)
            await self._judge("thumbnail", found)

    async def _unfinished(self) -> None:
        for folder in ("sha256", "thumbnails"):
            for object, path in await asyncio.to_thread(list, store.unfinished(self._objects, folder)):
                key = object.key.rpartition("#")[0]
                if match := CONTENT.fullmatch(key) or THUMBNAIL.fullmatch(key):
                    await self._judge("unfinished", [(match[3], object)], path)

    async def _look(self, row: "Record") -> None:
        """Tell what is wrong with the image, if it still is: the store is asked, then PostgreSQL, so that neither an
        upload nor a DELETE in between looks like a loss."""
        there = await store.look(self._objects, row["storage_key"])
        if there is not None and there.size == row["byte_size"]:
            return
        if await queries.get_content(self._pool, row["id"]) is None:
            return
        finding = Finding("missing" if there is None else "size", row["storage_key"], row["id"], row["byte_size"])
        if there is not None:
            finding.size, finding.modified = there.size, there.modified
        self._tell(finding)

    async def _judge(self, kind: Orphan, found: list[tuple[str, Object]], path: Path | None = None) -> None:
        """Tell which of the objects, each with its SHA-256, no image has; the file of what is none yet."""
        is_used = await self._uses(self._pool, kind, [sha256 for sha256, _ in found])
        unused = [(sha256, object) for sha256, object in found if not is_used(sha256, object.key)]
        old = [(sha256, object) for sha256, object in unused if object.modified < self._since]
        self.young += len(unused) - len(old)

        async def tell(orphan: tuple[str, Object]) -> None:
            sha256, object = orphan
            finding = Finding(kind, object.key, size=object.size, modified=object.modified)
            if not self._remove or await self._still(sha256, finding, path):
                self._tell(finding)

        await each(old, tell)
        self._say(len(found))

    async def _still(self, sha256: str, finding: Finding, path: Path | None) -> bool:
        """Whether it is an orphan still. It is removed then, under a DELETE's lock: unless an import is at work, or an
        upload of these bytes."""
        with suppress(QueryCanceledError):  # the upload takes longer than a statement may
            async with self._pool.transaction() as connection:
                if not await queries.lock_content_to_remove(connection, sha256):
                    return True
                if (await self._uses(connection, finding.kind, [sha256]))(sha256, finding.key):
                    return False
                if path is not None:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                else:
                    there = await store.look(self._objects, finding.key)
                    if there is None or there.modified >= self._since:
                        return False
                    await store.delete(self._objects, [finding.key])
                finding.removed = True
        return True

    async def _uses(self, database: queries.Database, kind: str, sha256s: list[str]) -> Callable[[str, str], bool]:
        """What tells whether an image has the object of a SHA-256, one of these, and a key."""
        if kind == "unfinished":
            return lambda *_: False
        rows = await queries.find_contents(database, sha256s)
        keys, known = {row["storage_key"] for row in rows}, {row["sha256"] for row in rows} | self._odd
        if kind == "orphan":
            return lambda _, key: key in keys or key in self._claimed
        return lambda sha256, key: sha256 in known or key in self._claimed

    def _tell(self, finding: Finding) -> None:
        text = str(finding)
        if self._json:
            text = ("," if self.found else "") + to_json(asdict(finding)).decode()
        self.found += 1
        self.removed += finding.removed
        self._kinds[finding.kind] += 1
        self._print(text)

    def _print(self, text: str) -> None:
        with tqdm.external_write_mode(file=sys.stdout):
            print(text)

    def _say(self, number: int) -> None:
        self._bar.update(number)
        if self._bar.disable and time.monotonic() - self._said >= PATIENCE:
            print(f"{self} so far", file=sys.stderr, flush=True)
            self._said = time.monotonic()


async def each(things: Iterable[Thing], work: Callable[[Thing], Awaitable[None]]) -> None:
    """The work on each, several at once."""
    places = asyncio.Semaphore(IN_FLIGHT)

    async def one(thing: Thing) -> None:
        async with places:
            await work(thing)

    await asyncio.gather(*map(one, things))
