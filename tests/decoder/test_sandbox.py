"""The decoder's sandbox: what a hostile image tries is forbidden, and every format still works."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from app.cli.show_settings import show
from app.cli.wait import report_decoder
from app.decoder import client, sandbox
from app.decoder.client import Codec
from app.decoder.formats import THUMBNAIL_EXTENSIONS
from app.errors import RejectedImageError
from app.settings import ROOT
from tests.conftest import environment
from tests.support.confined import BUFFER, OWN, PARENT, SCRATCH, Call, outcomes
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.hostile import FORMATS
from tests.support.hostile_codec import INTRUSIONS, WRITTEN, harmful
from tests.support.kept_decoders import KeptCodec
from tests.support.pictures import picture
from tests.support.properties import few
from tests.support.properties import settings as hypothesis_settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is of Linux")

HOSTILE = [sys.executable, "-m", "tests.support.hostile_codec"]
# A decoder on a system that has neither seccomp nor Landlock.
UNCONFINED = "from app.decoder import __main__, sandbox; sandbox.MACHINES.clear(); __main__.run()"
MACHINE = sandbox.MACHINES.get(os.uname().machine, sandbox.MACHINES["x86_64"])
KILLED, UNKNOWN, DONE = -signal.SIGSYS, errno.ENOSYS, 0

ENDED = "was ended by its sandbox"
FAILED = "ended with status 1"  # an exception
EXPECTED = {
    "read a file": FAILED,
    "write a file": FAILED,
    "list a folder": FAILED,
    "look for a file": FAILED,
    "delete a file": FAILED,
    "change its content": FAILED,
    "cut its content": FAILED,
    "map memory to execute": FAILED,
}


# A hostile image


@pytest.mark.parametrize("intrusion", INTRUSIONS)
def test_an_image_that_breaks_out_is_rejected(
    intrusion: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "COMMAND", HOSTILE)
    WRITTEN.unlink(missing_ok=True)
    with Codec(1_000_000, 30) as codec, pytest.raises(RejectedImageError, match="The decoder crashed") as refused:
        codec.measure(harmful(intrusion))
    assert refused.value.kind == "broken-image"
    assert EXPECTED.get(intrusion, ENDED) in caplog.text
    assert not WRITTEN.exists()


def test_an_image_cannot_change_the_file_that_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "COMMAND", HOSTILE)
    with Codec(1_000_000, 30) as codec, tempfile.TemporaryFile() as file:
        file.write(harmful("change its content"))
        with pytest.raises(RejectedImageError):
            codec.measure(file)


# System calls


@cache
def forbidden() -> dict[str, int]:
    """Return what becomes of each forbidden call that this processor has, with zeros as arguments."""
    numbers = {name: both[MACHINE.column] for name, both in sandbox.FORBIDDEN.items()}
    calls = {name: number for name, number in numbers.items() if number is not None}
    return dict(zip(calls, outcomes([(number, *[0] * 6) for number in calls.values()]), strict=True))


@pytest.mark.parametrize("name", sandbox.FORBIDDEN)
def test_a_forbidden_call_ends_the_process(name: str) -> None:
    if sandbox.FORBIDDEN[name][MACHINE.column] is None:
        pytest.skip("this processor does not have it")
    assert forbidden()[name] == KILLED


def number(name: str) -> int:
    found = sandbox.ALLOWED[name][MACHINE.column]
    assert found is not None
    return found


PATHS = {"openat": (257, 56), "unlinkat": (263, 35), "clone3": (435, 435)}
OTHERS = {name: both[MACHINE.column] for name, both in PATHS.items()}
AS = 9  # RLIMIT_AS
CALLS: dict[str, tuple[Call, int]] = {
    "the process's own id": ((number("getpid"),), DONE),
    "a new process": ((number("clone"), signal.SIGCHLD, 0, 0, 0, 0), KILLED),
    "a thread in a name space": ((number("clone"), 0x1001_0000, 0, 0, 0, 0), KILLED),
    "clone3, whose flags a filter cannot read": ((OTHERS["clone3"], 0, 0), UNKNOWN),
    "a signal to itself": ((number("kill"), OWN, 0), DONE),
    "a signal to the parent": ((number("kill"), PARENT, 0), KILLED),
    "a signal to a thread of the parent": ((number("tgkill"), PARENT, PARENT, 0), KILLED),
    "a signal to the group": ((number("kill"), 0, 0), KILLED),
    "a signal to all": ((number("kill"), -1, 0), KILLED),
    "its limit": ((number("prlimit64"), 0, AS, 0, BUFFER), DONE),
    "a new limit": ((number("prlimit64"), 0, AS, BUFFER, 0), KILLED),
    "a limit of the parent": ((number("prlimit64"), PARENT, AS, 0, BUFFER), KILLED),
    "a new limit at an address with zeros below": ((number("prlimit64"), 0, AS, 1 << 40, 0), KILLED),
    "memory": ((number("mmap"), 0, 4096, 3, 0x22, -1, 0), DONE),
    "memory to execute": ((number("mmap"), 0, 4096, 7, 0x22, -1, 0), UNKNOWN),
    "memory made to execute": ((number("mprotect"), 0, 4096, 5), UNKNOWN),
    "a name for the thread": ((number("prctl"), sandbox.PR_SET_NAME, BUFFER), DONE),
    "memory that ptrace may read": ((number("prctl"), 0x59616D61, 1, 0, 0, 0), UNKNOWN),
    "signals from a socket": ((number("fcntl"), 0, 8, OWN), UNKNOWN),
    "a file": ((OTHERS["openat"], -100, SCRATCH, 0), UNKNOWN),
    "a removal": ((OTHERS["unlinkat"], -100, BUFFER, 0), UNKNOWN),
    "a call that does not exist": ((4000,), UNKNOWN),
    "a call of the x32 interface": ((sandbox.X32_BIT | 39,), KILLED),
}


@cache
def others() -> dict[str, int]:
    return dict(zip(CALLS, outcomes([call for call, _ in CALLS.values()]), strict=True))


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_allowed_with_some_arguments(name: str) -> None:
    assert others()[name] == CALLS[name][1]


def test_landlock_forbids_files_without_seccomp() -> None:
    reads = (OTHERS["openat"], -100, SCRATCH, os.O_RDONLY)
    writes = (OTHERS["openat"], -100, SCRATCH, os.O_WRONLY)
    removes = (OTHERS["unlinkat"], -100, SCRATCH, 0)

    done = outcomes([reads, writes, removes], "_no_new_privileges", "_landlock")

    assert done == [errno.EACCES] * 3
    assert outcomes([reads], "_no_new_privileges") == [DONE]


@cache
def instructions_of(machine: sandbox.Machine) -> list[tuple[int, int, int, int]]:
    return list(sandbox.INSTRUCTION.iter_unpack(sandbox.program(machine)))


def verdict(machine: sandbox.Machine, call: int, architecture: int, arguments: list[int]) -> int:
    """Run the filter as the kernel does."""
    data = call.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    data += b"".join(argument.to_bytes(8, "little") for argument in arguments)
    instructions = instructions_of(machine)
    position = value = 0
    while True:
        operation, if_true, if_false, operand = instructions[position]
        position += 1
        match operation:
            case sandbox.LOAD:
                value = int.from_bytes(data[operand : operand + 4], "little")
            case sandbox.AND:
                value &= operand
            case sandbox.EQUAL:
                position += if_true if value == operand else if_false
            case sandbox.AT_LEAST:
                position += if_true if value >= operand else if_false
            case sandbox.RETURN:
                return int(operand)


def expected(name: str, arguments: list[int]) -> int:
    """Return what the sandbox promises for a call."""
    low = [argument % 2**32 for argument in arguments]
    own = os.getpid()
    allowed = {
        "mmap": not low[2] & 4,
        "mprotect": not low[2] & 4,
        "fcntl": low[1] == 1030,
        "prctl": low[0] == 15,
        "clone": low[0] & 0x7E01_0000 == 0x0001_0000,
        "prlimit64": low[0] == 0 and arguments[2] == 0,
        "kill": low[0] == own,
        "tgkill": low[0] == own,
    }
    if name in sandbox.FORBIDDEN or (name in {"clone", "prlimit64", "kill", "tgkill"} and not allowed[name]):
        return sandbox.KILL_PROCESS
    return sandbox.ALLOW if allowed.get(name, name in sandbox.ALLOWED) else sandbox.ERRNO | errno.ENOSYS


OFTEN = [0, 1, 2, 4, 5, 7, 15, 1030, os.getpid(), 0x3D_0F00, 0x0001_0000, 1 << 32, (1 << 32) | 15, 2**64 - 1]
ARGUMENT = st.sampled_from([0, 1 << 32]) | st.sampled_from(OFTEN) | st.integers(0, 2**64 - 1)


CONDITIONAL = [*sandbox.CONDITIONS, "kill", "tgkill"]


@pytest.mark.parametrize("machine", sandbox.MACHINES)
@given(
    called=st.sampled_from(CONDITIONAL) | st.integers(0, 600) | st.integers(0, 2**32 - 1),
    arguments=st.lists(ARGUMENT, min_size=6, max_size=6),
)
@hypothesis_settings(max_examples=few(500))
def test_the_filter_of_each_processor_is_what_the_tables_say(
    machine: str, called: int | str, arguments: list[int]
) -> None:
    it = sandbox.MACHINES[machine]
    names = {both[it.column]: name for name, both in (sandbox.ALLOWED | sandbox.FORBIDDEN).items()}
    call = sandbox.ALLOWED[called][it.column] if isinstance(called, str) else called
    assert call is not None

    given = verdict(it, call, it.audit_architecture, arguments)

    assert given == (sandbox.KILL_PROCESS if call >= sandbox.X32_BIT else expected(names.get(call, ""), arguments))
    assert verdict(it, call, 0x4000_0003, arguments) == sandbox.KILL_PROCESS  # i386


@pytest.mark.parametrize("machine", sandbox.MACHINES)
def test_each_call_of_the_tables_has_a_number_of_its_own(machine: str) -> None:
    column = sandbox.MACHINES[machine].column
    numbers = [both[column] for both in (*sandbox.ALLOWED.values(), *sandbox.FORBIDDEN.values())]
    present = [number for number in numbers if number is not None]
    assert len(present) == len(set(present))
    for number in present:
        arguments = [0, 0, 0, 0, 0, 0]
        name = next(name for name, both in (sandbox.ALLOWED | sandbox.FORBIDDEN).items() if both[column] == number)
        it = sandbox.MACHINES[machine]
        assert verdict(it, number, it.audit_architecture, arguments) == expected(name, arguments)


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", sandbox.MACHINES)
def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("the kernel's headers are not installed")
    header = HEADERS[machine].read_text()
    known = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header)}
    it = sandbox.MACHINES[machine]
    for name, both in (sandbox.ALLOWED | sandbox.FORBIDDEN).items():
        assert both[it.column] == known.get(name), name
    for name in ("seccomp", "landlock_create_ruleset", "landlock_restrict_self"):
        assert getattr(it, name) == known[name]


# Images


@cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_decoded_by_a_decoder_that_has_just_begun(format: str) -> None:
    """By default two types of a thumbnail for each format, one without and one with a profile of colors."""
    plain = picture(format, (600, 400))
    profiled = picture(format, (600, 400), icc_profile=profile())
    types = [*THUMBNAIL_EXTENSIONS]
    turn = [*FORMATS].index(format)
    for number, content in enumerate((plain, profiled)):
        for type in types if EXHAUSTIVE else [types[(turn + number) % len(types)]]:
            with Codec(1_000_000, 30) as codec:
                small = codec.thumbnail(content, 160, type)
                assert codec.measure(content)[1:] == (600, 400)
            with Image.open(io.BytesIO(small)) as image:
                assert image.size == (160, 107)


@pytest.mark.parametrize("format", FORMATS)
def test_a_broken_image_ends_no_decoder(format: str, caplog: pytest.LogCaptureFixture) -> None:
    content = picture(format, (300, 200))
    with KeptCodec(1_000_000, 30) as codec:
        for length in (20, 60, len(content) // 2):
            with pytest.raises(RejectedImageError):
                codec.measure(content[:length])
            for type in THUMBNAIL_EXTENSIONS:
                with pytest.raises(RejectedImageError):
                    codec.thumbnail(content[:length], 160, type)
    assert caplog.messages == []


def test_all_threads_of_a_decoder_are_confined() -> None:
    with Codec(1_000_000, 30) as codec:
        codec.measure(picture("AVIF", (1000, 1000)))
        codec.measure(picture("PNG", (1000, 1000)))
        folders = list(Path(f"/proc/{codec._idle[0]._process.pid}/task").iterdir())
        for folder in folders:
            status = (folder / "status").read_text()
            assert "Seccomp:\t2" in status
            assert "NoNewPrivs:\t1" in status
    assert len(folders) > 1


# Limits


def test_the_limits_are_hard() -> None:
    with Codec(1_000_000, 30) as codec:
        codec.measure(picture())
        process = psutil.Process(codec._idle[0]._process.pid)
        soft, hard = process.rlimit(psutil.RLIMIT_AS)
    assert soft == hard < 1024**3


def test_smaller_limits_of_the_environment_stay() -> None:
    program = """
