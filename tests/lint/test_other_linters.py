"""The rules of squawk, eugene and strong_migrations: each is on, has its counterpart, or has a reason."""

from pathlib import Path

from app.lint.rules import RULES, SQUAWK_RULES
from tests.support.other_linters import ON, PAGE, linters, page, squawk_has, squawk_rules, squawk_version
from tests.support.verdicts import judge, verdicts


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.support.other_linters`"


def test_each_rule_of_the_installed_squawk_has_an_answer() -> None:
    squawk = linters()["squawk"]

    assert squawk["version"] == squawk_version(), "read the rules of the new version"
    found = squawk_rules()
    assert len(found) >= 70
    assert found <= squawk["rules"].keys()
    assert squawk_has(*(rule for rule in squawk["rules"] if rule != "syntax-error"))
    assert not squawk_has("no-such-rule")
    assert {rule for rule, answer in squawk["rules"].items() if answer == ON} == SQUAWK_RULES.keys()


def test_each_counterpart_is_one_of_our_rules() -> None:
    answers = [answer for linter in linters().values() for answer in linter["rules"].values()]
    named = {rule for answer in answers if isinstance(answer, list) for rule in answer}

    assert named <= RULES.keys()
    assert all(answer for answer in answers)


def test_a_counterpart_finds_the_example_of_the_other_linter(tmp_path: Path) -> None:
    """Each verdict that names a rule of another linter as its source is found by the counterparts of that rule."""
    cases = [case for case in verdicts() if case.level != "safe" and case.source.split()[0] in linters()]
    wrong = {}
    proved = set()
    for case, found in zip(cases, judge(cases, tmp_path), strict=True):
        linter, _, rule = case.source.partition(" ")
        answer = linters()[linter]["rules"].get(rule)
        wanted = {rule} if answer == ON else {*answer} if isinstance(answer, list) else set()
        if not wanted & {name for _, name, _ in found}:
            wrong[str(case)] = (case.source, answer, found)
        proved.add(case.source)

    assert wrong == {}
    assert len(proved) >= 55
