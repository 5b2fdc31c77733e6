"""Decoder queue: small images do not wait for large ones, no token waits for another one's images."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import Counter, Gauge

from app.decoder import queue as decoder_queue
from app.decoder.attempt import Attempt
from app.decoder.queue import LARGE, UPLOADS, DecoderQueue
from app.errors import BusyError, LargeImageError, StoppingError
from app.observability import metrics
from app.observability.context import CONTEXT, Context


@pytest.fixture
def queue() -> Iterator[DecoderQueue]:
    with DecoderQueue() as queue:
        yield queue


class Image:
    """The decoding of an image that takes until `finish` is called, or it is canceled, as a decoder is."""

    def __init__(self, *, large: bool = False) -> None:
        self.large = large
        self.runs = threading.Event()
        self.ended = threading.Event()
        self.killed = False

    def work(self, attempt: Attempt) -> str:
        if self.large and attempt.pixels is not None:
            raise LargeImageError
        with attempt.of(self):
            self.runs.set()
            assert self.ended.wait(20)
        if self.killed:
            raise StoppingError
        return "done"

    def kill(self) -> None:
        self.killed = True
        self.ended.set()

    def finish(self) -> None:
        self.ended.set()


@contextmanager
def by(token: str) -> Iterator[None]:
    context = Context([])
    context.token = token
    before = CONTEXT.set(context)
    yield
    CONTEXT.reset(before)


def decode(queue: DecoderQueue, image: Image, owner: str = "a token") -> asyncio.Task[str]:
    with by(owner):
        return asyncio.create_task(queue.run("uploads", image.work))


async def running(*images: Image) -> None:
    for image in images:
        assert await asyncio.to_thread(image.runs.wait, 20)


async def settled() -> None:
    """Let all tasks do what they can do without waiting for a thread."""
    for _ in range(20):
        await asyncio.sleep(0)


def value(metric: Counter | Gauge) -> float:
    return float(metric._value.get())


async def test_small_images_pass_large_ones(queue: DecoderQueue) -> None:
    large = [Image(large=True) for _ in range(10)]
    tasks = [decode(queue, image) for image in large]
    await running(large[0])

    small = Image()
    task = decode(queue, small)
    await running(small)
    small.finish()

    assert await task == "done"
    assert [image.runs.is_set() for image in large] == [True] + [False] * 9
    for image in large:
        image.finish()
    assert await asyncio.gather(*tasks) == ["done"] * 10


async def test_one_token_holds_at_most_one_turn_for_large_images(queue: DecoderQueue) -> None:
    greedy = [Image(large=True) for _ in range(5)]
    tasks = [decode(queue, image, "greedy") for image in greedy]
    await running(greedy[0])
    modest = Image(large=True)
    tasks.append(decode(queue, modest, "modest"))

    await running(modest)

    assert LARGE == 2
    assert not greedy[1].runs.is_set()
    for image in (*greedy, modest):
        image.finish()
    await asyncio.gather(*tasks)


async def test_tokens_take_turns(queue: DecoderQueue) -> None:
    greedy = [Image() for _ in range(20)]
    tasks = [decode(queue, image, "greedy") for image in greedy]
    await running(*greedy[:UPLOADS])
    modest = Image()
    task = decode(queue, modest, "modest")
    await settled()

    greedy[0].finish()
    await running(modest)

    assert not greedy[UPLOADS].runs.is_set()
    for image in (*greedy, modest):
        image.finish()
    await asyncio.gather(task, *tasks)


async def test_the_pixels_of_a_worker_have_a_limit(queue: DecoderQueue) -> None:
    """However many tokens upload large images."""
    images = [Image(large=True) for _ in range(LARGE + 5)]
    tasks = [decode(queue, image, f"token {number}") for number, image in enumerate(images)]
    await running(*images[:LARGE])
    while value(metrics.DECODER_QUEUE.labels("large")) < 5 and not images[LARGE].runs.is_set():  # noqa: ASYNC110
        await asyncio.sleep(0.001)

    assert not any(image.runs.is_set() for image in images[LARGE:])
    for image in images:
        image.finish()
    await asyncio.gather(*tasks)


async def test_a_canceled_image_leaves_the_queue(queue: DecoderQueue) -> None:
    before = value(metrics.DECODER_QUEUE_LEFT.labels("canceled"))
    first, second, third = (Image(large=True) for _ in range(3))
    tasks = [decode(queue, image) for image in (first, second, third)]
    await running(first)
    await settled()

    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    first.finish()
    await running(third)

    assert not second.runs.is_set()
    assert value(metrics.DECODER_QUEUE_LEFT.labels("canceled")) == before + 1
    third.finish()
    assert (await tasks[0], await tasks[2]) == ("done", "done")


@pytest.mark.parametrize("large", [False, True])
async def test_canceling_kills_a_decoder(queue: DecoderQueue, large: bool) -> None:
    images = [Image(large=large) for _ in range(UPLOADS + 1)]
    tasks = [decode(queue, images[0])]
    await running(images[0])
    tasks += [decode(queue, image) for image in images[1:]]

    tasks[0].cancel()
    await asyncio.wait([tasks[0]])

    assert tasks[0].cancelled()
    assert images[0].killed
    slots = 1 if large else UPLOADS  # of the token, which the others may reach in any order
    async with asyncio.timeout(20):
        while sum(image.runs.is_set() for image in images[1:]) < slots:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for image in images:
        image.finish()
    assert await asyncio.gather(*tasks[1:]) == ["done"] * UPLOADS


async def test_a_canceled_image_that_ends_soon_keeps_its_decoder_and_its_slot_until_then(
    queue: DecoderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_queue, "GRACE", 20.0)
    images = [Image() for _ in range(UPLOADS + 1)]
    tasks = [decode(queue, image) for image in images]
    await running(*images[:UPLOADS])

    tasks[0].cancel()
    await settled()
    assert not images[UPLOADS].runs.is_set()
    images[0].finish()
    await running(images[UPLOADS])

    assert not images[0].killed
    for image in images:
        image.finish()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()


async def test_an_image_waits_for_a_limited_time(queue: DecoderQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    before = value(metrics.DECODER_QUEUE_LEFT.labels("busy"))
    first = Image(large=True)
    task = decode(queue, first)
    await running(first)
    monkeypatch.setattr(decoder_queue, "QUEUE_TIMEOUT", 0.01)

    with pytest.raises(BusyError):
        await decode(queue, Image(large=True))

    assert value(metrics.DECODER_QUEUE_LEFT.labels("busy")) == before + 1
    assert value(metrics.DECODER_QUEUE.labels("large")) == 0
    first.finish()
    assert await task == "done"


async def test_thumbnails_and_uploads_do_not_wait_for_each_other(queue: DecoderQueue) -> None:
    images = [Image() for _ in range(10)]
    tasks = [decode(queue, image) for image in images]
    await running(*images[:UPLOADS])

    assert await queue.run("thumbnails", lambda attempt: "made") == "made"

    for image in images:
        image.finish()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_an_attempt_can_be_canceled_at_any_time(when: str) -> None:
    image, attempt = Image(), Attempt()
    if when == "before":
        attempt.cancel()
    with attempt.of(image):
        assert image.killed == (when == "before")
        if when == "during":
            attempt.cancel()
    if when == "after":
        attempt.cancel()

    assert image.killed == (when != "after")
