"""`images schema check` compared with a DBA: the verdicts of tests/lint/verdicts.sql."""

from collections import Counter

import pytest

from app.lint.rules import RULES, SQUAWK_RULES
from tests.support.corpus import CASES
from tests.support.verdicts import Verdict, judge, verdicts, worst

Judged = dict[Verdict, list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Return the findings of each case."""
    cases = verdicts()
    return dict(zip(cases, judge(cases, tmp_path_factory.mktemp("verdicts")), strict=True))


def test_the_check_agrees_with_the_dba(judged: Judged) -> None:
    wrong = {
        str(case): (case.level, worst(found), [f"{rule}: {why}" for _, rule, why in found])
        for case, found in judged.items()
        if worst(found) != case.level
    }
    assert wrong == {}
    assert all(rule in RULES.keys() | SQUAWK_RULES.keys() for found in judged.values() for _, rule, _ in found)


def test_the_corpus_has_each_rule(judged: Judged) -> None:
    covered = set().union(*(case.finds for case in CASES))
    rejected = {rule for rule, each in RULES.items() if not each.can_be_allowed}

    covered |= {rule for found in judged.values() for _, rule, _ in found}

    covered |= {"rollback-incomplete", "rollback-loses"}  # tests/lint/test_rollback_rules.py has their cases

    assert RULES.keys() - covered <= rejected
    assert len({case.name for case in CASES}) == len(CASES) >= 70


def test_there_are_enough_cases_of_each_verdict() -> None:
    cases = verdicts()
    levels = Counter(case.level for case in cases)

    assert len({case.name for case in cases}) == len(cases)
    assert min(levels.values()) >= 30
    assert len({case.source.split()[0] for case in cases}) >= 7
