"""SARIF: the findings of `schema check` in the format that code hosts show beside the lines of a pull request.

The format is SARIF 2.1.0 of OASIS. A path is relative to the project, whose folder is the base SRCROOT.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from app.lint.findings import Finding
from app.lint.rules import RULES, UNSAFE

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


def _rules(findings: Sequence[Finding]) -> Iterable[dict[str, Any]]:
    for rule, finding in sorted({each.rule: each for each in findings}.items()):
        hint = RULES[rule].hint if rule in RULES else ""
        yield {"id": rule, "shortDescription": {"text": hint or finding.instead}, "help": {"text": finding.link}}


def _result(finding: Finding) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": finding.place, "uriBaseId": "SRCROOT"},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "level": "error" if finding.level == UNSAFE else "warning",
        "message": {"text": f"{finding.why}. {finding.instead[:1].upper()}{finding.instead[1:]}"},
        "locations": [{"physicalLocation": place}],
    }
