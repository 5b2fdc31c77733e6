"""Rules of other linters: `python -m tests.support.other_linters` writes docs/reference/other-linters.md.

tests/lint/other_linters.toml has the rules, and which of ours have each of them.
"""

import re
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.settings import ROOT
from tests.conftest import BIN

FILE = ROOT / "tests" / "lint" / "other_linters.toml"
PAGE = ROOT / "docs" / "reference" / "other-linters.md"
ON = "on"
# The first words of squawk's rules. Its program contains their names one after another.
FIRST = "adding|ban|changing|constraint|disallowed|identifier|prefer|renaming|require|transaction"
TITLE = """# Rules of other linters

`images schema check` runs squawk with the rules that are "on" below. Each other rule has its counterpart among
[our rules](lint-rules.md), or a reason why it has none. Our rules know the schema that the earlier files
make, and the queries of the running release.

`python -m tests.support.other_linters` writes this page from `tests/lint/other_linters.toml`.
"""


def linters() -> dict[str, Any]:
    """Return the linters by name: each has a version, a link and its rules."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def page() -> str:
    """Return the text of the page."""
    parts = [TITLE]
    for name, linter in linters().items():
        parts.append(f"\n## [{name}]({linter['link']}) {linter['version']}\n\n| rule | here |\n|---|---|\n")
        parts += [f"| {rule} | {_cell(answer)} |\n" for rule, answer in linter["rules"].items()]
    return "".join(parts)


def _cell(answer: str | list[str]) -> str:
    if isinstance(answer, list):
        return ", ".join(f"[{rule}](lint-rules.md#{rule})" for rule in answer)
    return answer if answer == ON else f"not held: {answer}"


def squawk_version() -> str:
    """Return the version of the installed squawk."""
    done = subprocess.run([BIN / "squawk", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def squawk_has(*rules: str) -> bool:
    """Return whether squawk knows all of these rules: it rejects a name that it does not know."""
    command = [str(BIN / "squawk"), "--exclude", ",".join(rules), "-"]
    return "invalid rule name" not in subprocess.run(command, capture_output=True, text=True, input="SELECT 1;").stderr


def squawk_rules() -> set[str]:
    """Return the names of rules in the program of squawk, as far as they stand there in full."""
    program = Path(shutil.which("squawk", path=str(BIN)) or "").read_bytes()
    runs = re.findall(rf"(?:{FIRST})-[a-z-]+".encode(), program)
    split = rf"(?:{FIRST})(?:-[a-z]+?)+?(?=(?:{FIRST})-|$)"
    names = sorted({name for run in runs for name in re.findall(split, run.decode())})
    with ThreadPoolExecutor(2) as threads:
        return {name for name, has in zip(names, threads.map(squawk_has, names), strict=True) if has}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
