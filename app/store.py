"""The object store, where the bytes of the images are: files, memory, S3, Google or Azure by STORAGE_URL."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import IO, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from app.settings import ROOT, fail

CHUNK = 1024 * 1024  # bytes
PART = 5 * 1024 * 1024  # bytes of a large object written at once: the least that S3 takes
# What obstore raises for a key without bytes, or for what can be no key, as an adopted row may have.
ABSENT = (FileNotFoundError, ValueError, TypeError)


def open_store(url: str | None) -> ObjectStore:
    """The store at STORAGE_URL; ends the command with one line where there is none to be had."""
    if url is None:
        fail("settings: STORAGE_URL is not set (see .env.example and the README's table)")
    try:
        if url == "memory:":
            return MemoryStore()
        if url.startswith("file:"):
            return LocalStore(ROOT / url.removeprefix("file:").removeprefix("//"), mkdir=True)
        return from_url(url)
    except (BaseError, ValueError, OSError) as error:
        fail(f"settings: STORAGE_URL cannot be used: {str(error).splitlines()[0]}")


def storage_key(sha256: str) -> str:
    """Content-addressed: the same bytes have one place. Two levels of folders keep each small."""
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


async def put(store: ObjectStore, key: str, content: bytes | IO[bytes]) -> None:
    """Write all of the content; until it is complete the key keeps what it had."""
    if not isinstance(content, bytes):
        content.seek(0)
    await obstore.put_async(store, key, content, chunk_size=PART, max_concurrency=1)


async def delete(store: ObjectStore, key: str) -> None:
    """Remove the bytes; it is no error if they are gone."""
    with suppress(*ABSENT):
        await obstore.delete_async(store, key)


async def get(store: ObjectStore, key: str) -> tuple[int, AsyncIterator[Any]] | None:
    """Size in bytes and the bytes in chunks; None where the key has none."""
    try:
        result = await obstore.get_async(store, key)
    except ABSENT:
        return None
    return result.meta["size"], result.stream(min_chunk_size=CHUNK)
