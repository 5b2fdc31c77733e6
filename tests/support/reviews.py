"""Reviews in tests: the rows of a table, the reasons of a verdict, and the command."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from app.review.report import Part
from tests.conftest import BIN, environment

ROWS = 2_000  # in each table

Try = Callable[..., Part]


def reasons(part: Part) -> str:
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.apply.measured)


def rollback_reasons(part: Part) -> str:
    assert part.rollback
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.rollback.measured)


def run_review(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [BIN / "images", "schema", "review", *arguments]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=120)
