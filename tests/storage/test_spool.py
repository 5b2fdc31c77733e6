from io import BytesIO

import pytest

from app.storage.spool import IN_MEMORY, SMALL_PIECE, Spool


@pytest.mark.parametrize(
    "sizes", [[], [1], [SMALL_PIECE], [1, SMALL_PIECE, 2, 3, SMALL_PIECE - 1, 0, SMALL_PIECE + 1, 5], [1] * 10_000]
)
def test_the_content_is_what_was_written(sizes: list[int]) -> None:
    pieces = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    with Spool() as spool:
        for piece in pieces:
            spool.write(memoryview(piece).tobytes())

        assert spool.content() == spool.content() == b"".join(pieces)
        assert spool.size == sum(sizes)


def test_small_pieces_are_joined() -> None:
    with Spool() as spool:
        for _ in range(IN_MEMORY):
            spool.write(b"x")

        assert len(spool._pieces) == 1


async def test_more_than_fits_in_memory_goes_to_a_file() -> None:
    with Spool() as spool:
        written = BytesIO()
        for number in range(5):
            piece = bytes([number]) * (IN_MEMORY // 4)
            written.write(piece)
            await spool.receive(piece)

        content = spool.content()

        assert not isinstance(content, bytes)
        assert content.read() == written.getvalue()
        assert spool._pieces == []
    assert content.closed
