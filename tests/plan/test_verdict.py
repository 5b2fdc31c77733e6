"""Verdict of a plan: its reasons without a database."""

from dataclasses import replace
from typing import Any

import pytest

from app.plan.live import LockHolder
from app.plan.model import Plan, PlannedLock, PlannedMigration, PlannedStatement
from app.plan.verdict import Reason, duration, verdict_of


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "an unknown time"),
        (0.0099, "less than 10 ms"),
        (0.01, "about 10 ms"),
        (0.25, "about 250 ms"),
        (1.0, "about 1.0 s"),
        (12.0, "about 12 s"),
        (100.0, "about 2 min"),
        (5999.0, "about 100 min"),
        (7200.0, "about 2.0 h"),
    ],
)
def test_a_duration_has_two_digits(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def lock(seconds: float | None, *blocks: str, blockers: list[LockHolder] | None = None) -> PlannedLock:
    return PlannedLock("images", "ACCESS EXCLUSIVE", [*blocks], seconds, blockers or [])


def plan_of(*locks: PlannedLock, **others: Any) -> Plan:
    statement = PlannedStatement(1, "SELECT 1", locks=[*locks], **others)
    return Plan("apply", [PlannedMigration("0001_a", "A", True, statements=[statement])], {}, [], None)


def test_only_requests_that_wait_for_long_are_a_reason() -> None:
    short, long, longer = lock(0.9, "reads", "writes"), lock(1.0, "writes"), lock(30.0, "writes")

    assert verdict_of(plan_of(short, lock(None, "reads"), lock(99.0, "other DDL"))).level == "yes"
    assert verdict_of(plan_of(long)).level == "with care"
    verdict = verdict_of(plan_of(longer, long, short))

    assert verdict.level == "with care"
    assert verdict.reasons == [Reason("with care", "writes of images wait about 30 s for 0001_a")]


def test_what_it_cannot_tell_is_a_reason_for_care() -> None:
    assert verdict_of(plan_of(unknown="cannot tell what it does")).level == "with care"
    assert verdict_of(plan_of(unknown="another reason")).level == "yes"


def test_a_blocker_is_named_once_and_not_if_its_transaction_is_young() -> None:
    old = LockHolder("images", "ACCESS SHARE", True, 1, None, "nightly", "active", 60.0, "")
    young, unknown = replace(old, process=2, seconds=0.5), replace(old, process=3, seconds=None)
    prepared = replace(old, process=None, gid="two", seconds=0.5)
    plan = plan_of(lock(0.1, blockers=[old, young, unknown]), lock(0.1, blockers=[old]), waits_for=[prepared, unknown])

    plan.migrations.append(replace(plan.migrations[0], id="0002_b"))

    verdict = verdict_of(plan)

    assert verdict.level == "not now"
    assert [reason.text for reason in verdict.reasons] == [
        f"0001_a would wait: {blocker}" for blocker in (old, unknown, prepared)
    ]
