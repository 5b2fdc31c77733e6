"""Property-based tests with hypothesis: the same examples on each run, unless RANDOM=1 asks for others."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.exhaustive import EXHAUSTIVE

__all__ = ["few", "for_each", "given", "settings", "st"]

settings.register_profile(
    "images",
    database=None,
    deadline=None,  # milliseconds of one example: a machine under load takes any
    derandomize="RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("images")

T = TypeVar("T")


def few(examples: int) -> int:
    """Return the number of examples of a slow test: a fifth, but at least 20, unless the tests are exhaustive."""
    return examples if EXHAUSTIVE else min(examples, max(20, examples // 5))


async def for_each(values: st.SearchStrategy[T], check: Callable[[T], Awaitable[None]], examples: int) -> None:
    """Await `check` for examples of the values, in the event loop of the test, so that it can use a client."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=few(examples), phases=[Phase.explicit, Phase.generate])
    @given(values)
    def run(value: T) -> None:
        async def checked() -> None:
            await check(value)

        asyncio.run_coroutine_threadsafe(checked(), loop).result()

    await asyncio.to_thread(run)
