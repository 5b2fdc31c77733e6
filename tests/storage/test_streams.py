"""Streams of objects: the same bytes for each part and each kind of store, and an error if a file goes away."""

from pathlib import Path
from random import Random

import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore

from app.storage.store import CHUNK, stream

SIZE = 3 * CHUNK + 17
CONTENT = Random(1).randbytes(SIZE)  # noqa: S311
EDGES = st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK, SIZE - 1, SIZE])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[LocalStore | MemoryStore]:
    stores: list[LocalStore | MemoryStore] = [LocalStore(tmp_path_factory.mktemp("store")), MemoryStore()]
    for store in stores:
        obstore.put(store, "photo", CONTENT)
    return stores


@settings(max_examples=30)
@given(edges=st.tuples(EDGES | st.integers(0, SIZE), EDGES | st.integers(0, SIZE)).map(sorted))
async def test_a_part_is_exactly_that_part(stores: list[LocalStore | MemoryStore], edges: list[int]) -> None:
    start, end = edges
    if start == end:
        return
    for store in stores:
        content = await stream(store, "photo", (start, end))
        assert content is not None
        length, chunks = content
        parts = [bytes(chunk) async for chunk in chunks]
        assert length == end - start
        assert b"".join(parts) == CONTENT[start:end]
        if isinstance(store, LocalStore):
            assert max(map(len, parts)) <= CHUNK


async def test_a_file_that_is_deleted_meanwhile_is_an_error(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    obstore.put(store, "photo", CONTENT)
    content = await stream(store, "photo")
    assert content is not None
    _, chunks = content
    assert bytes(await anext(chunks)) == CONTENT[:CHUNK]
    obstore.delete(store, "photo")
    with pytest.raises(BaseError, match="photo"):
        await anext(chunks)


async def test_an_absent_file_is_none(tmp_path: Path) -> None:
    assert await stream(LocalStore(tmp_path), "photo") is None
