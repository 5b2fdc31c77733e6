"""Fair queue: tenants, such as API tokens, share a number of slots. No tenant takes the slots of all others."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from app.errors import BusyError

Ticket = TypeVar("Ticket")


class Turns(Generic[Ticket]):
    """Order of the tickets that wait for `slots`, of which a tenant holds at most `share`. It does no I/O.

    The next slot goes to the tenant that holds the fewest. Among equals, each tenant has one turn, then the next tenant
    has one. The tickets of one tenant keep their order. So a tenant that holds no slot waits for at most one ticket of
    each other tenant, however many tickets they have.
    """

    def __init__(self, slots: int, share: int) -> None:
        self._slots, self._share = slots, share
        self._waiting: dict[Hashable, deque[Ticket]] = {}  # the tenant whose turn is next comes first
        self._held: Counter[Hashable] = Counter()

    def add(self, tenant: Hashable, ticket: Ticket) -> None:
        """Put a ticket at the end of the queue of its tenant."""
        self._waiting.setdefault(tenant, deque()).append(ticket)

    def remove(self, tenant: Hashable, ticket: Ticket) -> bool:
        """Take a ticket out of the queue. Return False if it is not in the queue."""
        queue = self._waiting.get(tenant)
        if queue is None or ticket not in queue:
            return False
        queue.remove(ticket)
        if not queue:
            del self._waiting[tenant]
        return True

    def start(self) -> tuple[Hashable, Ticket] | None:
        """Give a slot to the next ticket, and return its tenant and the ticket. Return None if no ticket can start."""
        if self._held.total() >= self._slots:
            return None
        tenant = min(self._waiting, key=self._held.__getitem__, default=None)
        if tenant not in self._waiting or self._held[tenant] >= self._share:
            return None
        queue = self._waiting.pop(tenant)
        ticket = queue.popleft()
        if queue:
            self._waiting[tenant] = queue  # behind the others
        self._held[tenant] += 1
        return tenant, ticket

    def finish(self, tenant: Hashable) -> None:
        """Give a slot of the tenant back. It has had its turn: among equals, its other tickets come last."""
        self._held[tenant] -= 1
        if not self._held[tenant]:
            del self._held[tenant]
        if tenant in self._waiting:
            self._waiting[tenant] = self._waiting.pop(tenant)

    def may_hold(self, tenant: Hashable) -> bool:
        """Return whether the tenant holds fewer slots than its share."""
        return self._held[tenant] < self._share


class Slots:
    """A semaphore of asyncio with the order of Turns."""

    def __init__(self, slots: int, share: int | None = None) -> None:
        """Make the slots. Without `share`, a tenant may hold all of them while no other tenant waits."""
        self._turns: Turns[asyncio.Future[None]] = Turns(slots, share or slots)

    @asynccontextmanager
    async def slot(self, tenant: Hashable, deadline: float) -> AsyncIterator[None]:
        """Hold a slot. If no slot is free before `deadline`, of the event loop's time, raise BusyError."""
        await self._acquire(tenant, deadline)
        try:
            yield
        finally:
            self._release(tenant)

    def may_hold(self, tenant: Hashable) -> bool:
        """Return whether the tenant holds fewer slots than its share."""
        return self._turns.may_hold(tenant)

    async def _acquire(self, tenant: Hashable, deadline: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.add(tenant, turn)
        self._advance()
        if turn.done():
            return
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as error:
            if not self._turns.remove(tenant, turn) and not turn.cancelled():  # the slot came at the same time
                self._release(tenant)
            if isinstance(error, TimeoutError):
                raise BusyError from None
            raise

    def _release(self, tenant: Hashable) -> None:
        self._turns.finish(tenant)
        self._advance()

    def _advance(self) -> None:
        while (started := self._turns.start()) is not None:
            tenant, turn = started
            if turn.done():  # its caller is canceled, but has not run yet
                self._turns.finish(tenant)
            else:
                turn.set_result(None)
