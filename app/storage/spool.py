"""Spool: bytes that arrive in pieces, kept in memory or, if they are many, in a temporary file."""

from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Self

from anyio import to_thread

IN_MEMORY = 1024 * 1024  # bytes, of which more are in a file
SMALL_PIECE = 4096  # bytes. Smaller pieces are joined, because an object for each takes more memory than its bytes.

Piece = bytes | memoryview
Content = bytes | IO[bytes]  # all the bytes of an image: in memory, or in a file on disk


class Spool:
    """Bytes that are joined once, at the end. A growing buffer would copy them again and again."""

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._pieces: list[Piece | bytearray] = []
        self._file: IO[bytes] | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: Piece) -> None:
        """Append a piece. This blocks if the bytes are in a file."""
        self.size += len(piece)
        if len(piece) >= SMALL_PIECE:
            self._pieces.append(piece)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))
        if self.size > IN_MEMORY:
            if self._file is None:
                self._file = self._opened.enter_context(TemporaryFile())  # noqa: SIM115
            self._file.writelines(self._pieces)
            self._pieces.clear()

    async def receive(self, piece: Piece) -> None:
        """Append a piece, in a thread if the bytes are in a file."""
        if self.size + len(piece) > IN_MEMORY:
            await to_thread.run_sync(self.write, piece)
        else:
            self.write(piece)

    def content(self) -> Content:
        """Return all the bytes. A file is at its beginning, and is closed with the spool."""
        if self._file is not None:
            self._file.seek(0)
            return self._file
        whole = b"".join(self._pieces)
        self._pieces = [whole]
        return whole

    def close(self) -> None:
        """Forget the bytes and delete the file."""
        self._pieces.clear()
        self._opened.close()
