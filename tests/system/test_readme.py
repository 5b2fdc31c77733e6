"""The README's words, tried."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import NAMES, ROOT
from tests.cli.test_entrypoint import free_port, ready, service
from tests.conftest import environment
from tests.migrations.test_backend import wait_until

README = (ROOT / "README.md").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the session to paste is curl's")
def test_the_session_to_paste_works_as_it_stands(database: str, tmp_path: Path) -> None:
    section = README.partition("## For API clients")[2]
    (session,) = re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    port = free_port()
    session = session.replace(":8000", f":{port}").replace(".venv/bin/images", "images")
    folder, temporary = tmp_path / "project", tmp_path / "temporary"
    for each in (folder, temporary):
        each.mkdir()
    with service(database, port, tmp_path / "objects", AUTH="token"):
        wait_until(lambda: ready(port))
        done = subprocess.run(
            ["sh", "-euc", f"{session}\npwd"],
            cwd=folder,
            env=environment(DATABASE_URL=database, TMPDIR=str(temporary)),
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert (list(folder.iterdir()), list(temporary.iterdir())) == ([], [])
    assert done.stdout.endswith(f"\n{folder}\n")  # the shell is in the project's folder again
    assert re.findall(r"HTTP/1.1 (\d+)", done.stdout) == ["201", "200", "200", "206", "204"]
    assert '"title":"Rectangle"' in done.stdout
    assert re.search(r'"attributes":\s*{"sensor":\s*{}}', done.stdout)
    assert '"type":"/problems/version-conflict"' in done.stdout
    assert '"width":64,"height":48' in done.stdout


def test_the_table_of_settings_is_whole() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \|", README.partition("### Settings")[2], re.MULTILINE)

    named = re.findall(r"[A-Z_]+", " ".join(rows))
    assert sorted(named) == sorted(NAMES)
