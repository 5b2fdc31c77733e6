"""Schemathesis tests a running service against its OpenAPI document."""

import re
import subprocess
from pathlib import Path

from app.settings import ROOT
from tests.cli.test_entrypoint import free_port, ready
from tests.conftest import BIN, environment
from tests.migrations.test_backend import wait_until
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.serving import serving
from tests.web.test_tokens import images

EXAMPLES = 15 if EXHAUSTIVE else 3  # for each operation and kind of request


def test_the_service_does_what_its_document_says(database: str, tmp_path: Path) -> None:
    port, token = free_port(), images(database, "create", "schemathesis", "--scope", "admin").stdout.strip()
    with serving(database, port, tmp_path / "objects", AUTH="token"):
        wait_until(lambda: ready(port))
        done = subprocess.run(
            [
                *(BIN / "schemathesis", "--config-file", ROOT / "tests" / "schemathesis.toml"),
                *("run", f"http://127.0.0.1:{port}/openapi.json", "--header", f"Authorization: Bearer {token}"),
                *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--continue-on-failure", "--no-color"),
            ],
            cwd=tmp_path,
            env=environment(SCHEMATHESIS_HOOKS="tests.support.schemathesis_hooks", PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )

    assert done.returncode == 0, done.stdout
    assert re.search(r"\b(\d{3,}) generated, \1 passed", done.stdout), done.stdout