import resource
for kind, maximum in ((resource.RLIMIT_AS, 900_000_000), (resource.RLIMIT_FSIZE, 2_000_000), (resource.RLIMIT_CORE, 0)):
    resource.setrlimit(kind, (maximum, maximum))
from app.decoder.client import Codec
from tests.support.pictures import picture
with Codec(100_000_000, 30) as codec:
    print(*codec.measure(picture()))
    print(codec._idle[0].sandbox)
    print(open(f"/proc/{codec._idle[0]._process.pid}/limits").read())
"""
    # An ordinary user could not raise them. A privileged one could, but the decoder does not.
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("image/jpeg 60 40\nlimits, no_new_privs")
    assert re.search(r"Max address space +900000000 +900000000 ", done.stdout)


def test_a_decoder_without_room_for_a_large_file_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "CONTENT_BYTES", 1_000_000)
    with Codec(1_000_000, 30) as codec, tempfile.TemporaryFile() as file:
        codec.measure(picture())
        file.write(picture("TIFF", (900, 900)))

        assert codec.measure(file) == ("image/tiff", 900, 900)

        [process] = codec._idle
        assert process.max_bytes == file.tell() > 1_000_000
        assert codec._living == {process}
    assert caplog.messages == []


# Report of the active parts


@pytest.fixture
def unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "COMMAND", [sys.executable, "-c", UNCONFINED])


def test_the_start_says_what_is_active(capsys: pytest.CaptureFixture[str]) -> None:
    report_decoder()

    *_, line = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"decoder sandbox: limits, no_new_privs, landlock \d+, thread limit, seccomp", line)


@pytest.mark.usefixtures("unconfined")
def test_the_start_warns_of_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    report_decoder()

    *_, line = capsys.readouterr().err.splitlines()
    reason = f"(not available on linux {os.uname().machine})"
    missing = ", ".join(f"{part} {reason}" for part in ("landlock", "thread limit", "seccomp"))
    assert line == f"warning: decoder sandbox: limits, no_new_privs, without {missing}"
    with Codec(1_000_000, 30) as codec:
        assert codec.measure(picture())


def test_the_start_warns_of_a_decoder_that_does_not_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "COMMAND", ["false"])

    report_decoder()

    assert capsys.readouterr().err == "warning: decoder sandbox: the decoder did not start: status 1\n"


@pytest.mark.usefixtures("unconfined")
def test_settings_show_what_is_active(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/images")
    show("text")
    text = capsys.readouterr().out
    show("json")
    shown = json.loads(capsys.readouterr().out)["decoder_sandbox"]

    assert shown.startswith("limits, no_new_privs, without landlock (")
    assert text.splitlines()[-1].split(maxsplit=2) == ["decoder", "sandbox", shown]
