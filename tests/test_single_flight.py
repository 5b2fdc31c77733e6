import asyncio
import gc

import pytest

from app.single_flight import SingleFlight


class Work:
    """Work that counts its runs and waits until it may end."""

    def __init__(self) -> None:
        self.runs = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        run = self.runs
        await self.may_end.wait()
        return run


async def fail() -> int:
    await asyncio.sleep(0)
    raise ValueError("a fault")


async def test_callers_at_the_same_time_share_one_run_and_later_ones_start_another() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    callers = [asyncio.create_task(flight.share("key", work)) for _ in range(5)]
    await asyncio.sleep(0)
    work.may_end.set()

    assert await asyncio.gather(*callers) == [1] * 5
    assert await flight.share("key", work) == 2


async def test_each_key_has_its_own_run() -> None:
    flight: SingleFlight[int, int] = SingleFlight()
    work = Work()
    work.may_end.set()

    assert sorted(await asyncio.gather(*(flight.share(key, work) for key in range(3)))) == [1, 2, 3]


async def test_all_callers_get_the_exception_and_the_next_run_starts_afresh() -> None:
    flight: SingleFlight[str, int] = SingleFlight()

    results = await asyncio.gather(*(flight.share("key", fail) for _ in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [ValueError] * 3
    work = Work()
    work.may_end.set()
    assert await flight.share("key", work) == 1


async def test_the_run_continues_if_its_first_caller_is_canceled() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first, second = (asyncio.create_task(flight.share("key", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.may_end.set()

    assert await second == 1
    assert first.cancelled()


async def test_an_exception_without_a_caller_is_not_logged_as_unretrieved(caplog: pytest.LogCaptureFixture) -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    caller = asyncio.create_task(flight.share("key", fail))
    await asyncio.sleep(0)
    caller.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    del caller  # its traceback refers to the run
    gc.collect()

    assert caplog.records == []


async def test_a_run_that_is_closed_to_newcomers_is_followed_by_another() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    work = Work()
    first = asyncio.create_task(flight.share("key", work))
    await asyncio.sleep(0)
    flight.close_to_newcomers("key")
    second, third = (asyncio.create_task(flight.share("key", work)) for _ in range(2))
    await asyncio.sleep(0)
    work.may_end.set()

    assert list(await asyncio.gather(first, second, third)) == [1, 2, 2]


async def test_the_end_of_a_run_does_not_close_the_next_one_to_newcomers() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    first, second = Work(), Work()
    early = asyncio.create_task(flight.share("key", first))
    await asyncio.sleep(0)
    flight.close_to_newcomers("key")
    late = asyncio.create_task(flight.share("key", second))
    await asyncio.sleep(0)
    first.may_end.set()
    await early

    last = asyncio.create_task(flight.share("key", second))
    await asyncio.sleep(0)
    second.may_end.set()

    assert list(await asyncio.gather(late, last)) == [1, 1]


async def test_cancel_ends_the_runs() -> None:
    flight: SingleFlight[str, int] = SingleFlight()
    caller = asyncio.create_task(flight.share("key", Work()))
    await asyncio.sleep(0)

    await flight.cancel()

    with pytest.raises(asyncio.CancelledError):
        await caller
