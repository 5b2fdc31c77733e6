"""`images import`: each file of folders, as POST /v1/images would take it."""

import asyncio
import hashlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Thread
from typing import NoReturn, ParamSpec, TypeVar

from asyncpg import PostgresError
from obstore.store import ObjectStore
from pydantic import ValidationError
from tqdm import tqdm

from app.catalogue.fields import NOT_IN_A_NAME
from app.catalogue.ingest import Digest, store_image
from app.catalogue.models import UploadFields
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.decoder.client import Codec
from app.embedded_postgres import connectable
from app.errors import REJECTED_IMAGES, RejectedImageError, fail
from app.settings import Settings, read_settings
from app.storage.spool import Spool
from app.storage.store import CHUNK, open_store, reason
from app.text import printable

IN_FLIGHT = 4  # files for each core: some are read or measured, others wait for PostgreSQL and the store
PATIENCE = 10.0  # seconds between two lines that say how far it is, where there is no terminal

P = ParamSpec("P")
Result = TypeVar("Result")


class UnreadableError(Exception):
    """The file cannot be read; the message says why."""


def import_folders(paths: list[Path], tags: list[str]) -> int:
    """Import them. Returns 0; 1 where a file was refused; 130 after Ctrl-C."""
    settings = read_settings()
    try:
        fields = UploadFields.model_validate({"tags": tags}, context=settings)
    except ValidationError as error:
        fail(f"images import: --tag: {error.errors()[0]['msg'].removeprefix('Value error, ')}")
    objects = open_store(settings.storage_url)
    connectable(settings.database_url)  # here, where it may end the command
    run = Import(settings, objects, paths, fields)
    away = None
    try:
        asyncio.run(run.work())
    except* (*UNAVAILABLE, PostgresError) as group:
        away = group.exceptions[0]
    if away is not None:
        fail(f"images import: {reason(away) or type(away).__name__}; {run} so far: run again, it goes on from there")
    print(run)
    return 128 + signal.SIGINT if run.stopped else int(run.refused > 0)


class Import:
    """A run; `str()` says how far it has come."""

    def __init__(self, settings: Settings, objects: ObjectStore, paths: list[Path], fields: UploadFields) -> None:
        self.new = self.known = self.refused = 0
        self.stopped = False
        self._settings, self._objects, self._paths, self._fields = settings, objects, paths, fields
        self._files = files(paths)
        self._listing = Lock()
        self._cores = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._cores)
        self._codec = Codec(settings.max_image_pixels, settings.decode_timeout)
        self._pool = Pool(settings)
        self._bar: tqdm[NoReturn] = tqdm(unit=" files", disable=None, leave=False)
        self._said = time.monotonic()

    def __str__(self) -> str:
        return f"{self.new} new, {self.known} known, {self.refused} refused"

    async def work(self) -> None:
        """Import all of it. What PostgreSQL or the store raise ends it, as an ExceptionGroup."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)
        if not self._bar.disable:
            Thread(target=self._count, daemon=True).start()
        with self._codec, self._threads, self._bar:
            async with self._pool, asyncio.TaskGroup() as workers:
                for _ in range(min(IN_FLIGHT * self._cores, self._settings.database_pool_size)):
                    workers.create_task(self._work())

    async def _work(self) -> None:
        while not self.stopped and (path := await self._in_thread(self._next)) is not None:
            try:
                if await self._is_new(path):
                    self.new += 1
                else:
                    self.known += 1
            except (UnreadableError, RejectedImageError) as error:
                self.refused += 1
                tqdm.write(printable(f"{path}: {_reason(error)}"), file=sys.stderr)
            self._say()

    async def _is_new(self, path: Path) -> bool:
        """Have the file in the catalogue; whether it was not. Raises UnreadableError, RejectedImageError."""
        with Spool() as copy:
            size, sha256 = await self._in_thread(read, path, copy, self._settings.max_upload_bytes)
            if await queries.get_image_by_sha256(self._pool, sha256) is not None:
                return False
            content = copy.content()
            found = Digest(size, sha256, await self._in_thread(self._codec.measure, content))
            _, new = await store_image(self._pool, self._objects, content, found, filename(path), self._fields)
            return new

    async def _in_thread(self, work: Callable[P, Result], *arguments: P.args, **_: P.kwargs) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _next(self) -> Path | None:
        with self._listing:
            return next(self._files, None)

    def _count(self) -> None:
        self._bar.total = sum(1 for _ in files(self._paths))

    def _say(self) -> None:
        self._bar.set_postfix_str(str(self), refresh=False)
        self._bar.update()
        if self._bar.disable and time.monotonic() - self._said >= PATIENCE:
            print(f"{self} so far", file=sys.stderr, flush=True)
            self._said = time.monotonic()

    def _stop(self) -> None:
        self.stopped = True
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        # At once: an end through the interpreter, with threads at work, could crash it.
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
        tqdm.write("finishing what is begun; Ctrl-C again stops at once", file=sys.stderr)


def files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files among the paths and in their folders, in order, less what `_wanted` leaves out."""
    levels = [iter(paths)]
    while levels:
        path = next(levels[-1], None)
        if path is None:
            levels.pop()
            continue
        try:
            names = sorted(os.listdir(path))  # noqa: PTH208  # names alone, of which there may be a million
        except OSError:  # a file; or a folder that cannot be read, as reading it like a file will tell
            yield path
        else:
            levels.append(filter(_wanted, map(path.joinpath, names)))


def _wanted(path: Path) -> bool:
    """No hidden files and folders, no pipes and the like, no links to folders, which may lead in circles."""
    if path.name.startswith("."):
        return False
    try:
        mode = path.stat().st_mode
    except OSError:  # reading it will tell
        return True
    return stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and not path.is_symlink())


def read(path: Path, copy: Spool, max_bytes: int) -> tuple[int, str]:
    """Copy the file, which may change meanwhile; the size and SHA-256. Raises UnreadableError, RejectedImageError."""
    size, sha256 = 0, hashlib.sha256()
    for chunk in _chunks(path, max_bytes):
        size += len(chunk)
        if size > max_bytes:
            raise UnreadableError(f"At most {max_bytes} bytes are taken.")
        sha256.update(chunk)
        copy.write(chunk)
    return size, sha256.hexdigest()


def _chunks(path: Path, max_bytes: int) -> Iterator[bytes]:
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise UnreadableError("Not a file")
        if about.st_size > max_bytes:
            raise UnreadableError(f"At most {max_bytes} bytes are taken.")
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise UnreadableError(error.strerror) from None


def filename(path: Path) -> str:
    """The file's own name. What is not UTF-8 in it, or nothing that a name may have, becomes U+FFFD."""
    return NOT_IN_A_NAME.sub("\ufffd", os.fsencode(path.name).decode(errors="replace"))


def _reason(error: UnreadableError | RejectedImageError) -> str:
    return f"{REJECTED_IMAGES[error.kind]}: {error.detail}" if isinstance(error, RejectedImageError) else str(error)
