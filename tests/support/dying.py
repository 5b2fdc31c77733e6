"""A service that kills itself at a step of an upload or a DELETE, for crash tests. The variable DYING names the step.

Run it with `uvicorn --factory tests.support.dying:create`.
"""

import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from typing import IO, Any

from obstore.store import ObjectStore
from starlette.applications import Starlette

from app.database import queries
from app.main import from_environment
from app.storage import store
from app.storage.spool import Content, Spool
from app.storage.store import PART
from app.web.endpoints import uploads


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, call: int = 1) -> Callable[[], None]:
    """Return a patch that kills the process at the given call of the function, counted from 1."""

    def patch() -> None:
        left, function = [None] * (call - 1), getattr(owner, name)

        def dying(*arguments: Any, **options: Any) -> Any:
            if not left:
                die()
            left.pop()
            return function(*arguments, **options)

        setattr(owner, name, dying)

    return patch


def after(owner: Any, name: str) -> Callable[[], None]:
    """Return a patch that kills the process when the function has returned."""

    def patch() -> None:
        function = getattr(owner, name)

        async def dying(*arguments: Any, **options: Any) -> None:
            await function(*arguments, **options)
            die()

        setattr(owner, name, dying)

    return patch


class Half:
    """A file that kills the process when a read reaches the middle of its second part."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int) -> bytes:
        if self.file.tell() > PART * 3 // 2:
            die()
        return self.file.read(size)


def half_written() -> None:
    put: Callable[[ObjectStore, str, Any, str], Awaitable[None]] = store.put

    async def dying(objects: ObjectStore, key: str, content: Content, content_type: str) -> None:
        assert not isinstance(content, bytes)
        await put(objects, key, Half(content), content_type)

    setattr(store, "put", dying)  # noqa: B010  # mypy rejects an assignment


def half_removed(first: bool) -> Callable[[], None]:
    """Return a patch that kills the process between two removals.

    If `first`, the bytes of the image are removed and its thumbnails are not, otherwise the opposite.
    """

    def patch() -> None:
        delete = store.delete

        async def dying(objects: ObjectStore, keys: Iterable[str]) -> None:
            content, *thumbnails = keys
            await delete(objects, [content] if first else thumbnails)
            die()

        setattr(store, "delete", dying)  # noqa: B010

    return patch


STEPS = {
    "upload: half received": before(Spool, "receive", 20),
    "upload: received": before(uploads, "hash_content"),
    "upload: half written": half_written,
    "upload: bytes written": after(store, "put"),
    "upload: row inserted": after(queries, "insert_image"),
    "upload: committed": after(uploads, "store_image"),
    "delete: received": before(queries, "delete_image"),
    "delete: committed": after(queries, "delete_image"),
    "delete: locked": after(queries, "lock_content_to_remove"),
    "delete: bytes removed": half_removed(True),
    "delete: thumbnails removed": half_removed(False),
    "delete: all removed": after(store, "delete"),
}


def create() -> Starlette:
    STEPS[os.environ["DYING"]]()
    return from_environment()
