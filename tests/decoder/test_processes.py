"""Decoder processes: a hostile image may end or block its process, but it does not harm other requests."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from app.decoder import client as decoder_client
from app.decoder.attempt import Attempt
from app.decoder.client import Codec
from app.decoder.formats import OUT_OF_MEMORY
from app.decoder.stderr import MAX_LOGGED, Stderr
from app.errors import RejectedImageError
from app.settings import ROOT, Settings
from tests.conftest import client_of, environment
from tests.migrations.test_backend import wait_until
from tests.support import kept_decoders
from tests.support.api import objects, problem, rows, upload
from tests.support.cluster import alive
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.hostile import scans
from tests.support.hostile_codec import ANSWERS, SIGNALS, harmful
from tests.support.kept_decoders import end_kept
from tests.support.pictures import picture

SOUND = ("image/jpeg", 60, 40)


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The decoder does what harmful images tell it. Afterwards no process and no descriptor is left."""
    monkeypatch.setattr(decoder_client, "COMMAND", [sys.executable, "-m", "tests.support.hostile_codec"])
    monkeypatch.setattr(Stderr, "_due", 0.0)
    monkeypatch.setattr(Stderr, "_left_out", 0)
    end_kept()
    pipes = descriptors("pipe:")
    yield
    end_kept()
    assert decoders() == []
    assert descriptors("memfd:image") == 0
    assert descriptors("pipe:") == pipes


def descriptors(name: str) -> int:
    """The number of descriptors of this process whose name has these words."""
    names = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]  # noqa: PTH115
    return sum(name in each for each in names)


