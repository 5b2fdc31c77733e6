"""Consistency check of the object store, `images objects check`: images without bytes, bytes without an image."""

import asyncio
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar
from uuid import UUID

from asyncpg import InsufficientPrivilegeError, QueryCanceledError
from obstore.store import ObjectStore
from pydantic_core import to_jsonable_python

from app.catalogue.ownership import State, claim, compare
from app.cli.failures import FAILURES, failure
from app.cli.output import note
from app.cli.verify_contents import Verification
from app.database import queries
from app.database.errors import SCHEMA_BEHIND
from app.database.pool import Pool
from app.embedded_postgres import connectable
from app.errors import CommandError, ExitCode, WrongStoreError
from app.progress import Progress
from app.settings import Settings, read_settings
from app.storage import keys as storage_keys
from app.storage import store
from app.storage.keys import CONTENT, THUMBNAIL
from app.storage.store import Object
from app.text import count, printable

if TYPE_CHECKING:  # asyncpg's classes are generic only in its stubs
    from asyncpg import Record

PAGE = 1000  # rows per query
CONCURRENT = 8  # images looked up, or objects removed, at once

TENTH = 10  # the part of the objects of which more are removed only if their number is given
FOLDER_LENGTH = len("sha256/ab")  # of the part of a content's key that names one of the 256 folders

Orphan = Literal["orphan", "thumbnail", "unfinished"]
Thing = TypeVar("Thing")


@dataclass
class Finding:
    """An image without its bytes, or bytes without an image."""

    kind: Literal["missing", "size", "wrong"] | Orphan
    key: str
    id: UUID | None = None
    byte_size: int | None = None  # in the row
    size: int | None = None  # of the bytes
    modified: datetime | None = None
    removed: bool = False

    def __str__(self) -> str:
        texts = {
            "missing": f"image {self.id}: no bytes under {self.key}",
            "size": f"image {self.id}: {self.size} bytes under {self.key}, its row has {self.byte_size}",
            "wrong": f"image {self.id}: the bytes under {self.key} have another SHA-256",
            "orphan": f"{self.key}: {self.size} bytes of no image",
            "thumbnail": f"{self.key}: a thumbnail of no image",
            "unfinished": f"{self.key}: {self.size} bytes of an interrupted write",
        }[self.kind]
        return printable(texts) + (", removed" if self.removed else "")


class VerifyOptions(NamedTuple):
    """Options of --verify: the seconds within which a content is not verified again, and bytes per second or None."""

    interval: float
    rate: int | None


def check_objects(
    grace: float, remove: bool, max_removals: int | None, format: str, verify: VerifyOptions | None = None
) -> ExitCode:
    """Print what is wrong, and remove what no image has if `remove` is true.

    `grace` is in seconds: younger objects are ignored. If there are more than `max_removals` orphans, or more than a
    tenth of the objects, nothing is removed. With `verify`, the bytes are read and hashed too. Return ACTION_NEEDED if
    a finding was not removed. Raises CommandError if PostgreSQL or the object store fails, or if the store is that of
    another catalogue.
    """
    settings = read_settings(needs_store=True)
    objects = store.open_store(settings.storage_url)
    connectable(settings.database_url)  # outside of the event loop, because it may start a server
    since = datetime.now(UTC) - timedelta(seconds=grace)
    check = Check(settings, objects, since, format, verify=verify)
    try:
        asyncio.run(_compare(settings, objects, remove))
        if remove:
            survey = Check(settings, objects, since, format, surveys=True)
            asyncio.run(survey.work())
            check.removals_left = survey.allowed_removals(max_removals)
        asyncio.run(check.work())
    except KeyboardInterrupt:
        note(f"{check} so far")
        raise
    except FAILURES as error:
        note(f"{check} so far")
        raise failure(error, settings) from error
    return ExitCode.DONE if check.found == check.removed else ExitCode.ACTION_NEEDED


async def _compare(settings: Settings, objects: ObjectStore, remove: bool) -> None:
    """Raise WrongStoreError if the store belongs to another catalogue, or if it may be and objects shall be removed."""
    await store.reach(objects)  # a bucket that does not exist looks like one without the key
    async with Pool(settings) as pool:
        found = await (claim if remove else compare)(pool, objects)
    if (fault := found.fault()) is not None:
        raise fault
    if remove and found.state is not State.OURS:
        raise WrongStoreError(
            "the object store has objects, but no identity, and not the bytes of the images in the database: nothing "
            "was removed.",
            "check STORAGE_URL. If the store is that of this database, run: images objects adopt",
        )


