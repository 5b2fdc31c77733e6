"""Object store, which has the bytes of the images: files, memory, S3, Google or Azure, as STORAGE_URL says."""

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, ObjectStore, S3Store, from_url

from app.errors import UsageError
from app.observability.logs import logger
from app.settings import ROOT
from app.storage.spool import Spool
from app.urls import mask_urls

if TYPE_CHECKING:  # only in the stubs of obstore
    from obstore import Attributes, GetOptions, GetResult
    from obstore.store import ClientConfig, RetryConfig

CHUNK = 256 * 1024  # bytes of a stream in memory at once
CHUNK_TIMEOUT = 30.0  # seconds for each CHUNK, and at most as many for a small object
ANSWER_TIMEOUT = 15.0  # seconds for each answer without content, with two more tries. obstore reads an error to its end
MAX_REASON = 1000  # characters of a message, which may quote an answer of any length
PART = 5 * 1024 * 1024  # bytes of a large object written at once: the minimum of S3
MAX_SMALL = 16 * 1024 * 1024  # bytes of a thumbnail or of catalogue.json. The service writes no larger ones
PAGE = 1000  # objects in one page of a listing, as in S3
UNFINISHED = re.compile(r"#[0-9]+$")
# obstore raises these for a key without bytes, and for text that cannot be a key, as an adopted row may have.
ABSENT = (FileNotFoundError, ValueError, TypeError)
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
TOO_SLOW = "The object store sends too slowly."
NO_SIGNING = "CONTENT_REDIRECT needs a store that signs URLs: s3://, gs:// or az:// in STORAGE_URL."

SIGNING = (S3Store, GCSStore, AzureStore)  # stores that can sign a URL

# By default obstore retries for three minutes. A request is answered in seconds, even if the store does not answer. A
# slow client may take long to read an object, so the whole answer has a long time-out.
RETRY: "RetryConfig" = {"max_retries": 2, "retry_timeout": timedelta(seconds=5)}
CLIENT: "ClientConfig" = {"connect_timeout": "2s", "read_timeout": "5s", "timeout": "1day"}
VARIABLES = {"s3": "AWS", "s3a": "AWS", "gs": "GOOGLE", "az": "AZURE"}  # prefix of its environment variables, by scheme
# Variables of the HTTP client. As soon as obstore gets one option for the client, it reads none of these.
CLIENT_VARIABLES = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "read_timeout",
    "timeout",
)


Result = TypeVar("Result")


class Object(NamedTuple):
    """An object: its key, its size in bytes, and the time of its last modification."""

    key: str
    size: int
    modified: datetime


def open_store(url: str | None, *, signing: bool = False) -> ObjectStore:
    """Return the store at STORAGE_URL. The folder of a `file:` store is created, and the log says so.

    `signing` tells that the store has to sign URLs. Raises UsageError if the store cannot be used.
    """
    if url is None:
        raise UsageError("STORAGE_URL is not set.", "example: STORAGE_URL=file:/srv/images")
    if signing and url.startswith(("file:", "memory:")):
        raise UsageError(NO_SIGNING)
    folder = store_folder(url)
    is_new = folder is not None and not folder.exists()
    try:
        store = _open(url)
    except (BaseError, ValueError, OSError) as error:
        place = "" if folder is None else f"{folder}: "
        raise UsageError(f"STORAGE_URL cannot be used: {place}{reason(error)}.") from None
    if is_new:
        logger.warning("created the object store folder %s", folder)
    if signing and not isinstance(store, SIGNING):
        raise UsageError(NO_SIGNING)
    return store


def store_folder(url: str) -> Path | None:
    """Return the folder of a `file:` store. Other stores have none."""
    return ROOT / url.removeprefix("file:").removeprefix("//") if url.startswith("file:") else None


def _open(url: str) -> ObjectStore:
    if url == "memory:":
        return MemoryStore()
    if (folder := store_folder(url)) is not None:
        return LocalStore(folder, mkdir=True)
    prefix = VARIABLES.get(urlsplit(url).scheme)
    client: Any = dict(CLIENT)
    if prefix is not None:
        client |= {name: os.environ[f"{prefix}_{name.upper()}"] for name in _set(prefix)}
    if prefix == "AWS":
        _check_endpoint("allow_http" in client)
    return from_url(url, client_options=client, retry_config=RETRY)


def _set(prefix: str) -> Iterator[str]:
    return (name for name in CLIENT_VARIABLES if os.environ.get(f"{prefix}_{name.upper()}"))


