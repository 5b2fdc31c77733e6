"""Owner and mode of the object store folder: may this user read and write it, and may the service use its files?"""

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from app.errors import UsageError
from app.storage.store import store_folder

WRITTEN = ("sha256", "thumbnails")  # folders of the store in which the service creates others


def exists(folder: Path) -> bool:
    """Return whether the folder exists. Raises UsageError if this user may not find out."""
    try:
        return folder.exists()
    except OSError as error:
        raise UsageError(f"STORAGE_URL cannot be used: {folder}: {error.strerror}.") from error


def warn_if_read_only(folder: Path) -> None:
    """Warn if this user may not write into the folder, or into one of the first two levels below it.

    After a restore by root, root owns these folders. The service would start, and reject each upload.
    """
    found = next((each for each in _first_levels(folder) if not _may(each, os.R_OK | os.W_OK | os.X_OK)), None)
    if found is not None:
        _warn(
            f"uploads fail: {_name(os.geteuid())} may not write into the object store folder {found}, "
            f"which belongs to {_name(found.stat().st_uid)}.",
            f"chown -R {_name(os.geteuid())} {folder}",
        )


def warn_if_root(url: str | None) -> None:
    """Warn if root is about to write into the folder of another user, because the service may not use such files.

    `url` is STORAGE_URL.
    """
    folder = store_folder(url or "")
    if folder is None or os.geteuid() != 0:
        return
    with suppress(FileNotFoundError):
        if owner := folder.stat().st_uid:
            _warn(
                f"the object store folder {folder} belongs to {_name(owner)}, and this command runs as root. "
                f"{_name(owner)} may not use the files that it writes.",
                f"run it as {_name(owner)}, or run this afterwards: chown -R {_name(owner)} {folder}",
            )


def _first_levels(folder: Path) -> Iterator[Path]:
    below = [folder / name for name in WRITTEN if _may(folder / name, os.F_OK)]
    readable = (each for each in below if _may(each, os.R_OK))
    return chain([folder], below, chain.from_iterable(map(Path.iterdir, readable)))


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run with any uid
        return str(user)


def _warn(message: str, hint: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
    print(f"hint: {hint}", file=sys.stderr, flush=True)
