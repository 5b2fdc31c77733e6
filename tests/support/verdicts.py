"""Migrations with a DBA's verdict (tests/lint/verdicts.sql), and the verdict of `images schema check` on each.

The cases are checked together: one run of squawk and of the migrator's own checks for all files.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from app.lint import changes, parser
from app.lint.catalog import Catalog
from app.lint.migration_rules import migration_faults
from app.lint.rules import CARE, RULES, UNSAFE
from app.lint.squawk import squawk_findings
from app.lint.state import MigrationState
from app.lint.usage import Use, header_words, use_of
from app.migrations.validation import faults
from app.settings import ROOT

FILE = ROOT / "tests" / "lint" / "verdicts.sql"
SQL = ROOT / "sql"
LEVELS = ["safe", CARE, UNSAFE]


@dataclass(frozen=True, eq=False)
class Verdict:
    """One migration, and what a DBA says about it."""

    level: str
    source: str
    name: str
    sql: str
    before: str  # earlier migrations
    transactional: bool = True
    queries: dict[str, str] = field(default_factory=dict)  # files of the running release, beside the shipped ones

    def __str__(self) -> str:
        return self.name


def verdicts() -> list[Verdict]:
    """Return the cases of the file."""
    sections = re.split(r"^-- (?=(?:unsafe|care|safe) \(|BEFORE )", FILE.read_text(), flags=re.MULTILINE)[1:]
    earlier = {}
    for section in sections:
        if match := re.match(r"BEFORE (\w+)\n(.*)", section, re.DOTALL):
            earlier[match[1]] = match[2]
    found = []
    for section in sections:
        if match := re.match(r"(\w+) \((.+?)\): ([^\n]+)\n((?:-- [^\n]*\n)*)(.*)", section, re.DOTALL):
            level, source, name, header, sql = match.groups()
            before = re.search(r"^-- before: (.*)", header, re.MULTILINE)
            lines = re.findall(r"^-- header (\w+): (.*)", header, re.MULTILINE)
            found.append(
                Verdict(
                    level,
                    source,
                    name,
                    sql.strip(),
                    "\n".join(earlier[each] for each in before[1].split()) if before else "",
                    "-- transactional: false" not in header,
                    {
                        query: "".join(f"-- {line}\n" for own, line in lines if own == query) + text
                        for query, text in re.findall(r"^-- query (\w+): (.*)", header, re.MULTILINE)
                    },
                )
            )
    return found


def judge(cases: list[Verdict], folder: Path) -> list[list[tuple[str, str, str]]]:
    """Return the findings of each case: level, rule and reason. The folder gets a file for each."""
    catalog, uses = shipped()
    found: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    names = [f"{number:04}_case.sql" for number in range(1, len(cases) + 1)]
    for number, (case, name) in enumerate(zip(cases, names, strict=True), 1):
        depends = f"-- depends: {number - 1:04}_case\n" if number > 1 else ""
        mode = "" if case.transactional else "-- transactional: false\n"
        (folder / name).write_text(f"-- A case.\n{mode}-- irreversible: a case\n{depends}\n{case.sql}\n")
        found[name] = list(_own(case, catalog, uses))
    for fault in faults(folder):
        found[fault.path.name].append((UNSAFE, fault.rule, fault.what))
    for finding in squawk_findings([folder / name for name in names]):
        found[finding.path.name].append((CARE, finding.rule, finding.why))
    return [found[name] for name in names]


def worst(findings: list[tuple[str, str, str]]) -> str:
    """Return the highest level of the findings."""
    return max((level for level, *_ in findings), key=LEVELS.index, default="safe")


def _own(case: Verdict, catalog: Catalog, uses: list[Use]) -> list[tuple[str, str, str]]:
    known = catalog.copy()
    for statement in parser.statements(case.before):
        changes.apply(known, statement.node, "0900_before.sql")
    more = [_use(name, text) for name, text in case.queries.items()]
    state = MigrationState("0901_case.sql", known, [*uses, *more], transactional=case.transactional)
    found = migration_faults(state, parser.statements(case.sql))
    return [(each.level or RULES[each.rule].level, each.rule, each.why) for each in found]


@cache
def shipped() -> tuple[Catalog, list[Use]]:
    """Return the schema after the shipped migrations, and what each query uses."""
    catalog = Catalog()
    for path in sorted((SQL / "migrations").glob("*.sql")):
        if "rollback" not in path.name:
            for statement in parser.statements(path.read_text()):
                changes.apply(catalog, statement.node, path.name)
    return catalog, [_use(path.stem, path.read_text()) for path in sorted((SQL / "queries").glob("*.sql"))]


def _use(name: str, text: str) -> Use:
    use = use_of(name, list(parser.statements(text)))
    use.text, use.header = text, header_words(text)
    return use
