"""Import of image files and folders, `images import`: stores each file as POST /v1/images does."""

import asyncio
import hashlib
import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Thread
from typing import NoReturn, ParamSpec, TypeVar

from obstore.store import ObjectStore
from pydantic import ValidationError

from app.catalogue.faults import explain
from app.catalogue.fields import NOT_IN_A_NAME
from app.catalogue.ingest import HashedContent, store_image
from app.catalogue.models import UploadFields
from app.catalogue.ownership import StoreGuard
from app.cli.failures import FAILURES, interruption, main_cause
from app.cli.output import note
from app.cli.store_folder import warn_if_root
from app.database.pool import Pool
from app.decoder.client import EMPTY, REASONS, Codec
from app.decoder.formats import Reading
from app.embedded_postgres import connectable
from app.errors import INTERRUPTED, CommandError, ExitCode, RejectedImageError, UsageError, WrongStoreError
from app.progress import Progress
from app.settings import Settings, read_settings
from app.storage.spool import Content, Spool
from app.storage.store import CHUNK, open_store
from app.text import printable

FILES_PER_CORE = 4  # imported at once: some are read or measured, others wait for PostgreSQL and the store

P = ParamSpec("P")
Result = TypeVar("Result")


class UnreadableError(Exception):
    """The file cannot be read. The message says why."""


def import_folders(paths: list[Path], tags: list[str], use: str | None, leave: Callable[[int], NoReturn]) -> int:
    """Import files and folders. Return ACTION_NEEDED if a file was rejected, INTERRUPTED after Ctrl+C.

    `leave` ends the process at once, after a second Ctrl+C. Raises CommandError if PostgreSQL or the store fails.
    """
    settings = read_settings(needs_store=True)
    try:
        fields = UploadFields.model_validate(({"tags": tags} if tags else {}) | {"use": use}, context=settings)
    except ValidationError as error:
        option = {"tags": "--tag", "use": "--use"}[str(error.errors()[0]["loc"][0])]
        raise UsageError(f"{option} {explain(error.errors()[0])}.") from None
    objects = open_store(settings.storage_url)
    warn_if_root(settings.storage_url)
    connectable(settings.database_url)  # outside of the event loop, because it may start a server
    run = Import(settings, objects, paths, fields, leave)
    failed: CommandError | None = None
    try:
        asyncio.run(run.work())
    except* (*FAILURES, WrongStoreError) as group:
        cause = main_cause(group.exceptions)
        failed = cause if isinstance(cause, WrongStoreError) else interruption(cause, settings)
        if failed is not cause:
            failed.__cause__ = cause
    if failed is not None:
        note(f"{run} so far")
        raise failed
    for advice in run.advice:
        note(advice)
    print(run)
    if run.stopped:
        return INTERRUPTED
    return ExitCode.ACTION_NEEDED if run.rejected else ExitCode.DONE


