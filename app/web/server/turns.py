"""Turns of connections whose bytes take long to parse: one in each round of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Calls that wait for their turn, in order. Between two of them, the event loop serves all other connections."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, call: Callable[[], None]) -> None:
        """Call it in a later round."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # only tests have a second one
            self._calls.clear()
            self._loop = loop
        if not self._calls:
            loop.call_soon(self._take)
        self._calls.append(call)

    def remove(self, call: Callable[[], None]) -> None:
        """Forget a call that waits."""
        self._calls = deque(each for each in self._calls if each != call)

    def _take(self) -> None:
        if self._calls:
            call = self._calls.popleft()
            if self._calls:
                asyncio.get_running_loop().call_soon(self._take)
            call()
