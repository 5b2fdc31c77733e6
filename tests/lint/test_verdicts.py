"""`images schema check` compared with a DBA: the verdicts of tests/lint/verdicts.sql."""

from collections import Counter
from pathlib import Path

from app.lint.rules import RULES, SQUAWK_RULES
from tests.support.verdicts import judge, verdicts, worst


def test_the_check_agrees_with_the_dba(tmp_path: Path) -> None:
    cases = verdicts()

    judged = dict(zip(cases, judge(cases, tmp_path), strict=True))

    wrong = {
        str(case): (case.level, worst(found), [f"{rule}: {why}" for _, rule, why in found])
        for case, found in judged.items()
        if worst(found) != case.level
    }
    assert wrong == {}
    assert all(rule in RULES.keys() | SQUAWK_RULES.keys() for found in judged.values() for _, rule, _ in found)


def test_there_are_enough_cases_of_each_verdict() -> None:
    cases = verdicts()
    levels = Counter(case.level for case in cases)

    assert len({case.name for case in cases}) == len(cases)
    assert min(levels.values()) >= 30
    assert len({case.source.split()[0] for case in cases}) >= 7
