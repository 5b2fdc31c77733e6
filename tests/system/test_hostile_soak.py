"""Parts of `make soak HOSTILE=1`: the attacks on a server that ends each connection, and the faults of a result."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

import pytest

from tests.soak import attacks
from tests.soak.attacks import ATTACKS, Attack, Target, attack, silence
from tests.soak.load import Outcome
from tests.soak.siege import MAX_FILES, MAX_GROWTH, Siege, Use, as_text
from tests.support.pictures import picture


class Server:
    """A server that reads once, answers, and ends the connection, or that keeps it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.keeps = False

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self.keeps:
            await reader.read()
        elif not self.received:  # the first connection is silent
            self.received.append(b"")
        else:
            self.received.append(await reader.read(65_536))
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Target]]:
    monkeypatch.setattr(attacks, "HOLD", 0.01)
    monkeypatch.setattr(attacks, "DRIP", 0.01)
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        yield server, Target(listening.sockets[0].getsockname()[1], "hostile", picture("AVIF"))


async def test_each_attack_ends_with_its_connection(server: tuple[Server, Target]) -> None:
    serving, target = server
    for one in (Attack(silence, 1, 0), *ATTACKS):
        done = await asyncio.gather(one.run(target), return_exceptions=True)

        assert isinstance(done[0], OSError | None)

    beginnings = [received[:16] for received in serving.received]
    assert len(serving.received) == 1 + len(ATTACKS)
    assert beginnings.count(b"POST /v1/images ") == 4
    assert sum(b"Bearer hostile" in received for received in serving.received) == 5


async def test_a_connection_that_never_ends_is_counted(
    server: tuple[Server, Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attacks, "PATIENCE", 0.01)
    serving, target = server
    serving.keeps = True

    rounds = await attack(target, 0.2, (Attack(silence, 1, 0),))

    assert rounds["silence without end"] > 0
    assert set(rounds) == {"silence without end"}


def outcome(seconds: float, result: str = "ok", reset: bool = False) -> Outcome:
    return Outcome(0.0, seconds, "get", result, reset)


def siege() -> Siege:
    """Return a result without a fault: each number is at its limit."""
    return Siege(
        outcomes={"quiet": [outcome(0.01)], "hostile": [outcome(0.02)], "after": [outcome(0.01)]},
        use={"quiet": Use(2**26, 50), "hostile": Use(2**27, 900), "after": Use(2**26 + MAX_GROWTH, 50 + MAX_FILES)},
        rounds={"silence": 7},
    )


def test_a_result_at_its_limits_has_no_fault() -> None:
    assert siege().faults == []
    assert "attack silence: 7 rounds" in as_text(siege())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda siege: siege.outcomes["hostile"].append(outcome(0.01, "503 about:blank")), "hostile: get: 503"),
        (lambda siege: siege.outcomes["after"].append(outcome(0.01, reset=True)), "after: get: ok, connection lost"),
        (lambda siege: siege.outcomes["hostile"].append(outcome(0.0201)), "p99 was 20 ms beside"),
        (lambda siege: siege.use.update(after=Use(2**26 + MAX_GROWTH + 1, 50)), "a worker has 84 MiB afterwards"),
        (lambda siege: siege.use.update(after=Use(2**26, 51 + MAX_FILES)), "a worker has 61 descriptors afterwards"),
        (lambda siege: siege.rounds.update({"silence without end": 1}), "attack silence without end: 1"),
        (lambda siege: setattr(siege, "tracebacks", 1), "1 traceback"),
        (lambda siege: siege.lost.append("1 was stored"), "1 was stored"),
    ],
)
def test_a_promise_that_did_not_hold_is_a_fault(change: "object", fault: str) -> None:
    result = siege()
    assert callable(change)
    change(result)

    [found] = result.faults
    assert found.startswith(fault)
    assert f"fault: {fault}" in as_text(result)