def decoders() -> list[psutil.Process]:
    """The processes that decode for this one, zombies too."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() == psutil.STATUS_ZOMBIE or "tests.support.hostile_codec" in child.cmdline()
    ]


def refusal(codec: Codec, content: bytes) -> str:
    with pytest.raises(RejectedImageError) as refused:
        codec.measure(content)
    assert refused.value.kind == "broken-image"
    return refused.value.detail


CRASHES = [*SIGNALS, "exit", "hang-up", *ANSWERS]
# By default, the first of each kind also ends a process that has just begun. The others end one that has done well.
TWICE = {*CRASHES} if EXHAUSTIVE else {"abort", "exit", "hang-up", "nonsense"}


@pytest.mark.parametrize("deed", CRASHES)
def test_an_image_that_ends_the_decoder_is_rejected(deed: str, caplog: pytest.LogCaptureFixture) -> None:
    """By a process that has done well before, and by one that has just begun."""
    with Codec(1_000_000, 30) as codec:
        if deed in TWICE:
            assert refusal(codec, harmful(deed)) == "The decoder crashed."
        assert codec.measure(picture()) == SOUND
        assert refusal(codec, harmful(deed)) == "The decoder crashed."
        assert codec.measure(picture()) == SOUND

    assert len(caplog.messages) == 1 + (deed in TWICE)
    assert "SHA-256" in caplog.messages[0]


@pytest.mark.parametrize("deed", ["sleep", "spin", "dribble"])
def test_an_image_that_takes_too_long_is_rejected(deed: str, caplog: pytest.LogCaptureFixture) -> None:
    with Codec(1_000_000, 30) as codec:
        codec.measure(picture())
        codec._idle[0]._seconds = 0.3
        began = time.monotonic()

        assert refusal(codec, harmful(deed)) == decoder_client.REASONS[None]

        assert time.monotonic() - began < 20
        assert codec.measure(picture()) == SOUND
    assert "took too long" in caplog.text


def test_what_an_image_writes_to_stderr_is_one_short_line_of_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """However much it is, and whatever it has: also while no image is decoded, and while the process is killed."""
    with Codec(1_000_000, 30) as codec:
        for deed in ("flood", "warn", "flood-for-ever"):
            assert codec.measure(harmful(deed)) == SOUND
        assert codec.measure(picture()) == SOUND
        codec._idle[0]._seconds = 0.3
        refusal(codec, harmful("flood-and-spin"))
        assert codec.measure(picture()) == SOUND

    first, last, timeout = caplog.messages
    assert first.startswith("the decoder wrote ")
    assert last.startswith("the decoder wrote ")
    assert "took too long" in timeout
    for line in (first, last):
        assert line.isprintable()
        assert "forged" in line
        assert len(line.partition(": ")[2]) == MAX_LOGGED
    assert "forged" not in capfd.readouterr().err


def test_what_many_images_write_to_stderr_is_one_line_in_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Codec(1_000_000, 30) as codec:
        for _ in range(100):
            assert codec.measure(harmful("warn")) == SOUND
        assert len(caplog.messages) == 1
        monkeypatch.setattr(Stderr, "_due", 0.0)
        assert codec.measure(harmful("warn")) == SOUND

    _, line = caplog.messages
    assert re.fullmatch(r"the decoder wrote 550 bytes \(left out before: 99 lines\): .*\\xff\\x00 warning", line)


def test_many_warnings_do_not_hide_the_last_words_of_a_decoder(caplog: pytest.LogCaptureFixture) -> None:
    with Codec(1_000_000, 30) as codec:
        assert codec.measure(harmful("warn")) == SOUND
        caplog.clear()
        assert refusal(codec, harmful("warn-and-raise")) == "The decoder crashed."

    assert [line.endswith("ValueError: the last words") for line in caplog.messages] == [True, True, False]


def test_a_decoder_that_closes_its_stderr_decodes(caplog: pytest.LogCaptureFixture) -> None:
    with Codec(1_000_000, 30) as codec:
        assert codec.measure(harmful("close-stderr")) == SOUND
        assert codec.measure(picture()) == SOUND

    assert caplog.messages == []


def test_a_jpeg_with_too_many_scans_is_rejected() -> None:
    with Codec(1_000_000, 0.02) as codec:
        assert refusal(codec, scans(881)) == decoder_client.REASONS[None]


def test_an_image_that_takes_too_much_memory_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    with Codec(1_000_000, 30) as codec:
        assert refusal(codec, harmful("gorge")) == decoder_client.REASONS[OUT_OF_MEMORY]
        assert codec.measure(picture()) == SOUND

    assert "ran out of memory" in caplog.text


def test_a_large_image_is_decoded_without_a_file() -> None:
    """The image has more than 100 MB. By default libvips would use the disk."""
    with Codec(100_000_000, 30) as codec:
        assert codec.measure(picture("WebP", (6000, 6000), method=0)) == ("image/webp", 6000, 6000)


def test_a_decoder_that_was_killed_while_idle_fails_no_request() -> None:
    with Codec(1_000_000, 30) as codec, ThreadPoolExecutor(4) as threads:
        list(threads.map(codec.measure, [picture()] * 40))
        for _ in range(2):
            for process in decoders():
                process.kill()

            assert codec.measure(picture()) == SOUND


def test_a_decoder_that_is_killed_during_a_job_is_replaced() -> None:
    with Codec(1_000_000, 30) as codec, ThreadPoolExecutor(1) as threads:
        refused = threads.submit(refusal, codec, harmful("sleep"))
        wait_until(lambda: [process for process in decoders() if process.name() == "sleep"])

        decoders()[0].kill()

        assert refused.result() == "The decoder crashed."
        assert codec.measure(picture()) == SOUND


def test_a_decoder_that_hangs_is_replaced() -> None:
    with Codec(1_000_000, 30) as codec:
        codec.measure(picture())
        codec._idle[0]._seconds = 0.5
        decoders()[0].suspend()

        refusal(codec, picture())

        assert codec.measure(picture()) == SOUND


def test_a_decoder_that_does_not_start_rejects_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (["false"], ["true"], ["echo", "nonsense"], ["no such program"]):
        monkeypatch.setattr(decoder_client, "COMMAND", command)
        with Codec(1_000_000, 30) as codec, pytest.raises(OSError, match=r"did not start|No such file"):
            codec.measure(picture())


def test_one_decoder_runs_for_each_image_at_the_same_time() -> None:
    with Codec(1_000_000, 30) as codec:
        for _ in range(5):
            codec.measure(picture())
        assert len(decoders()) == 1

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(codec.measure, [picture("PNG", (900, 900))] * 60))
        assert 1 < len(decoders()) <= 3


def test_a_decoder_has_few_resources_and_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@localhost/images")
    monkeypatch.setattr(decoder_client, "LOW_PRIORITY", kept_decoders.LOW_PRIORITY)
    with Codec(1_000_000, 30) as codec:
        codec.measure(picture())
        [process] = decoders()

        assert "hunter2" not in str(process.environ())
        limits = [psutil.RLIMIT_CORE, psutil.RLIMIT_FSIZE, psutil.RLIMIT_NOFILE]
        assert [process.rlimit(limit) for limit in limits] == [(0, 0), (0, 0), (16, 16)]
        assert process.rlimit(psutil.RLIMIT_AS)[0] < 1024**3
        assert process.memory_info().rss < 64 * 1024**2
        assert os.getpgid(process.pid) != os.getpgid(0)  # Ctrl+C on a terminal does not reach it
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "1000\n"
        assert process.nice() == min(os.nice(0) + 5, 19)  # requests come before it


def autogroup(pid: int) -> str:
    """Return the group of a process and its priority, or nothing if this Linux does not group by session."""
    path = Path(f"/proc/{pid}/autogroup")
    return path.read_text() if path.exists() else ""


def test_a_large_image_has_a_decoder_that_leaves_the_processors_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads of it, also those that a library starts later."""
    seen: list[set[int]] = []
    used: list[set[int]] = []
    groups: list[str] = []
    receive = decoder_client.Process._receive

    def noted(process: decoder_client.Process, seconds: float) -> tuple[dict[str, Any], bytes]:
        answer = receive(process, seconds)
        threads = [int(thread.name) for thread in Path(f"/proc/{process._process.pid}/task").iterdir()]
        seen.append({os.getpriority(os.PRIO_PROCESS, thread) for thread in threads})
        used.append(set[int]().union(*(os.sched_getaffinity(thread) for thread in threads)))
        groups.append(autogroup(process._process.pid))
        return answer

    with Codec(1_000_000, 30) as codec:
        codec.measure(picture())
        [small] = codec._idle
        monkeypatch.setattr(decoder_client.Process, "_receive", noted)

        assert codec.measure(picture("PNG", (900, 900)), Attempt(large=True)) == ("image/png", 900, 900)

        assert seen[-1] == {min(os.nice(0) + 7, 19)}
        processors = os.sched_getaffinity(0)
        assert used[-1] < processors or len(processors) == 1
        assert len(used[-1]) == (len(processors) + 1) // 2
        if groups[-1]:
            assert groups[-1].endswith("nice 19\n")
            assert autogroup(small._process.pid) == autogroup(os.getpid()) != groups[-1]
        assert codec._idle == [small]
        assert small._process.poll() is None


