"""Bytes as they come, until all are there: in memory, or in a temporary file where they are many."""

from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Self

from anyio import to_thread

IN_MEMORY = 1024 * 1024  # bytes
SMALL = 4096  # bytes: fewer at a time are gathered, or what each takes to keep would be more than the bytes

Content = bytes | IO[bytes]  # all of them: in memory, or in a file on disk


class Spool:
    """Pieces are put together once, at the end: a buffer that grows would copy them again and again."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes | bytearray] = []
        self._file: IO[bytes] | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if len(piece) >= SMALL:
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

    async def receive(self, piece: bytes) -> None:
        """`write`, in a thread where that is to disk."""
        if self.size + len(piece) > IN_MEMORY:
            await to_thread.run_sync(self.write, piece)
        else:
            self.write(piece)

    def content(self) -> Content:
        """All of it, at its beginning."""
        if self._file is not None:
            self._file.seek(0)
            return self._file
        whole = b"".join(self._pieces)
        self._pieces = [whole]
        return whole

    def close(self) -> None:
        """It is gone."""
        self._pieces.clear()
        self._opened.close()
