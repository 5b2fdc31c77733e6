"""app.lint.squawk: to be described."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.schema.headers import transactional
from app.text import one_line

if TYPE_CHECKING:  # the import of pglast takes 50 ms
    pass
from app.lint.findings import CannotCheckError, Finding
from app.lint.rules import KEPT

SQUAWK = "squawk"


def _squawk(paths: list[Path]) -> Iterator[Finding]:
    """What squawk says by its rules in KEPT. They are of style: no rollbacks, which go back to what there was."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(SQUAWK, path=beside)
    if program is None:
        raise CannotCheckError("squawk is not installed: run `make .venv/development`")
    modes: dict[bool, list[str]] = {True: [], False: []}
    for path in paths:
        modes[transactional(path)].append(path.name)
    for wrapped, names in modes.items():
        if not names:
            continue
        command = [program, "--reporter=json", "--pg-version=15.0", f"--config={os.devnull}"]
        command += ["--assume-in-transaction"] if wrapped else []
        # In the files' own folder, by their names: a path could hold what squawk takes for a pattern.
        done = subprocess.run([*command, *sorted(names)], cwd=paths[0].parent, capture_output=True, text=True)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            raise CannotCheckError(f"squawk failed: {one_line(done.stderr or done.stdout)[:300]}") from None
        for each in told:
            path, rule = paths[0].parent / each["file"], each["rule_name"]
            if rule in KEPT:
                yield Finding(path, each["line"] + 1, rule, "care", each["message"].rstrip("."), KEPT[rule])
