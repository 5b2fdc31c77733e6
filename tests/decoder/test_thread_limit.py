"""Threads of a decoder: its libraries start as many as they need, a hostile image only a few."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from app.decoder import client, sandbox, thread_limit
from app.decoder.client import Codec
from app.errors import RejectedImageError
from tests.migrations.test_backend import wait_until
from tests.support.hostile_codec import harmful
from tests.support.pictures import picture

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is of Linux")

SOUND = ("image/jpeg", 60, 40)
CLONE = sandbox.ALLOWED["clone"][sandbox.MACHINES[os.uname().machine].column]


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "COMMAND", [sys.executable, "-m", "tests.support.hostile_codec"])


@pytest.mark.parametrize("deed", ["threads", "short-threads"])
def test_an_image_that_starts_too_many_threads_is_rejected(
    deed: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_limit, "MAX_STARTS", thread_limit.MAX_THREADS + 20)
    with Codec(1_000_000, 30) as codec, pytest.raises(RejectedImageError, match="The decoder crashed"):
        codec.measure(harmful(deed))

    assert "the decoder was ended, because it started too many threads, at " in caplog.text


def test_an_idle_decoder_starts_no_thread() -> None:
    with Codec(1_000_000, 30) as codec:
        assert codec.measure(harmful("threads-later")) == SOUND
        [process] = codec._idle
        folder = Path(f"/proc/{process._process.pid}/task")

        def waits(thread: Path) -> bool:
            return (thread / "syscall").read_text().startswith(f"{CLONE} ")

        wait_until(lambda: any(map(waits, folder.iterdir())))

        assert psutil.Process(process._process.pid).num_threads() < thread_limit.MAX_THREADS
        assert codec.measure(picture()) == SOUND


def test_the_libraries_need_less_than_a_tenth_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One decoder of each kind of thread: those of libvips, and those of the decoder and the encoder of AVIF."""
    monkeypatch.setattr(thread_limit, "MAX_THREADS", thread_limit.MAX_THREADS // 2)
    monkeypatch.setattr(thread_limit, "MAX_STARTS", thread_limit.MAX_STARTS // 10)
    with Codec(10_000_000, 30) as codec:
        for format in ("AVIF", "PNG", "TIFF"):
            content = picture(format, (600, 400))
            assert codec.measure(content)[1:] == (600, 400)
            assert codec.thumbnail(content, 640, "image/avif")
