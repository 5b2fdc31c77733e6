"""Decoder queue of a worker: which images are decoded at the same time, and which wait for their turn.

The pixels that are decoded at the same time have a limit. No token blocks the images of another one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Literal, Self, TypeVar

from app.decoder.attempt import Attempt
from app.errors import BusyError, LargeImageError
from app.fair_slots import Slots
from app.observability import metrics
from app.observability.context import current_token

UPLOADS = 2  # small images of uploads that a worker decodes at the same time
THUMBNAILS = 2  # small images of which it makes thumbnails
LARGE = 2  # large images, at most one for each token
QUEUE_TIMEOUT = 30.0  # seconds that an image may wait
# Seconds to end after a cancellation. Most images do. A new process takes 0.1 s of CPU. So with a short time, clients
# that send large images and hang up would keep the worker busy with starts.
GRACE = 2.0

Result = TypeVar("Result")
Purpose = Literal["uploads", "thumbnails"]


class DecoderQueue:
    """The queues of one worker, and the threads that wait for its decoders.

    Each image is first decoded among the small ones. A larger image, and one that takes longer, then waits for a turn
    among the large ones. So the wait of a small image does not depend on the sizes that others upload: each decode
    before it ends within SMALL_SECONDS.
    """

    def __init__(self) -> None:
        self._slots = {"uploads": Slots(UPLOADS), "thumbnails": Slots(THUMBNAILS), "large": Slots(LARGE, share=1)}
        self._threads = ThreadPoolExecutor(UPLOADS + THUMBNAILS + LARGE, "decoder")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the threads. The codec is closed before, so they end."""
        self._threads.shutdown()

    async def run(self, purpose: Purpose, work: Callable[[Attempt], Result]) -> Result:
        """Run `work` in a thread when it is its turn, and return its result. It may run twice.

        If the caller is canceled, `work` leaves the queue. If it runs, its process is killed after GRACE.

        Raises BusyError after QUEUE_TIMEOUT, and what `work` raises.
        """
        deadline = asyncio.get_running_loop().time() + QUEUE_TIMEOUT
        try:
            try:
                async with self._turn(purpose, deadline):
                    return await self._in_thread(work, Attempt(small=True))
            except LargeImageError:
                async with self._turn("large", deadline):
                    return await self._in_thread(work, Attempt(large=True))
        except BusyError:
            metrics.DECODER_QUEUE_LEFT.labels("busy").inc()
            raise
        except asyncio.CancelledError:
            metrics.DECODER_QUEUE_LEFT.labels("canceled").inc()
            raise

    @asynccontextmanager
    async def _turn(self, queue: str, deadline: float) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            started, waiting = perf_counter(), metrics.DECODER_QUEUE.labels(queue)
            waiting.inc()
            try:
                await held.enter_async_context(self._slots[queue].slot(current_token(), deadline))
            finally:
                waiting.dec()
                metrics.DECODER_WAIT.observe(perf_counter() - started, (queue,))
            yield

    async def _in_thread(self, work: Callable[[Attempt], Result], attempt: Attempt) -> Result:
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, attempt)
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            running.add_done_callback(asyncio.Future.exception)  # asyncio logs an error that is not read
            try:
                await asyncio.wait([running], timeout=GRACE)
            finally:  # the shutdown may cancel again
                attempt.cancel()
            await asyncio.wait([running])  # until then it has its slot
            raise
        return running.result()
