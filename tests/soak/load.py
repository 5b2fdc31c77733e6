"""Load clients: each remembers the acknowledged writes, and checks every later response against them."""

import asyncio
import json
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.support.pictures import picture

Right = Callable[[httpx.Response], bool]  # returns whether the content of a response is right

WITHOUT = "503 without Retry-After"
WRONG = "200 with wrong content"

IMAGES = "/v1/images"
REQUEST_TIMEOUT = 15.0  # seconds
MAX_IMAGES = 30  # of one client
LARGE = 6 * 1024**2  # bytes added to one upload in twenty: more than one part of a multipart upload

# Operations of a client, in percent.
MIX = {
    "get": 22,
    "content": 10,
    "thumbnail": 8,
    "newest": 12,
    "own": 10,
    "export": 2,
    "words": 4,
    "tags": 2,
    "stats": 2,
    "upload": 14,
    "again": 3,
    "title": 8,
    "delete": 3,
}


@dataclass(frozen=True)
class Outcome:
    """Result of one request. `result` is `ok`, or a short description of the failure."""

    begun: float  # seconds of the event loop's clock
    ended: float
    work: str
    result: str
    reset: bool  # the connection of the first attempt was lost without a response, so the request was sent again


@dataclass
class Known:
    """An image of the client, in the state that the service acknowledged."""

    id: str
    content: bytes
    titles: set[str | None]  # has several elements if a change got no response: any of them may be stored
    gone: bool | None = False  # None: a DELETE got no response