class Check:
    """One check. `str()` says how far it has come. If it `surveys`, it only counts the orphans.

    Its memory does not grow with the catalogue, except for one folder of 256: the keys in the one that it reads.
    """

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        since: datetime,
        format: str,
        *,
        surveys: bool = False,
        verify: VerifyOptions | None = None,
    ) -> None:
        self.images = self.contents = self.thumbnails = self.young = self.found = self.removed = 0
        self.removals_left = 0  # orphans that may still be removed
        self._objects, self._since, self._surveys = objects, since, surveys
        self._pool = Pool(settings)
        self._json = format == "json"
        self._kinds: Counter[str] = Counter()
        self._adopted_keys: set[str] = set()  # keys of adopted images that look like the service's own
        self._adopted_thumbnails: set[str] = set()  # hashes in thumbnail keys of adopted images without a real SHA-256
        self._listed_folders: set[str] = set()
        self._progress = Progress("objects", summary=self.__str__)
        self._verification = verify and Verification(
            self._pool,
            objects,
            datetime.now(UTC) - timedelta(seconds=verify.interval),
            verify.rate,
            self._progress,
            lambda row: self._report(Finding("wrong", row["storage_key"], row["id"], row["byte_size"])),
        )

    def __str__(self) -> str:
        counted = (
            f"{count(self.images, 'image')}, {count(self.contents, 'content')}, {count(self.thumbnails, 'thumbnail')}"
        )
        if self._verification is None:
            return counted
        return f"{counted}, {self._verification.verified} verified ({self._verification.bytes} bytes)"

    def allowed_removals(self, most: int | None) -> int:
        """Return how many objects may be removed. Raises CommandError if the survey has found more orphans."""
        objects = self.contents + self.thumbnails + self._kinds["unfinished"]
        if self.found > (objects // TENTH if most is None else most):
            limit = "a tenth" if most is None else f"--max-removals {most}"
            raise CommandError(
                f"{self.found} of {objects} objects belong to no image, more than {limit}: nothing was removed.",
                "look at them (images objects check). To remove them: images objects check --remove-orphans "
                f"--max-removals {self.found}",
                ExitCode.ACTION_NEEDED,
            )
        return self.found if most is None else most

    def summary(self) -> str:
        """Return the counts of everything looked at and of every kind of finding."""
        kinds = {
            "missing": ("image", " without bytes"),
            "size": ("image", " with bytes of another size"),
            "wrong": ("image", " with other bytes"),
            "orphan": ("content", " of no image"),
            "thumbnail": ("thumbnail", " of no image"),
            "unfinished": ("interrupted write", ""),
        }
        found = ", ".join(
            f"{count(self._kinds[kind], noun)}{what}" for kind, (noun, what) in kinds.items() if self._kinds[kind]
        )
        young = f"; {self.young} newer than --grace" if self.young else ""
        return f"{self}: {found or 'nothing is wrong'}{f'; {self.removed} removed' if self.removed else ''}{young}"

    async def work(self) -> None:
        """Check everything. Raises what PostgreSQL and the object store raise."""
        if self._json and not self._surveys:
            self._print('{"findings": [')
        with self._progress:
            async with self._pool:
                await self._adopted()
                await self._contents()
                await self._thumbnails()
                await self._unfinished()
                if self._verification is not None:
                    await self._verification.work()
                if not self._surveys:
                    with suppress(*SCHEMA_BEHIND, InsufficientPrivilegeError):  # the alert is not worth a failure
                        await queries.record_objects_check(self._pool)
        if self._surveys:
            return
        if self._json:
            numbers = {"images": self.images, "contents": self.contents, "thumbnails": self.thumbnails}
            if self._verification is not None:
                numbers |= {"verified": self._verification.verified, "bytes": self._verification.bytes}
            numbers |= {"found": self.found, "removed": self.removed, "young": self.young}
            self._print(f'], "summary": {json.dumps(numbers)}}}')
        else:
            self._print(self.summary())

    async def _rows(self) -> AsyncIterator[list["Record"]]:
        first = b""
        while rows := await queries.list_contents(self._pool, first, PAGE + 1):
            yield rows[:PAGE]
            if len(rows) <= PAGE:
                return
            first = rows[PAGE]["content_sha256"]

    async def _adopted(self) -> None:
        """Look up the images whose bytes have a key of their own, before anything is judged to be an orphan."""
        async for rows in self._rows():
            own = [row for row in rows if row["storage_key"] != storage_keys.storage_key(row["sha256"])]
            for row in own:
                if CONTENT.fullmatch(row["storage_key"]) or THUMBNAIL.fullmatch(row["storage_key"]):
                    self._adopted_keys.add(row["storage_key"])
            odd = (row["sha256"] for row in rows if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]))
            self._adopted_thumbnails.update(hashlib.sha256(sha256.encode()).hexdigest() for sha256 in odd)
            if not self._surveys:
                await each(own, self._look)
            self.images += len(own)
            self._progress.advance(len(own))

    async def _contents(self) -> None:
        if not self._surveys:
            await self._compare_contents()
        for folder in await store.folders(self._objects, "sha256"):
            if folder not in self._listed_folders:
                await self._listing(folder)

    async def _compare_contents(self) -> None:
        """Compare the other images with the listing of the store, folder by folder: a listing has no order."""
        folder, sizes = "", dict[str, int]()
        async for rows in self._rows():
            doubtful = []
            for row in rows:
                key = row["storage_key"]
                if key != storage_keys.storage_key(row["sha256"]):
                    continue
                self.images += 1
                if folder != key[:FOLDER_LENGTH]:
                    folder = key[:FOLDER_LENGTH]
                    sizes = await self._listing(folder)
                if sizes.get(key) != row["byte_size"]:
                    doubtful.append(row)
            await each(doubtful, self._look)
            self._progress.advance(len(rows))

    async def _listing(self, folder: str) -> dict[str, int]:
        """Return the size of each content in the folder, by key, and report those that no image has."""
        sizes = {}
        async for page in store.listing(self._objects, folder):
            found = [(match[3], object) for object in page if (match := CONTENT.fullmatch(object.key))]
            sizes.update({object.key: object.size for _, object in found})
            if folder not in self._listed_folders:
                self.contents += len(found)
                await self._judge("orphan", found)
        self._listed_folders.add(folder)
        return sizes

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
        """Report what is wrong with the image, if it still is.

        The store is asked first and PostgreSQL second, so that an upload or a DELETE in between does not look like a
        loss.
        """
        stored = await store.look(self._objects, row["storage_key"])
        if stored is not None and stored.size == row["byte_size"]:
            return
        if await queries.get_content(self._pool, row["id"]) is None:
            return
        finding = Finding("missing" if stored is None else "size", row["storage_key"], row["id"], row["byte_size"])
        if stored is not None:
            finding.size, finding.modified = stored.size, stored.modified
        self._report(finding)

    async def _judge(self, kind: Orphan, found: list[tuple[str, Object]], path: Path | None = None) -> None:
        """Report the objects, each with its SHA-256, that no image has. `path` is the file of an interrupted write."""
        is_used = await self._uses(self._pool, kind, [sha256 for sha256, _ in found])
        unused = [(sha256, object) for sha256, object in found if not is_used(sha256, object.key)]
        old = [(sha256, object) for sha256, object in unused if object.modified < self._since]
        self.young += len(unused) - len(old)

        async def report(orphan: tuple[str, Object]) -> None:
            sha256, object = orphan
            finding = Finding(kind, object.key, size=object.size, modified=object.modified)
            if self.removals_left > 0:
                self.removals_left -= 1
                if not await self._remove_if_orphan(sha256, finding, path):
                    return
            self._report(finding)

        await each(old, report)
        self._progress.advance(len(found))

    async def _remove_if_orphan(self, sha256: str, finding: Finding, path: Path | None) -> bool:
        """Remove the object. Return False only if it is no orphan: an image now uses it, or it is gone or rewritten.

        It is removed under the lock of a DELETE. If an import runs, or an upload of the same bytes, it stays, and this
        returns True.
        """
        with suppress(QueryCanceledError):  # the upload takes longer than the statement timeout
            async with self._pool.transaction() as connection:
                if not await queries.lock_content_to_remove(connection, sha256):
                    return True
                if (await self._uses(connection, finding.kind, [sha256]))(sha256, finding.key):
                    return False
                if path is not None:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
                else:
                    stored = await store.look(self._objects, finding.key)
                    if stored is None or stored.modified >= self._since:
                        return False
                    await store.delete(self._objects, [finding.key])
                finding.removed = True
        return True

    async def _uses(self, database: queries.Database, kind: str, sha256s: list[str]) -> Callable[[str, str], bool]:
        """Return a function that says whether an image uses the object with this SHA-256 and key."""
        if kind == "unfinished":
            return lambda *_: False
        rows = await queries.find_contents(database, sha256s)
        keys, known = {row["storage_key"] for row in rows}, {row["sha256"] for row in rows} | self._adopted_thumbnails
        if kind == "orphan":
            return lambda _, key: key in keys or key in self._adopted_keys
        return lambda sha256, key: sha256 in known or key in self._adopted_keys

    def _report(self, finding: Finding) -> None:
        if self._surveys:
            self.found += 1
            self._kinds[finding.kind] += 1
            return
        text = str(finding)
        if self._json:
            text = ("," if self.found else "") + json.dumps(to_jsonable_python(asdict(finding)))
        self.found += 1
        self.removed += finding.removed
        self._kinds[finding.kind] += 1
        self._print(text)

    def _print(self, text: str) -> None:
        self._progress.message(text, sys.stdout)


async def each(things: Iterable[Thing], work: Callable[[Thing], Awaitable[None]]) -> None:
    """Do the work on each, a few at once."""
    places = asyncio.Semaphore(CONCURRENT)

    async def one(thing: Thing) -> None:
        async with places:
            await work(thing)

    await asyncio.gather(*map(one, things))
