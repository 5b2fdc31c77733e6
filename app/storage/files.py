"""Files of a `file:` store: write them to the disk (fsync), and notice that another disk is mounted in their place.

Each function does nothing for another store.
"""

import asyncio
import errno
import os
from contextlib import suppress
from pathlib import Path

from obstore.store import LocalStore, ObjectStore

FILE_SYSTEM = {"lost+found"}  # folders of a new disk


def _path(store: ObjectStore, key: str) -> Path | None:
    return Path(store.prefix) / key if isinstance(store, LocalStore) and store.prefix is not None else None


async def make_folder(store: ObjectStore, key: str) -> None:
    """Create the folder of a key, and write the names of all new folders to the disk. Raises OSError.

    If it cannot be created, the write that follows raises the reason.
    """

    def work(folder: Path) -> None:
        new = [each for each in (folder, *folder.parents[: key.count("/") - 1]) if not each.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        _sync(*(each.parent for each in new))

    if (path := _path(store, key)) is not None:
        await asyncio.to_thread(work, path.parent)


async def sync(store: ObjectStore, key: str) -> None:
    """Write the file of a key and its name to the disk, so that they survive a loss of power. Raises OSError.

    If the file is gone, a DELETE of the same bytes has removed it, which the caller finds.
    """
    if (path := _path(store, key)) is not None:
        with suppress(FileNotFoundError):
            await asyncio.to_thread(_sync, path, path.parent)


def _sync(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL or not path.is_dir():  # some file systems cannot sync a folder
                raise
        finally:
            os.close(descriptor)


async def is_bare(store: ObjectStore) -> bool:
    """Return whether the folder of the store has nothing, or is gone: its disk may be unmounted. Raises OSError."""

    def work(folder: Path) -> bool:
        return not folder.exists() or all(each.name in FILE_SYSTEM for each in folder.iterdir())

    return (path := _path(store, "")) is not None and await asyncio.to_thread(work, path)


async def mark(store: ObjectStore, key: str) -> tuple[int, int, int] | None:
    """Return what identifies the file of a key: its disk, its number there, and its time. None if there is no file."""
    if (path := _path(store, key)) is None:
        return None
    try:
        about = await asyncio.to_thread(path.stat)
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_mtime_ns
