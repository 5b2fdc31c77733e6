"""Phases of migrations: expand before a release, background beside it, contract when no old release runs.

`yoyo apply` applies the expand migrations, which are all those without `-- phase:`. Migrations of the other phases wait
for their command, and so do the migrations that depend on them. The service is ready meanwhile. A new database has no
older release: there one `yoyo apply` applies all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from app.program import SCHEMA

Phase = Literal["expand", "background", "contract"]
PHASES: tuple[str, ...] = get_args(Phase)
COMMANDS = {"background": f"{SCHEMA} backfill run", "contract": f"{SCHEMA} contract"}


@dataclass(frozen=True)
class Order:
    """Place of a migration, as its header says."""

    depends: tuple[str, ...] | None = None  # IDs; None: the migration before
    phase: Phase = "expand"


def order_of(directives: Mapping[str, str]) -> Order:
    """Return the place of a migration from its directives. A wrong phase, which is a fault of the file, is expand."""
    depends = directives.get("depends")
    phase = directives.get("phase", "expand")
    given = tuple(depends.split()) if depends is not None else None
    return Order(given, "background" if phase == "background" else "contract" if phase == "contract" else "expand")


def requirements(orders: Mapping[str, Order]) -> dict[str, tuple[str, ...]]:
    """Return the migrations that each migration names, or the one before it, in the order of the IDs."""
    names = sorted(orders)
    before = dict(zip(names, [(), *((name,) for name in names)], strict=False))
    return {name: before[name] if (given := orders[name].depends) is None else given for name in names}


def needed(names: Collection[str], requires: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the migrations, and all those that they need, directly or not."""
    found: set[str] = set()
    left = [*names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += requires.get(name, ())
    return found


def dependents(name: str, requires: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Return the migrations that need this one, directly or not, and the migration itself."""
    found = {name}
    for other in sorted(requires):
        if not found.isdisjoint(requires[other]):
            found.add(other)
    return found


def waiting(orders: Mapping[str, Order], applied: Collection[str]) -> dict[str, str]:
    """Return why each migration waits that is not applied and that `yoyo apply` does not apply, by ID."""
    requires = requirements(orders)
    reasons: dict[str, str] = {}
    for name, order in sorted(orders.items()):
        if name in applied:
            continue
        if before := next((other for other in requires[name] if other in reasons), None):
            reasons[name] = f"waits for {before}"
        elif order.phase != "expand":
            reasons[name] = f"waits for the command: {COMMANDS[order.phase]}"
    return reasons