class Import:
    """One import. `str()` says how far it has come."""

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        paths: list[Path],
        fields: UploadFields,
        leave: Callable[[int], NoReturn],
    ) -> None:
        self.new = self.known = self.rejected = 0
        self.stopped = False
        self.advice: dict[str, None] = {}  # on files of other formats, each once
        self._settings, self._objects, self._paths, self._fields = settings, objects, paths, fields
        self._leave = leave
        self._files = files(paths)
        self._listing = Lock()
        self._cores = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._cores)
        self._codec = Codec(settings.max_image_pixels, settings.decode_timeout, settings.formats.split(","))
        self._pool = Pool(settings)
        self._guard = StoreGuard(settings, objects)
        self._progress = Progress("files", summary=self.__str__)

    def __str__(self) -> str:
        return f"{self.new} new, {self.known} known, {self.rejected} rejected"

    async def work(self) -> None:
        """Import all files. Raises an ExceptionGroup of FAILURES."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)
        if self._progress.has_bar:
            Thread(target=self._count, daemon=True).start()
        with self._codec, self._threads, self._progress:
            async with self._pool, asyncio.TaskGroup() as workers:
                await self._guard.admit()
                for _ in range(min(FILES_PER_CORE * self._cores, self._settings.database_pool_size)):
                    workers.create_task(self._work())

    async def _work(self) -> None:
        while not self.stopped and (path := await self._in_thread(self._next)) is not None:
            try:
                if await self._is_new(path):
                    self.new += 1
                else:
                    self.known += 1
            except (UnreadableError, RejectedImageError) as error:
                self.rejected += 1
                reason, advice = _reason(error)
                if advice:
                    self.advice[advice] = None
                self._progress.message(printable(f"{path}: {reason}"))
            self._progress.advance(label=str(self))

    async def _is_new(self, path: Path) -> bool:
        """Store the file, and return whether it is new. Raises UnreadableError, RejectedImageError."""
        with Spool() as copy:
            size, sha256 = await self._in_thread(read, path, copy, self._settings.max_upload_bytes)
            hashed = HashedContent(copy.content(), size, sha256)
            _, new = await store_image(
                self._pool,
                self._objects,
                hashed,
                self._read,
                filename(path),
                self._fields,
                self._guard.admit,
                self._settings,
            )
            return new

    async def _read(self, content: Content) -> Reading:
        return await self._in_thread(self._codec.read, content)

    async def _in_thread(self, work: Callable[P, Result], *arguments: P.args, **_: P.kwargs) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _next(self) -> Path | None:
        with self._listing:
            return next(self._files, None)

    def _count(self) -> None:
        self._progress.expect(sum(1 for _ in files(self._paths)))

    def _stop(self) -> None:
        self.stopped = True
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        # The interpreter's own shutdown could crash while threads run.
        signal.signal(signal.SIGINT, lambda *_: self._leave(INTERRUPTED))
        self._progress.message("finishing the files that were begun; press Ctrl+C again to stop at once")


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files among the paths and in their folders, in order, except those that `_is_wanted` leaves out."""
    levels = [iter(paths)]
    while levels:
        path = next(levels[-1], None)
        if path is None:
            levels.pop()
            continue
        try:
            names = sorted(os.listdir(path))  # noqa: PTH208  # only names, of which there may be a million
        except OSError:  # a file; or a folder that cannot be read, which shows when it is read as a file
            yield path
        else:
            levels.append(filter(_is_wanted, map(path.joinpath, names)))


def _is_wanted(path: Path) -> bool:
    """Return False for hidden files and folders, pipes, devices, and links to folders, which may be circular."""
    if path.name.startswith("."):
        return False
    try:
        mode = path.stat().st_mode
    except OSError:  # shows when the file is read
        return True
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and not path.is_symlink())


def read(path: Path, copy: Spool, max_bytes: int) -> tuple[int, str]:
    """Copy the file, which may change meanwhile. Return the size in bytes and the SHA-256 in hex.

    Raises UnreadableError.
    """
    size, sha256 = 0, hashlib.sha256()
    for chunk in _chunks(path, max_bytes):
        size += len(chunk)
        if size > max_bytes:
            raise UnreadableError(f"larger than {max_bytes} bytes (MAX_UPLOAD_BYTES).")
        sha256.update(chunk)
        copy.write(chunk)
    return size, sha256.hexdigest()


def _chunks(path: Path, max_bytes: int) -> Iterator[bytes]:
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise UnreadableError("not a file.")
        if about.st_size > max_bytes:
            raise UnreadableError(f"larger than {max_bytes} bytes (MAX_UPLOAD_BYTES).")
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise UnreadableError(f"{error.strerror}.") from None


def filename(path: Path) -> str:
    """Return the file's own name. Characters that are not UTF-8, or not allowed in a name, become U+FFFD."""
    return NOT_IN_A_NAME.sub("\ufffd", os.fsencode(path.name).decode(errors="replace"))


def _reason(error: UnreadableError | RejectedImageError) -> tuple[str, str]:
    """Return why a file is rejected, and the advice that is printed once, at the end."""
    if isinstance(error, UnreadableError):
        return str(error), ""
    match error.kind:
        case _ if error.kind == "unsupported-image" or error.detail in REASONS.values():
            reason, _, advice = error.detail.partition(". ")
            return f"{reason.rstrip('.')}.", advice
        case "broken-image" if error.detail == EMPTY:
            return "the file is empty.", ""
        case "broken-image":
            return f"the file is damaged or incomplete ({error.detail.rstrip('.')}).", ""
    return f"the image has too many pixels. {error.detail}", ""
