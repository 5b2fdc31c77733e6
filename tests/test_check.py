"""What `images schema check` says: of each case of the corpus, of the README's examples, of what is allowed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.migrations.files import NAME
from app.review import check
from app.review.check import KEPT, OFF, CannotCheckError, Finding, findings
from app.review.rules import RULES
from app.settings import ROOT
from tests.conftest import BIN
from tests.corpus import ALBUMS, CASES, LIST, Case

SHIPPED = ROOT / "sql"
LAST = max(path.stem for path in (SHIPPED / "migrations").glob("*.sql") if "rollback" not in path.name)
README = (SHIPPED / "README.md").read_text()


def copy(folder: Path) -> Path:
    """A copy of sql/, for a test to change."""
    shutil.copytree(SHIPPED, folder / "sql")
    return folder / "sql"


def write(sql: Path, name: str, body: str, *, rollback: str | None = None, transactional: bool = True) -> None:
    folder = sql / "migrations"
    last = max(path.stem for path in folder.glob("*.sql") if "rollback" not in path.name)
    header = "" if transactional else "-- transactional: false\n"
    down = "-- irreversible: a case\n" if rollback is None else ""
    (folder / f"{name}.sql").write_text(f"-- A case.\n{header}{down}-- depends: {last}\n\n{body}\n")
    if rollback is not None:
        (folder / f"{name}.rollback.sql").write_text(f"-- Back.\n-- loses: nothing\n{header}\n{rollback}\n")


def write_case(sql: Path, case: Case) -> None:
    if case.before:
        write(sql, "0900_before", case.before)
    write(sql, "0901_case", case.sql, rollback=case.rollback, transactional=case.transactional)
    for name, text in (case.queries or {}).items():
        (sql / "queries" / name).write_text(text)


def judge(folder: Path, case: Case) -> list[Finding]:
    sql = copy(folder)
    write_case(sql, case)
    return [finding for finding in findings(sql) if "0900_" not in finding.path.name]


def one(folder: Path, body: str, **others: object) -> list[Finding]:
    return judge(folder, Case("one", body, **others))  # type: ignore[arg-type]


def test_the_shipped_files_have_no_finding() -> None:
    assert findings() == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_is_judged_without_a_miss_or_a_false_alarm(tmp_path: Path, case: Case) -> None:
    found = judge(tmp_path, case)

    assert {finding.rule for finding in found} == case.finds, "\n".join(map(str, found))
    assert len(found) == len(case.finds), "\n".join(map(str, found))


def test_the_corpus_has_each_rule() -> None:
    covered = set().union(*(case.finds for case in CASES))
    refused = {rule for rule, each in RULES.items() if each.fixed}

    assert RULES.keys() - covered <= refused
    assert len({case.name for case in CASES}) == len(CASES) >= 70
