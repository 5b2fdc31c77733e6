"""Single-flight: callers that ask for the same thing at the same time share one task and its result."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class SingleFlight(Generic[Key, Result]):
    """The tasks that are running, at most one for each key that callers can still join."""

    def __init__(self) -> None:
        self._joinable: dict[Key, asyncio.Task[Result]] = {}
        self._running: set[asyncio.Task[Result]] = set()

    async def share(self, key: Key, work: Callable[[], Coroutine[None, None, Result]]) -> Result:
        """Return the result of the task for this key. If there is none, start `work` as a new task.

        Raises what `work` raises. The task continues if its callers are canceled or time out.
        """
        task = self._joinable.get(key)
        if task is None:
            task = self._joinable[key] = asyncio.create_task(work())
            self._running.add(task)
            task.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(task)

    def close_to_newcomers(self, key: Key) -> None:
        """Let later callers start a new task for this key, although the present one is still running."""
        self._joinable.pop(key, None)

    async def cancel(self) -> None:
        """Cancel all tasks and wait for their ends."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _finish(self, key: Key, task: asyncio.Task[Result]) -> None:
        self._running.discard(task)
        if self._joinable.get(key) is task:
            del self._joinable[key]
        if not task.cancelled():
            task.exception()  # If no caller is left to see it, asyncio does not log it either.
