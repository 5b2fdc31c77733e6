"""The guides in docs/how-to: each block of commands runs in a fresh database, and prints what the guide shows."""

import re
import subprocess

import psycopg
import pytest

from app.settings import ROOT
from tests.conftest import BIN, environment

# A block of commands, and the output that the guide shows after it, if any.
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```\n(?:\n *```text\n(.*?)^ *```\n)?", re.MULTILINE | re.DOTALL)
PAGES = ("operate/upgrade", "operate/connect-psql", "dba/find-a-slow-query", "operate/rotate-secrets")


def text_of(page: str) -> str:
    return (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")


def shown(output: str) -> re.Pattern[str]:
    """Return a pattern for the output that a guide shows, in which `...` stands for anything."""
    lines = [line.strip() for line in output.strip().splitlines()]
    return re.compile(r"\s*".join("(?s:.*)".join(map(re.escape, map(str.strip, line.split("...")))) for line in lines))


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_a_guide_works_and_prints_what_it_shows(page: str, database: str) -> None:
    blocks = BLOCK.findall(text_of(page))

    assert blocks
    for indent, commands, output in blocks:
        script = re.sub(f"^{indent}", "", commands, flags=re.MULTILINE).replace(".venv/bin/", f"{BIN}/")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=environment(DATABASE_URL=database),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        if output:
            assert shown(output).search(done.stdout + done.stderr), (script, done.stdout, done.stderr)


def test_a_second_login_has_the_rights_of_the_first(database: str, admin: psycopg.Connection) -> None:
    """As the guide to rotate secrets makes it."""
    admin.execute("DROP ROLE IF EXISTS images_app_2")
    statement = re.findall(r"CREATE ROLE images_app_2 .*;", text_of("operate/rotate-secrets"))[0]
    admin.execute(statement.encode())
    try:
        with psycopg.connect(database) as connection:
            connection.execute("SET ROLE images_app_2")
            assert connection.execute("SELECT count(*) FROM images").fetchone() == (0,)
            connection.execute("SELECT * FROM images_find_token(gen_random_uuid())")
    finally:
        admin.execute("DROP ROLE images_app_2")
