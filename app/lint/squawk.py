"""Squawk: run the external linter of PostgreSQL migrations, and keep the findings of the rules that apply here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from app.lint.findings import CannotCheckError, Finding
from app.lint.rules import CARE, SQUAWK_RULES
from app.schema.headers import transactional
from app.text import one_line

SQUAWK = "squawk"
INSTALL = "make .venv/development"


def squawk_findings(paths: list[Path]) -> Iterator[Finding]:
    """Yield squawk's findings for migrations of one folder, by the rules in SQUAWK_RULES.

    Its rules are about style. Leave rollbacks out: they restore an earlier schema. Raises CannotCheckError if squawk is
    not installed or fails.
    """
    scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(SQUAWK, path=scripts)
    if program is None:
        raise CannotCheckError("squawk is not installed.", INSTALL)
    by_mode: dict[bool, list[Path]] = {True: [], False: []}
    for path in paths:
        by_mode[transactional(path)].append(path)
    for in_transaction, files in by_mode.items():
        if not files:
            continue
        command = [program, "--reporter=json", "--pg-version=15.0", f"--config={os.devnull}"]
        command += ["--assume-in-transaction"] if in_transaction else []
        # Squawk takes a path for a pattern. So it runs in the files' folder, and gets only their names.
        folder = files[0].parent
        names = sorted(path.name for path in files)
        done = subprocess.run([*command, *names], cwd=folder, capture_output=True, text=True)
        try:
            reported = json.loads(done.stdout)
        except ValueError:
            raise CannotCheckError(f"squawk failed: {one_line(done.stderr or done.stdout)[:300]}") from None
        for each in reported:
            rule = each["rule_name"]
            if rule in SQUAWK_RULES:
                why = each["message"].rstrip(".")
                yield Finding(folder / each["file"], each["line"] + 1, rule, CARE, why, SQUAWK_RULES[rule])