@pytest.mark.parametrize("deed", ["", "sleep", "spin"])
def test_a_decoder_does_not_outlive_a_worker_that_is_killed(deed: str) -> None:
    """An idle decoder ends at once. A decoder that hangs ends when the time for an image is over."""
    program = """
import sys
from app.decoder import client
from app.decoder.client import Codec
from app.decoder.formats import OUT_OF_MEMORY
from app.decoder.stderr import MAX_LOGGED, Stderr
from tests.support.hostile import scans
from tests.support.hostile_codec import harmful
client.COMMAND = [sys.executable, "-m", "tests.support.hostile_codec"]
codec = Codec(1_000_000, 1)
codec.measure(harmful(""))
print(codec._idle[0]._process.pid, flush=True)
codec.measure(harmful(sys.argv[1])) if sys.argv[1] else sys.stdin.read()
"""
    worker = subprocess.Popen(
        [sys.executable, "-c", program, deed],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        wait_until(lambda: not deed or psutil.Process(pid).name() == deed)

        worker.send_signal(signal.SIGKILL)

        wait_until(lambda: not alive(pid))


def test_the_worker_does_not_load_the_decoder_nor_the_decoder_the_service() -> None:
    for modules, absent in (
        ("app.main, app.cli.main, app.cli.import_files", {"pyvips", "_libvips"}),
        ("app.decoder.__main__", {"pydantic", "starlette", "asyncpg", "obstore", "asyncio", "app.catalogue.models"}),
    ):
        program = f"import sys, {modules}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

        assert not absent & set(done.stdout.split())


# In the service


async def test_only_the_upload_that_crashes_the_decoder_is_rejected(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    images = [picture("PNG", seed=seed) for seed in range(19)]
    images.insert(7, harmful("segmentation-fault"))

    responses = await asyncio.gather(*(client.post("/v1/images", files={"file": image}) for image in images))

    assert [response.status_code for response in responses] == [201] * 7 + [422] + [201] * 12
    assert problem(responses[7], 422, "broken-image")["detail"] == "The decoder crashed."
    assert rows(connection) == len(objects(settings)) == 19


async def test_a_thumbnail_that_crashes_the_decoder_is_not_found(client: httpx.AsyncClient) -> None:
    id = (await upload(client, harmful("no-thumbnail")))["id"]

    assert problem(await client.get(f"/v1/images/{id}/thumbnail"), 404, "no-thumbnail")["detail"]
    assert (await client.get(f"/v1/images/{(await upload(client))['id']}/thumbnail")).status_code == 200


async def test_a_service_without_a_decoder_is_unavailable(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_client, "COMMAND", ["false"])

    response = await client.post("/v1/images", files={"file": picture()})

    problem(response, 503)
    assert response.headers["retry-after"]


async def test_a_large_image_crashes_as_a_small_one_does(settings: Settings) -> None:
    content = picture("TIFF", (700, 700))
    async with client_of(settings) as client:
        sound = await client.post("/v1/images", files={"file": content})
        harmful_one = await client.post("/v1/images", files={"file": content + harmful("abort")})

    assert sound.status_code == 201
    problem(harmful_one, 422, "broken-image")
