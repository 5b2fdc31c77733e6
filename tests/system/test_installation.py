"""Installation: a user who only reads it finds the bytecode of all modules, and compiles none at each start."""

import subprocess

from app.settings import ROOT


def test_make_compiles_the_packages_and_the_program() -> None:
    made = subprocess.run(
        ["make", "--dry-run", "--print-data-base", "VENV=.venv-none", ".venv-none/service"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "UV_COMPILE_BYTECODE = 1" in made.stdout  # as pip does without being asked
    assert "\npython -m compileall -q app\n" in made.stdout
    assert "app/entry.py" in made.stdout.partition("\n.venv-none/service:")[2].partition("\n")[0]
