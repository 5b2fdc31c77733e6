"""Decoders that stay between tests: to start one takes longer than most tests that need one.

They have the priority of the tests. With their own, they get nearly no CPU beside the other processes of the suite.
"""

from collections.abc import Iterable

from app.decoder import client
from app.decoder.client import Codec, Process
from app.decoder.formats import OPTIONAL

Kind = tuple[int, float, tuple[str, ...], tuple[str, ...]]  # pixels, seconds, formats, and command

LOW_PRIORITY, client.LOW_PRIORITY = client.LOW_PRIORITY, []
KEPT: dict[Kind, list[Process]] = {}


class KeptCodec(Codec):
    """A codec whose idle processes serve the next codec of the same kind."""

    def __init__(self, max_pixels: int, seconds: float, formats: Iterable[str] = OPTIONAL) -> None:
        super().__init__(max_pixels, seconds, formats)
        self._kind = (max_pixels, seconds, self._formats, tuple(client.COMMAND))
        self._idle = KEPT.pop(self._kind, [])
        self._living = {*self._idle}

    def __exit__(self, *_: object) -> None:
        idle, self._idle = self._idle, []
        self._living.difference_update(idle)
        super().__exit__()
        KEPT.setdefault(self._kind, []).extend(idle)


def end_kept() -> None:
    """End all that wait for another codec."""
    while KEPT:
        for process in KEPT.popitem()[1]:
            process.end()
