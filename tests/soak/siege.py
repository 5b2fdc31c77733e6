"""Scenario of `make soak HOSTILE=1`: honest clients, then hostile clients beside them, then honest clients again."""

import asyncio
import json
import resource
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx

from app.settings import ROOT
from app.text import count
from tests.conftest import environment
from tests.soak.load import MIX, REQUEST_TIMEOUT, Client, Outcome
from tests.soak.report import p99
from tests.soak.stage import Instance, Stage

MAX_RATIO = 2.0  # of the p99 beside hostile clients to the p99 before
MAX_GROWTH = 20 * 1024**2  # bytes of memory that a worker may have more afterwards
MAX_FILES = 10  # descriptors that a worker may have more afterwards
OPEN_FILES = 1024  # that each worker may have, so it takes half as many connections


class Size(NamedTuple):
    rows: int
    clients: int
    quiet: int  # seconds before the attacks
    hostile: int  # seconds of the attacks
    rest: int  # seconds after the attacks: longer than each limit of the service
    request_timeout: int  # seconds, the setting REQUEST_TIMEOUT
    silent: int  # connections without a byte
    megapixels: int  # of the large image


FULL = Size(200_000, 24, 120, 600, 90, 30, 600, 100)
QUICK = Size(20_000, 12, 15, 30, 10, 5, 200, 25)


class Use(NamedTuple):
    """Memory in bytes and open descriptors of one worker, or the largest of several workers."""

    memory: int
    files: int


@dataclass
class Siege:
    """Result of the scenario."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)  # by phase
    use: dict[str, Use] = field(default_factory=dict)  # of the largest worker at the end of a phase, or its highest
    rounds: dict[str, int] = field(default_factory=dict)  # of the attacks
    lost: list[str] = field(default_factory=list)
    tracebacks: int = 0

    @property
    def faults(self) -> list[str]:
        """Return a sentence for each promise that did not hold."""
        faults = [
            f"{phase}: {outcome.work}: {outcome.result}{', connection lost' if outcome.reset else ''}"
            for phase, outcomes in self.outcomes.items()
            for outcome in outcomes
            if outcome.result != "ok" or outcome.reset
        ]
        before, during = p99(self.outcomes["quiet"]), p99(self.outcomes["hostile"])
        if during > MAX_RATIO * before:
            faults.append(f"p99 was {during:.0f} ms beside hostile clients, and {before:.0f} ms before")
        start, end = self.use["quiet"], self.use["after"]
        if end.memory > start.memory + MAX_GROWTH:
            faults.append(f"a worker has {end.memory >> 20} MiB afterwards, and {start.memory >> 20} MiB before")
        if end.files > start.files + MAX_FILES:
            faults.append(f"a worker has {end.files} descriptors afterwards, and {start.files} before")
        faults += [f"attack {name}: {number}" for name, number in self.rounds.items() if name.endswith("without end")]
        if self.tracebacks:
            faults.append(count(self.tracebacks, "traceback"))
        return faults + self.lost


async def besiege(size: Size, folder: Path, memory: Path) -> Siege:
    """Run the scenario and return its result. Write the log of the service to `folder`."""
    stage = Stage(folder, memory)
    stage.variables |= {"AUTH": "token", "REQUEST_TIMEOUT": str(size.request_timeout)}
    try:
        await asyncio.to_thread(stage.prepare, ROOT, size.rows)
        honest, hostile = [await asyncio.to_thread(token, stage, name) for name in ("honest", "hostile")]
        return await run(size, await start(stage), honest, hostile)
    finally:
        stage.close()


def token(stage: Stage, name: str) -> str:
    """Return a new token of the scope write."""
    command = [str(Path(sys.executable).with_name("images")), "token", "create", "--quiet", name, "--scope", "write"]
    done = subprocess.run(command, env=environment(**stage.variables), capture_output=True, text=True, check=True)
    return done.stdout.strip()


async def start(stage: Stage) -> Instance:
    """Start an instance whose workers may open OPEN_FILES files, wait until it is ready, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))  # the instance inherits it
    try:
        instance = stage.start("instance-1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await until_ready(instance)
    return instance


async def until_ready(instance: Instance) -> None:
    """Return when the instance is ready. Raises RuntimeError if it ended."""
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{instance.port}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                if instance.process.poll() is not None:
                    raise RuntimeError(instance.log.read_text()[-2000:]) from None
            await asyncio.sleep(0.1)


async def run(size: Size, instance: Instance, honest: str, hostile: str) -> Siege:
    siege = Siege()
    outcomes: list[Outcome] = []
    attackers = await attack(size, instance, hostile)
    url, headers = f"http://127.0.0.1:{instance.port}", {"Authorization": f"Bearer {honest}"}
    limits = httpx.Limits(keepalive_expiry=2.0), httpx.Limits(max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(base_url=url, headers=headers, timeout=REQUEST_TIMEOUT, limits=limits[0]) as keeping,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=REQUEST_TIMEOUT, limits=limits[1]) as closing,
    ):
        clients = [Client(n, (keeping, closing)[n % 2], outcomes, 0.25) for n in range(size.clients)]
        working = [asyncio.create_task(client.work()) for client in clients]

        async def phase(name: str, seconds: float, *, of_samples: bool = False) -> None:
            """Let the clients work, and record their outcomes and the use of the workers at the end."""
            outcomes.clear()
            samples = []
            for _ in range(max(1, round(seconds))):
                await asyncio.sleep(1)
                samples.append(use(instance))
            siege.outcomes[name] = list(outcomes)
            chosen = samples if of_samples else samples[-1:]
            siege.use[name] = Use(max(s.memory for s in chosen), max(s.files for s in chosen))

        await phase("warm up", 5)
        await phase("quiet", size.quiet)
        assert attackers.stdin is not None
        attackers.stdin.write(b"\n")
        await phase("hostile", size.hostile, of_samples=True)
        printed, _ = await attackers.communicate()
        siege.rounds = json.loads(printed)
        await phase("after", size.rest)
        for task in working:
            task.cancel()
        await asyncio.wait(working)
        siege.lost = [line for client in clients for line in await client.verify()]
    await instance.stop()
    siege.tracebacks = instance.log.read_text(errors="replace").count("Traceback (most recent call last)")
    return siege