def _check_endpoint(allow_http: bool) -> None:
    """Raise ValueError if obstore would panic at each request, or reject it without a reason."""
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        endpoint = urlsplit(os.environ.get(name) or "https://s3")
        if endpoint.scheme not in {"http", "https"} or not endpoint.hostname:
            raise ValueError(f"{name} must be a URL: https://host or http://host:port")
        if endpoint.scheme == "http" and not allow_http:
            raise ValueError(f"{name} is http://, which needs AWS_ALLOW_HTTP=true")


def reason(error: Exception) -> str:
    """Return the message of an error on one line, without obstore's lines for debugging and without secrets in URLs."""
    message = str(error).partition("\n\nDebug source:")[0]
    if len(message) > MAX_REASON:  # between two words: half a URL could show its password
        message = f"{message[:MAX_REASON].rpartition(' ')[0]} ..."
    return mask_urls(" ".join(message.split()))


def is_fault(error: Exception) -> bool:
    """Return whether an error is one of the object store, or of the disk on which bytes are written first.

    obstore raises FileNotFoundError without a number if the bucket does not exist.
    """
    is_absent = isinstance(error, FileNotFoundError) and error.errno is None
    return isinstance(error, BaseError) or is_absent or (isinstance(error, OSError) and error.errno in DISK_FAULTS)


async def in_time(store: ObjectStore, answer: Awaitable[Result], parts: int = 1) -> Result:
    """Return the answer of the store to so many requests. Raises GenericError if it takes too long.

    Without this limit, an answer without an end would fill the memory: obstore reads errors to their end. Files have no
    limit, because obstore cannot stop what it does with them. Nor have stores for which the operator set a longer one.
    """
    is_free = isinstance(store, LocalStore) or any(
        os.environ.get(f"{name}_READ_TIMEOUT") for name in VARIABLES.values()
    )
    try:
        async with asyncio.timeout(None if is_free else ANSWER_TIMEOUT * parts):
            return await answer
    except TimeoutError as error:
        raise GenericError(TOO_SLOW) from error


async def reach(store: ObjectStore) -> None:
    """Raise what obstore raises if the store cannot be reached, or rejects the credentials.

    Two requests are needed. Without rights, reading one object raises PermissionDeniedError, and a listing does not. If
    the bucket does not exist, a listing raises, and reading one object does not.
    """
    await look(store, "sha256/none")
    await in_time(store, obstore.list_with_delimiter_async(store, "sha256"))


async def put(store: ObjectStore, key: str, content: bytes | IO[bytes], content_type: str) -> None:
    """Store the content under the key. Until all of it is written, the key keeps its former content.

    Clients that read the object from the store itself get the content type. Files have none.
    """
    _checked(key)
    attributes: Attributes | None = None if isinstance(store, LocalStore) else {"Content-Type": content_type}
    if not isinstance(content, bytes) and content.seek(0, os.SEEK_END) <= PART:
        content.seek(0)
        content = await asyncio.to_thread(content.read)  # one request instead of the three of an upload in parts
    if isinstance(content, bytes):
        await in_time(store, obstore.put_async(store, key, content, attributes=attributes, use_multipart=False))
    else:
        parts = 3 + content.tell() // PART  # one request begins the upload, one ends it
        content.seek(0)
        # Chunk by chunk: from a file, obstore would read three parts into memory, or 36 by default.
        chunks = iter(partial(content.read, CHUNK), b"")
        stored = obstore.put_async(store, key, chunks, attributes=attributes, chunk_size=PART, max_concurrency=1)
        await in_time(store, stored, parts)


def _checked(key: str) -> str:
    """Return the key. Raises FileNotFoundError if it is empty, as in an adopted row: that is the root of the store."""
    if not key.strip("/"):
        raise FileNotFoundError(key)
    return key


async def delete(store: ObjectStore, keys: Iterable[str]) -> None:
    """Delete the bytes under each key. Keys without bytes are ignored."""

    async def remove(key: str) -> None:
        with suppress(*ABSENT):
            await in_time(store, obstore.delete_async(store, _checked(key)))

    await asyncio.gather(*map(remove, keys))


async def look(store: ObjectStore, key: str) -> Object | None:
    """Return the object under the key, or None if it has no bytes."""
    try:
        head = await in_time(store, obstore.head_async(store, _checked(key)))
    except ABSENT:
        return None
    return Object(key, head["size"], head["last_modified"])


async def size(store: ObjectStore, key: str) -> int | None:
    """Return the size in bytes of the object under the key, or None if it has no bytes."""
    stored = await look(store, key)
    return stored and stored.size


async def sign(store: ObjectStore, key: str, seconds: int) -> str:
    """Return a URL from which any client can GET the object, for so many seconds. The store is one of SIGNING."""
    assert isinstance(store, SIGNING)
    return await in_time(store, obstore.sign_async(store, "GET", key, timedelta(seconds=seconds)))


