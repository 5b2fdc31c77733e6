import asyncio

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import BusyError
from app.fair_slots import Slots, Turns
from tests.support.properties import given, st

TENANTS = st.sampled_from("abcd")
SOON = 0.02  # seconds


class Queue(RuleBasedStateMachine):
    """Turns against a plain model: which tickets wait, in which order they came, and who holds slots."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: Turns[int] = Turns(3, 2)
        self.waiting: list[tuple[str, int]] = []
        self.held: list[str] = []
        self.next = 0
        self.passed: dict[str, list[str]] = {}  # tenants without a slot: whose tickets have started before theirs

    @rule(tenant=TENANTS)
    def add(self, tenant: str) -> None:
        if tenant not in self.tenants() and tenant not in self.held:
            self.passed[tenant] = []
        self.turns.add(tenant, self.next)
        self.waiting.append((tenant, self.next))
        self.next += 1

    @rule()
    def start(self) -> None:
        started = self.turns.start()
        eligible = [tenant for tenant in self.tenants() if self.held.count(tenant) < 2]
        if started is None:
            assert len(self.held) == 3 or not eligible
            return
        tenant, ticket = started
        assert len(self.held) < 3
        assert tenant in eligible
        assert self.held.count(str(tenant)) == min(self.held.count(each) for each in eligible)
        assert ticket == min(number for each, number in self.waiting if each == tenant)
        self.waiting.remove((str(tenant), ticket))
        self.held.append(str(tenant))
        self.passed.pop(str(tenant), None)
        for others in self.passed.values():
            others.append(str(tenant))
            assert len(others) == len(set(others))  # one ticket of each other tenant, at most

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        tenant = data.draw(st.sampled_from(self.held))
        self.held.remove(tenant)
        self.turns.finish(tenant)
        if tenant not in self.held and tenant in self.tenants():
            self.passed[tenant] = []

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        tenant, ticket = data.draw(st.sampled_from([*self.waiting, ("a", -1)]))
        assert self.turns.remove(tenant, ticket) == ((tenant, ticket) in self.waiting)
        if ticket >= 0:
            self.waiting.remove((tenant, ticket))
        if tenant not in self.tenants():
            self.passed.pop(tenant, None)

    @invariant()
    def nothing_is_kept(self) -> None:
        assert set(self.turns._waiting) == self.tenants()
        assert set(self.turns._held) == set(self.held)

    def tenants(self) -> set[str]:
        return {tenant for tenant, _ in self.waiting}


TestQueue = Queue.TestCase


def soon() -> float:
    return asyncio.get_running_loop().time() + SOON


async def test_a_caller_that_waits_too_long_gets_an_error_and_leaves_the_queue() -> None:
    slots = Slots(1)
    async with slots.slot("a", soon()):
        with pytest.raises(BusyError):
            async with slots.slot("b", soon()):
                pytest.fail("no slot is free")
    async with slots.slot("c", soon()):
        pass


async def test_a_caller_that_waits_gets_the_slot_that_is_released() -> None:
    slots, order = Slots(1), list[str]()

    async def hold(tenant: str) -> None:
        async with slots.slot(tenant, asyncio.get_running_loop().time() + 20):
            order.append(tenant)
            await asyncio.sleep(0)

    await asyncio.gather(*(hold(tenant) for tenant in "aaabbc"))

    assert order == ["a", "b", "c", "a", "b", "a"]


async def test_a_deadline_that_has_passed_does_not_hinder_a_free_slot() -> None:
    async with Slots(1).slot("a", 0):
        pass


@given(st.data())
def test_slots_survive_any_order_of_releases_and_cancellations(data: st.DataObject) -> None:
    """Cancel callers that wait, callers that hold a slot, and callers that get one in the same moment."""

    async def scenario() -> None:
        slots, held = Slots(2, share=1), []

        async def hold(tenant: str) -> None:
            async with slots.slot(tenant, asyncio.get_running_loop().time() + 60):
                held.append(tenant)
                assert len(held) <= 2
                assert len(set(held)) == len(held)
                try:
                    await asyncio.Event().wait()
                finally:
                    held.remove(tenant)

        tasks = [asyncio.create_task(hold(tenant)) for tenant in data.draw(st.lists(TENANTS, min_size=1, max_size=8))]
        while tasks:
            for _ in range(data.draw(st.integers(0, 3))):
                await asyncio.sleep(0)
            tasks.pop(data.draw(st.integers(0, len(tasks) - 1))).cancel()
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)
        assert not held
        assert not slots._turns._waiting
        assert not slots._turns._held

    asyncio.run(scenario())