async def attack(size: Size, instance: Instance, token: str) -> asyncio.subprocess.Process:
    """Start the hostile clients, and return once they can begin. A line on their standard input lets them begin.

    They are to use up the service and not this machine, so the operating system runs them after all others.
    """
    arguments = (str(number) for number in (instance.port, size.hostile, size.silent, size.megapixels))
    process = await asyncio.create_subprocess_exec(
        *("nice", "-n", "19", sys.executable, "-m", "tests.soak.attacks", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(TOKEN=token),
        start_new_session=True,
    )
    run_last(process.pid)
    assert process.stdout is not None
    await process.stdout.readline()
    return process


def run_last(session: int) -> None:
    """Run the processes of a session after all others.

    If Linux groups processes by session (sched_autogroup), a nice value counts only within the group. The group has a
    value of its own.
    """
    with suppress(OSError):  # no Linux, no groups, or a container
        Path(f"/proc/{session}/autogroup").write_text("19")


def use(instance: Instance) -> Use:
    """Return the memory and the descriptors of the workers: of each, the highest."""
    workers = instance.workers()
    return Use(max(worker.memory_info().rss for worker in workers), max(worker.num_fds() for worker in workers))


def by_operation(siege: Siege) -> list[str]:
    """Return a line for each operation: its p99 before the attacks, and beside them."""
    quiet, hostile = (
        {work: [outcome for outcome in siege.outcomes[phase] if outcome.work == work] for work in MIX}
        for phase in ("quiet", "hostile")
    )
    return [
        f"{work:12} p99 {p99(quiet[work]):6.0f} ms before, {p99(hostile[work]):6.0f} ms beside hostile clients"
        for work in MIX
        if quiet[work] and hostile[work]
    ]


def as_text(siege: Siege) -> str:
    columns = ("requests", "failed", "p99 ms", "MiB", "files")
    lines = [f"{'':24}" + "".join(f"{column:>10}" for column in columns)]
    for phase, outcomes in siege.outcomes.items():
        failed = sum(outcome.result != "ok" or outcome.reset for outcome in outcomes)
        memory, files = siege.use[phase]
        figures = (f"{len(outcomes):,}", f"{failed:,}", f"{p99(outcomes):.0f}", f"{memory / 2**20:.1f}", f"{files:,}")
        lines.append(f"{phase:24}" + "".join(f"{figure:>10}" for figure in figures))
    lines += by_operation(siege)
    lines += [f"attack {name}: {number:,} rounds" for name, number in sorted(siege.rounds.items())]
    return "\n".join([*lines, *(f"fault: {fault}" for fault in siege.faults)])
