"""The GitHub Action (action.yml) and the hook of pre-commit (.pre-commit-hooks.yaml), without their installation."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import ROOT
from tests.conftest import BIN

LIBRARY = ROOT / "tests" / "project" / "library"
BAD = "-- Index titles.\n-- depends: 0003_fill_books_title_key\n\nCREATE INDEX books_title_idx ON books (title);\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return the top folder of a repository with a project in a folder."""
    shutil.copytree(LIBRARY, tmp_path / "services" / "shop")
    return tmp_path


def add_bad_migration(repository: Path) -> None:
    migrations = repository / "services" / "shop" / "sql" / "migrations"
    (migrations / "0004_index_books_title.sql").write_text(BAD)
    (migrations / "0004_index_books_title.rollback.sql").write_text("DROP INDEX books_title_idx;\n")


def action() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return read


def run_action(repository: Path) -> tuple[int, str, str]:
    """Run the step `check` as GitHub does. Return its status, its output, and the path in its output `sarif`."""
    [step] = [each for each in action()["runs"]["steps"] if each.get("id") == "check"]
    temporary = repository / "temporary"
    scripts = temporary / "schema-check" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "images").symlink_to(BIN / "images")
    environment = os.environ | {
        "RUNNER_TEMP": str(temporary),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "PROJECT": "services/shop",
    }
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]  # as `shell: bash` of GitHub
    done = subprocess.run(bash, cwd=repository, env=environment, capture_output=True, text=True)
    outputs = dict(line.split("=", 1) for line in (temporary / "output").read_text().splitlines())
    return done.returncode, done.stdout, outputs["sarif"]


def test_the_action_fails_and_shows_the_lines_of_the_repository(repository: Path) -> None:
    add_bad_migration(repository)

    status, output, sarif = run_action(repository)

    assert (status, "blocking-index (unsafe)" in output) == (1, True)
    results = json.loads(Path(sarif).read_text())["runs"][0]["results"]
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert places == {f"services/shop/sql/migrations/0004_index_books_title{end}.sql" for end in ("", ".rollback")}


def test_the_action_passes_without_findings(repository: Path) -> None:
    status, output, sarif = run_action(repository)

    assert (status, output) == (0, "no findings\n")
    assert json.loads(Path(sarif).read_text())["runs"][0]["results"] == []


def test_the_files_that_the_action_installs_are_there_and_have_the_check() -> None:
    [step] = [each for each in action()["runs"]["steps"] if "--require-hashes" in each.get("run", "")]
    words = shlex.split(step["run"], comments=True)
    files = [words[i + 1] for i, word in enumerate(words) if word == "--requirement"]

    locked = "".join((ROOT / file).read_text() for file in files)

    assert all(f"\n{name}==" in f"\n{locked}" for name in ("squawk-cli", "pglast", "click", "flit-core"))


def test_the_hook_runs_the_check(repository: Path) -> None:
    add_bad_migration(repository)
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    command = [*shlex.split(hook["entry"]), "--project", "services/shop", *hook["args"]]

    done = subprocess.run([BIN / command[0], *command[1:]], cwd=repository, capture_output=True, text=True)

    assert (done.returncode, "blocking-index (unsafe)" in done.stdout) == (1, True), done.stderr
    [squawk] = hook["additional_dependencies"]
    assert squawk in (ROOT / "requirements" / "lint.txt").read_text()