class Client:
    """A client that sends random requests. It is the only one that changes its images."""

    def __init__(self, number: int, http: httpx.AsyncClient, outcomes: list[Outcome], pause: float) -> None:
        self.tag = f"client-{number}-{uuid4().hex[:8]}"
        self.known: list[Known] = []
        self.acknowledged = 0  # writes
        self.spared: Collection[str] = ()  # operations that an older release does not have
        self.http, self._outcomes, self._pause = http, outcomes, pause
        self._random = random.Random(number)  # noqa: S311

    async def work(self) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / self._pause))
            [name] = self._random.choices(list(MIX), list(MIX.values()))
            if name in self.spared:
                continue
            if len(self._here()) >= MAX_IMAGES and name == "upload":
                name = "delete"
            await getattr(self, f"_{name}")()

    def _here(self) -> list[Known]:
        return [image for image in self.known if image.gone is False]

    def _one(self) -> Known | None:
        here = self._here()
        return self._random.choice(here) if here else None

    async def _get(self) -> None:
        if image := self._one():
            await self._ask("get", "GET", f"{IMAGES}/{image.id}", {200}, lambda answer: _title(image, answer.json()))

    async def _content(self) -> None:
        if image := self._one():
            url = f"{IMAGES}/{image.id}/content"
            await self._ask("content", "GET", url, {200}, lambda answer: answer.content == image.content)

    async def _thumbnail(self) -> None:
        if image := self._one():
            await self._ask("thumbnail", "GET", f"{IMAGES}/{image.id}/thumbnail?size=160", {200})

    async def _newest(self) -> None:
        await self._ask("newest", "GET", f"{IMAGES}?limit=50", {200}, lambda answer: len(answer.json()["images"]) == 50)

    async def _own(self) -> None:
        complete = self._complete(lambda answer: answer.json()["images"])
        await self._ask("own", "GET", f"{IMAGES}?tag={self.tag}&limit=200", {200}, complete)

    async def _export(self) -> None:
        complete = self._complete(lambda answer: [json.loads(line) for line in answer.text.splitlines()])
        await self._ask("export", "GET", f"{IMAGES}/export?tag={self.tag}", {200}, complete)

    def _complete(self, read: Callable[[httpx.Response], list[dict[str, Any]]]) -> Right:
        """Return a check that a response has all acknowledged images of the client, and no deleted image."""

        def right(answer: httpx.Response) -> bool:
            images = {image["id"]: image for image in read(answer)}
            known = [(image, images.get(image.id)) for image in self.known]
            return all(
                image.gone is not False if record is None else image.gone is not True and _title(image, record)
                for image, record in known
            )

        return right

    async def _words(self) -> None:
        await self._ask("words", "GET", f"{IMAGES}?q=bridge+harbour&limit=20", {200})

    async def _tags(self) -> None:
        await self._ask("tags", "GET", "/v1/tags?prefix=client-&limit=20", {200})

    async def _stats(self) -> None:
        await self._ask("stats", "GET", "/v1/stats", {200})

    async def _upload(self) -> None:
        content = picture(seed=self._random.randrange(65_536)) + uuid4().bytes
        if self._random.random() < 0.05:
            content += bytes(LARGE)
        if answer := await self._send("upload", content, {201}):
            self.known.append(Known(answer.json()["id"], content, {"Sent"}))
            self.acknowledged += 1

    async def _again(self) -> None:
        if image := self._one():
            await self._send("again", image.content, {200}, lambda answer: answer.json()["id"] == image.id)

    async def _send(
        self, work: str, content: bytes, expected: Collection[int], right: Right | None = None
    ) -> httpx.Response | None:
        files = {"file": ("sent.jpg", content, "image/jpeg")}
        data = {"title": "Sent", "tags": self.tag}
        return await self._ask(work, "POST", IMAGES, expected, right, also={200}, files=files, data=data)

    async def _title(self) -> None:
        if image := self._one():
            title = f"Seen {self._random.randrange(1_000_000)}"
            image.titles |= {title}
            if await self._ask("title", "PATCH", f"{IMAGES}/{image.id}", {200}, json={"title": title}) is not None:
                image.titles = {title}
                self.acknowledged += 1

    async def _delete(self) -> None:
        if image := self._one():
            image.gone = None
            if await self._ask("delete", "DELETE", f"{IMAGES}/{image.id}", {204}, also={404}) is not None:
                image.gone = True
                self.acknowledged += 1

    async def _ask(
        self,
        work: str,
        method: str,
        path: str,
        expected: Collection[int],
        right: Right | None = None,
        *,
        also: Collection[int] = (),
        **options: Any,
    ) -> httpx.Response | None:
        """Return the response if its status is expected and its content is right, otherwise None.

        If the connection is lost without a response, the request is sent a second time. HTTP clients do so with
        requests that are safe to repeat. `also` are the statuses that are expected only then.
        """
        clock = asyncio.get_running_loop().time
        begun, reset, answer = clock(), False, None
        while True:
            try:
                answer = await self.http.request(method, path, **options)
            except httpx.TimeoutException:
                result = f"no response in {REQUEST_TIMEOUT:g} s"
            except httpx.TransportError as error:
                if not reset:
                    reset = True
                    continue
                result = type(error).__name__
            else:
                result = _result(answer, {*expected, *also} if reset else expected, right)
            break
        self._outcomes.append(Outcome(begun, clock(), work, result, reset))
        return answer if result == "ok" else None

    async def verify(self) -> list[str]:
        """Return a description of each acknowledged write that is lost."""
        lost = []
        for image in self.known:
            answer = await self.http.get(f"{IMAGES}/{image.id}")
            content = await self.http.get(f"{IMAGES}/{image.id}/content")
            if answer.status_code == 404:
                if image.gone is False:
                    lost.append(f"{image.id} was stored, but the service returns 404")
            elif answer.status_code != 200:
                lost.append(f"{image.id}: {answer.status_code}")
            elif image.gone is True:
                lost.append(f"{image.id} was deleted, but the service returns it")
            elif not _title(image, answer.json()):
                lost.append(f"{image.id} has the title {answer.json()['title']}, not one of {image.titles}")
            elif content.content != image.content:
                lost.append(f"{image.id} has different bytes")
        return lost


def _title(image: Known, record: dict[str, Any]) -> bool:
    return record["title"] in image.titles


def _result(answer: httpx.Response, expected: Collection[int], right: Right | None) -> str:
    if answer.status_code in expected:
        return "ok" if right is None or right(answer) else WRONG
    if answer.status_code == 503:
        if "retry-after" not in answer.headers:
            return WITHOUT
        return f"503 {answer.json().get('type', '').rpartition('/')[2]}".removesuffix(" about:blank")
    return str(answer.status_code)
