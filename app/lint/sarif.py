"""SARIF: the findings of `schema check` in the format that code hosts show beside the lines of a pull request.

The format is SARIF 2.1.0 of OASIS. A path is relative to the base SRCROOT. This is the current folder if the project is
in it, as in the top folder of a repository. Otherwise, it is the folder of the project.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.lint.findings import Finding
from app.lint.rules import RULES, UNSAFE
from app.project import current

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return one run with a result for each finding: "error" if it is unsafe, and "warning" if it needs care."""
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "schema check", "rules": list(_rules(findings))}},
                "results": [_result(each) for each in findings],
            }
        ],
    }


def _uri(path: Path) -> str:
    here, folder = Path.cwd(), current().folder
    base = here if folder.is_relative_to(here) else folder
    return quote((path.relative_to(base) if path.is_relative_to(base) else path).as_posix())


def _rules(findings: Sequence[Finding]) -> Iterable[dict[str, Any]]:
    for rule, finding in sorted({each.rule: each for each in findings}.items()):
        hint = RULES[rule].hint if rule in RULES else ""
        yield {"id": rule, "shortDescription": {"text": hint or finding.instead}, "help": {"text": finding.link}}


def _result(finding: Finding) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": _uri(finding.path.absolute()), "uriBaseId": "SRCROOT"},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "level": "error" if finding.level == UNSAFE else "warning",
        "message": {"text": f"{finding.why}. {finding.instead[:1].upper()}{finding.instead[1:]}"},
        "locations": [{"physicalLocation": place}],
    }
