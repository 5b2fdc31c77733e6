"""The object store, where the bytes of the images are: files, memory, S3, Google or Azure by STORAGE_URL."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from typing import IO, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from app.settings import ROOT, fail
from app.spool import Spool

CHUNK = 256 * 1024  # bytes of a stream held at once
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


def thumbnail_key(sha256: str, name: str) -> str:
    """Where a thumbnail of these bytes is cached. An adopted row may have anything for its SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        sha256 = hashlib.sha256(sha256.encode()).hexdigest()
    return f"thumbnails/{sha256[:2]}/{sha256[2:4]}/{sha256}-{name}"


async def put(store: ObjectStore, key: str, content: bytes | IO[bytes]) -> None:
    """Write all of the content; until it is complete the key keeps what it had."""
    if isinstance(content, bytes):
        await obstore.put_async(store, key, content, use_multipart=False)
    else:
        content.seek(0)
        # Chunk by chunk: of a file obstore would hold three parts in memory, by itself 36.
        chunks = iter(partial(content.read, CHUNK), b"")
        await obstore.put_async(store, key, chunks, chunk_size=PART, max_concurrency=1)


async def delete(store: ObjectStore, keys: Iterable[str]) -> None:
    """Remove the bytes of each key; it is no error if they are gone."""

    async def remove(key: str) -> None:
        with suppress(*ABSENT):
            await obstore.delete_async(store, key)

    await asyncio.gather(*map(remove, keys))


async def size(store: ObjectStore, key: str) -> int | None:
    """In bytes; None where the key has none."""
    try:
        return (await obstore.head_async(store, key))["size"]
    except ABSENT:
        return None


async def stream(
    store: ObjectStore, key: str, part: tuple[int, int] | None = None
) -> tuple[int, AsyncIterator[Any]] | None:
    """How many bytes come, and they in chunks: all, or those from start to end; None where the key has none."""
    try:
        result = await obstore.get_async(store, key, options={"range": part} if part else None)
    except ABSENT:
        return None
    start, end = result.range
    return end - start, result.stream(min_chunk_size=CHUNK)


async def read(store: ObjectStore, key: str) -> bytes | None:
    """All the bytes of a small object; None where the key has none."""
    try:
        return bytes(await (await obstore.get_async(store, key)).bytes_async())
    except ABSENT:
        return None


def copy(store: ObjectStore, key: str, spool: Spool) -> bool:
    """Append the bytes of an object to the spool, in the calling thread; False where the key has none."""
    try:
        result = obstore.get(store, key)
    except ABSENT:
        return False
    for chunk in result.stream(min_chunk_size=CHUNK):
        spool.write(chunk)
    return True
