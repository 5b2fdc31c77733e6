"""Scenario of the soak test: the acts, one after the other, while clients send requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx

from app.settings import ROOT
from tests.soak.balancer import Balancer
from tests.soak.load import REQUEST_TIMEOUT, Client, Outcome
from tests.soak.metrics import Sample, watch
from tests.soak.report import Absence, Act, Report
from tests.soak.stage import DRAIN, Instance, Stage, later


class Size(NamedTuple):
    rows: int
    clients: int
    pause: float  # seconds between two requests of a client
    hold: float  # seconds that each act lasts after its events
    away: float  # seconds between the stop and the start of PostgreSQL


FULL = Size(200_000, 24, 0.25, 25.0, 60.0)
QUICK = Size(20_000, 12, 0.25, 2.0, 3.0)
SHORT = Size(2_000, 6, 0.25, 1.0, 1.0)  # of the suite

SPARED = ("tags", "stats")  # operations that older releases may not have

FIRST = "0002_set_images_defaults"  # the lowest migration whose rollback keeps the rows


async def play(size: Size, folder: Path, memory: Path, old: Path | None = None) -> Report:
    """Run all acts and return the report. Write the logs to `folder`. `old` is the folder of an older release."""
    stage = Stage(folder, memory)
    try:
        await asyncio.to_thread(stage.prepare, old or ROOT, size.rows)
        async with Balancer() as balancer:
            return await Play(size, stage, balancer).all(old)
    finally:
        stage.close()


class Play:
    def __init__(self, size: Size, stage: Stage, balancer: Balancer) -> None:
        self.size, self.stage, self.balancer = size, stage, balancer
        self.acts: list[Act] = []
        self.absences: list[Absence] = []
        self.outcomes: list[Outcome] = []
        self.clock = asyncio.get_running_loop().time
        self._numbers = count(1)

    async def all(self, old: Path | None) -> Report:
        samples: list[Sample] = []
        current = await self.start(old or ROOT)
        # Half of the clients open a connection for each request. While an older release runs, all clients do, because
        # it may close an idle connection without a notice. No client keeps a connection idle for as long as DRAIN.
        async with (
            httpx.AsyncClient(
                base_url=self.balancer.url, timeout=REQUEST_TIMEOUT, limits=httpx.Limits(keepalive_expiry=DRAIN / 2)
            ) as keeping,
            httpx.AsyncClient(
                base_url=self.balancer.url, timeout=REQUEST_TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0)
            ) as closing,
        ):
            clients = [
                Client(number, (keeping, closing)[number % 2], self.outcomes, self.size.pause)
                for number in range(self.size.clients)
            ]
            if old is not None:
                for client in clients:
                    client.http, client.spared = closing, SPARED
            working = [asyncio.create_task(client.work()) for client in clients]
            watching = asyncio.create_task(watch(self.stage, samples))
            await asyncio.sleep(2)  # warm up: the first requests are slow
            async with self.act("quiet"):
                await asyncio.sleep(self.size.hold)
            if old is not None:
                current = await self.deploy_and_back(current, old)
                for number, client in enumerate(clients):
                    client.http, client.spared = (keeping, closing)[number % 2], ()
            current = await self.restart(current)
            await self.migrate()
            await self.lose_postgres()
            async with self.act("kill -9 of a worker", resets=True):
                current.kill_worker()
            await self.fail_over()
            async with self.act("quiet again"):
                pass
            for task in (watching, *working):
                task.cancel()
            await asyncio.wait([watching, *working])
            crashed = [task.exception() for task in (watching, *working) if not task.cancelled() and task.exception()]
            if crashed:
                raise ExceptionGroup("clients", [error for error in crashed if isinstance(error, Exception)])
            lost = [line for client in clients for line in await client.verify()]
        await self.stop(current)
        logs = [instance.log.read_text(errors="replace") for instance in self.stage.instances]
        return Report(
            self.acts,
            self.absences,
            self.outcomes,
            acknowledged=sum(client.acknowledged for client in clients),
            lost=lost,
            tracebacks=sum(log.count("Traceback (most recent call last)") for log in logs),
            samples=samples,
        )

    @asynccontextmanager
    async def act(self, name: str, resets: bool = False) -> AsyncIterator[None]:
        """Record an act: its events, and then `hold` seconds. With `resets`, requests may lose their connection."""
        begun = self.clock()
        yield
        await asyncio.sleep(self.size.hold)
        self.acts.append(Act(name, begun, self.clock(), resets))

    @asynccontextmanager
    async def absence(self, of: str) -> AsyncIterator[None]:
        begun = self.clock()
        yield
        self.absences.append(Absence(of, begun, self.clock()))

    async def start(self, release: Path = ROOT) -> Instance:
        """Start an instance, wait until the balancer finds it ready, and return it."""
        instance = self.stage.start(f"instance-{next(self._numbers)}", release)
        self.balancer.add(instance.port)
        ready = asyncio.create_task(self.balancer.until_ready(instance.port))
        while not ready.done():
            if instance.process.poll() is not None:
                ready.cancel()
                raise RuntimeError(f"{instance.name} ended: {instance.log.read_text()[-2000:]}")
            await asyncio.wait([ready], timeout=0.5)
        return instance

    async def stop(self, instance: Instance) -> None:
        """Stop an instance with SIGTERM, as a container is stopped. The balancer only notices it by polling /readyz."""
        status = await instance.stop()
        await self.balancer.remove(instance.port)
        if status != 0:
            raise RuntimeError(f"{instance.name} ended with {status}: {instance.log.read_text()[-2000:]}")

    async def deploy_and_back(self, current: Instance, old: Path) -> Instance:
        """Upgrade from an older release, roll back to it with its migrations, and upgrade again."""
        first, *_ = await asyncio.to_thread(later, old)
        async with self.act("upgrade, with migrations"):
            new = await self.start()
            await self.retire(current)
        async with self.act("older release again"):
            current = await self.start(old)
            await self.stop(new)
        async with self.act("rollback of the migrations"):
            await self.yoyo("rollback", "--revision", first)
        async with self.act("migrations again"):
            await self.yoyo("apply")
        async with self.act("upgrade again"):
            new = await self.start()
            await self.retire(current)
        return new

    async def retire(self, instance: Instance) -> None:
        """Stop an instance of an older release, which may not drain: first take it out of the balancer."""
        await self.balancer.remove(instance.port)
        await instance.stop()

    async def restart(self, current: Instance) -> Instance:
        async with self.act("rolling restart"):
            new = await self.start()
            await self.stop(current)
        return new

    async def migrate(self) -> None:
        async with self.act("every migration down and up"), self.absence("schema"):
            await self.yoyo("rollback", "--revision", FIRST)
            await self.yoyo("apply")
            await asyncio.to_thread(self.stage.restore_identity)

    async def lose_postgres(self) -> None:
        primary = self.stage.primary
        # While the primary is stopped, the service reads from the standby, so it needs all acknowledged writes.
        await asyncio.to_thread(self.stage.wait_for_standby)
        for name, end in (
            ("restart of PostgreSQL", primary.down),
            ("kill -9 of PostgreSQL", primary.kill),
        ):
            async with self.act(name), self.absence("PostgreSQL"):
                await asyncio.to_thread(end)
                await asyncio.sleep(self.size.away if name.startswith("restart") else 0)
                await asyncio.to_thread(primary.up)
                await self.until(primary.answers)

    async def fail_over(self) -> None:
        async with self.act("failover"):
            await asyncio.to_thread(self.stage.wait_for_standby)
            async with self.absence("PostgreSQL"):
                await asyncio.to_thread(self.stage.primary.kill)
                await asyncio.to_thread(self.stage.standby.promote)

    async def yoyo(self, *arguments: str) -> None:
        await asyncio.to_thread(self.stage.yoyo, *arguments)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
