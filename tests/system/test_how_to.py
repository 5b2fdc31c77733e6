"""The README and the guides in docs/: each block of commands runs, and prints what the page shows after it."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.embedded_postgres import Server
from app.settings import ROOT
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import BIN, VERSION, environment
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.data_folders import start_copy
from tests.support.pictures import picture
from tests.support.serving import serving

# A block of commands, and the output that the page shows after it, if any.
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```\n(?:\n *```text\n(.*?)^ *```\n)?", re.MULTILINE | re.DOTALL)
COMMANDS = (  # of the docs/how-to
    "operate/upgrade",
    "operate/connect-psql",
    "operate/rotate-secrets",
    "operate/manage-tokens",
    "operate/migrate",
    "dba/find-a-slow-query",
    "dba/fix-drift",
    "dba/backfill",
    "dba/review-a-change",
    "dba/upgrade-the-operating-system",
)
REQUESTS = (  # in this order: each continues the one before
    "upload-images",
    "search-and-page",
    "tags-months-and-totals",
    "edit-without-conflicts",
    "get-bytes-and-thumbnails",
    "export-and-import",
    "errors-and-retries",
)
SHELL = re.compile(r"[|>$\\]|psql")  # a command with one of these needs a shell
NEEDS_A_SYSTEM = re.compile(r"\b(systemctl|kubectl) ")  # systemd, or a cluster: tests have neither
MARK = "\x1e"  # between the outputs of two blocks


def text_of(page: str) -> str:
    return (ROOT / "docs" / "how-to" / f"{page}.md").read_text(encoding="utf-8")


def tutorial(page: str) -> str:
    return (ROOT / "docs" / "tutorials" / f"{page}.md").read_text(encoding="utf-8")


def shown(output: str) -> re.Pattern[str]:
    """Return a pattern for the output that a guide shows, in which `...` stands for anything."""
    lines = [line.strip() for line in output.strip().splitlines()]
    return re.compile(r"\s*".join("(?s:.*)".join(map(re.escape, map(str.strip, line.split("...")))) for line in lines))


def run(texts: list[str], folder: Path, port: int = 8000, **variables: str) -> None:
    """Run the blocks of pages in one shell. Assert that each succeeds and prints the output after it."""
    found = [block for text in texts for block in BLOCK.findall(text)]
    blocks = [block for block in found if not NEEDS_A_SYSTEM.search(block[1])]
    assert blocks
    script = ""
    for indent, commands, _ in blocks:
        script += re.sub(f"^{indent}", "", commands, flags=re.MULTILINE) + f"printf '{MARK}'\n"
    script = (
        script.replace(".venv/bin/", f"{BIN}/")
        .replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        .replace("PORT=8000", f"PORT={port}")
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    outputs = done.stdout.split(MARK)
    assert done.returncode == 0, (blocks[len(outputs) - 1][1], outputs[-1])
    for (_, commands, output), printed in zip(blocks, outputs, strict=False):
        assert not output or shown(output).search(printed), (commands, printed)


def run_forked(text: str, url: str) -> None:
    """Do the same in the project's folder, with each command in a fork, which takes a tenth of the CPU."""
    for block in BLOCK.finditer(text):
        indent, commands, output = block.groups()
        parsed = parse(re.sub(f"^{indent}", "", commands, flags=re.MULTILINE))
        if not parsed:
            run([block[0]], ROOT, DATABASE_URL=url)
            continue
        printed = ""
        for arguments in parsed:
            done = forked.run(environment(DATABASE_URL=url), *arguments)
            printed += done.stdout + done.stderr
            assert done.returncode == 0, (arguments, printed)
        assert not output or shown(output).search(printed), (commands, printed)


def parse(commands: str) -> list[list[str]]:
    """Return the arguments of each command. Return an empty list if they need a shell, or another program."""
    lines = [shlex.split(line, comments=True) for line in commands.splitlines()] if not SHELL.search(commands) else []
    if any(program not in {".venv/bin/images", ".venv/bin/yoyo"} for program, *_ in lines):
        return []
    return [[Path(program).name, *arguments] for program, *arguments in lines]


@pytest.mark.parametrize("page", COMMANDS)
def test_each_command_of_a_guide_works_and_prints_what_it_shows(page: str, database: str) -> None:
    run_forked(text_of(page), database)


def test_each_command_for_files_and_objects_works(database: str, tmp_path: Path) -> None:
    """The home folder has the photos that the page imports."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(picture("PNG", (9, 7)))
    pages = [text_of("operate/import-and-export-files"), text_of("operate/check-the-object-store")]

    run(pages, tmp_path, DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path / 'objects'}", HOME=f"{tmp_path}")

    [image] = (tmp_path / "holiday.ndjson").read_text().splitlines()
    assert '"tags":["holiday"]' in image


@pytest.mark.skipif(shutil.which("curl") is None, reason="the requests are curl's")
def test_each_request_of_the_readme_and_the_guides_works_and_gets_what_they_show(database: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(database, port, tmp_path / "objects"):
        wait_until(lambda: ready(port))
        run([(ROOT / "README.md").read_text()], tmp_path, port)
        api = f"http://127.0.0.1:{port}/v1/images"
        for image in httpx.get(api).json()["images"]:
            httpx.delete(f"{api}/{image['id']}").raise_for_status()
        run([text_of(f"api/{page}") for page in REQUESTS], tmp_path, port, DATABASE_URL=database)
        for image in httpx.get(api).json()["images"]:
            httpx.delete(f"{api}/{image['id']}").raise_for_status()
        run([tutorial("first-images")], tmp_path, port)


def test_each_step_of_the_first_migration_works_and_prints_what_it_shows(database: str, tmp_path: Path) -> None:
    """In a copy of the project's SQL, because the tutorial writes a migration."""
    shutil.copytree(ROOT / "sql", tmp_path / "sql")
    for name in ("yoyo.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    run([tutorial("first-migration")], tmp_path, DATABASE_URL=database)


def test_each_step_of_the_first_deployment_works_and_prints_what_it_shows(memory: Path) -> None:
    """On a server of its own, because roles belong to the cluster."""
    server = Server(memory / "deployment" / "data", VERSION, "-c fsync=off -c max_connections=30")
    start_copy(server)
    try:
        address = conninfo_to_dict(server.url())
        names = {"PGHOST": str(address["host"]), "PGUSER": str(address["user"])}
        run([tutorial("first-deployment")], ROOT, free_port(), **names)
    finally:
        server.release()


@pytest.mark.parametrize(
    ("output", "printed", "fits"),
    [("a\nb", "x\na\n  b\ny", True), ('{"id":"...","x":1}', '{"id":"7","x":1}', True), ("200", "404", False)],
)
def test_an_output_is_compared_with_that_of_the_page(output: str, printed: str, fits: bool) -> None:
    assert bool(shown(output).search(printed)) == fits


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