async def listing(store: ObjectStore, prefix: str) -> AsyncIterator[list[Object]]:
    """Yield the objects in a folder and below it, page by page, in no order."""
    pages = obstore.list(store, prefix, chunk_size=PAGE)
    while (page := await in_time(store, anext(pages, None))) is not None:
        yield [Object(each["path"], each["size"], each["last_modified"]) for each in page]


async def folders(store: ObjectStore, prefix: str) -> list[str]:
    """Return the full names of the folders in a folder."""
    return list((await in_time(store, obstore.list_with_delimiter_async(store, prefix)))["common_prefixes"])


def unfinished(store: ObjectStore, prefix: str) -> Iterator[tuple[Object, Path]]:
    """Yield the files that interrupted writes have left, such as KEY#1. obstore neither lists nor deletes them.

    Other stores have their own ways to delete such leftovers.
    """
    if not isinstance(store, LocalStore) or store.prefix is None:
        return
    root = Path(store.prefix)
    for path in (root / prefix).rglob("*#*"):
        with suppress(FileNotFoundError):  # The write has finished meanwhile.
            if UNFINISHED.search(path.name) and path.is_file():
                about = path.stat()
                modified = datetime.fromtimestamp(about.st_mtime, UTC)
                yield Object(str(path.relative_to(root)), about.st_size, modified), path


async def stream(
    store: ObjectStore, key: str, part: tuple[int, int] | None = None
) -> tuple[int, AsyncIterator[Any]] | None:
    """Return the number of bytes and an iterator of chunks, or None if the key has no bytes. `part` is (start, end)."""
    try:
        options: GetOptions | None = {"range": part} if part else None
        result = await in_time(store, obstore.get_async(store, _checked(key), options=options))
    except ABSENT:
        return None
    start, end = result.range
    return _length(result), _file(store, key, start, end) if isinstance(store, LocalStore) else _in_time(
        result.stream(CHUNK)
    )


async def _in_time(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield the chunks. Raises BaseError if the store sends a byte now and then."""
    while True:
        try:
            async with asyncio.timeout(CHUNK_TIMEOUT):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise GenericError(TOO_SLOW) from error
        yield chunk


async def _file(store: LocalStore, key: str, start: int, end: int) -> AsyncIterator[Any]:
    """Yield the bytes of a file. obstore's stream reads 8 KiB at once, which takes three times the CPU of this.

    Raises BaseError if the file is deleted meanwhile.
    """
    for first in range(start, end, CHUNK):
        try:
            yield memoryview(await obstore.get_range_async(store, key, start=first, end=min(first + CHUNK, end)))
        except FileNotFoundError as error:
            raise GenericError(str(error)) from error


def is_small(size: int) -> bool:
    """Return whether the service may have written a thumbnail of so many bytes."""
    return size <= MAX_SMALL


async def read(store: ObjectStore, key: str) -> bytes | None:
    """Return all the bytes of a small object, or None if the key has no bytes.

    If the object is not small, it is not what the service has written, and the result is empty.
    """
    try:
        result = await in_time(store, obstore.get_async(store, _checked(key)))
        async with asyncio.timeout(CHUNK_TIMEOUT):
            return bytes(await result.bytes_async()) if is_small(_length(result)) else b""
    except ABSENT:
        return None
    except TimeoutError as error:
        raise GenericError(TOO_SLOW) from error


def _length(result: "GetResult") -> int:
    """Return the number of bytes that the store has promised. If it sends more or fewer, obstore raises an error."""
    start, end = result.range
    return end - start


def copy(store: ObjectStore, key: str, spool: Spool, fits: Callable[[int], bool]) -> int | None:
    """Append the bytes of an object to the spool, in the calling thread, if `fits` accepts their number.

    Return their number, or None if the key has no bytes.
    """
    try:
        result = asyncio.run(_get(store, key))  # obstore.get() has no limit for the time of an answer
    except ABSENT:
        return None
    size = _length(result)
    if not fits(size):
        return size
    started = monotonic()
    # Pieces as they come: to wait for a whole chunk could take for ever.
    for piece in result.stream(min_chunk_size=CHUNK if isinstance(store, LocalStore) else 1):
        spool.write(piece)
        if monotonic() - started > CHUNK_TIMEOUT * (1 + spool.size // CHUNK):
            raise GenericError(TOO_SLOW)
    return size


async def _get(store: ObjectStore, key: str) -> "GetResult":
    return await in_time(store, obstore.get_async(store, _checked(key)))
