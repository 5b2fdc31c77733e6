"""Development server: `images dev`, which `make run` calls, starts PostgreSQL and runs the entrypoint."""

import os
import sys
from pathlib import Path

from app.cli.child_process import run_child
from app.cli.output import note
from app.embedded_postgres import connectable
from app.settings import ROOT, read_settings


def dev() -> int:
    """Run the entrypoint as a container does, and return its exit status.

    The embedded server runs until the service has ended.
    """
    settings = read_settings()
    url = settings.database_url.get_secret_value()
    if url.startswith("embedded:"):
        note(f"Starting PostgreSQL in {url.removeprefix('embedded:')}. The first start creates it.")
    connectable(settings.database_url)
    note("PostgreSQL runs. The migrations follow, then the service. Ctrl+C stops all of it, and the data stays.")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return run_child([ROOT / "entrypoint.sh"], os.environ | {"PATH": path})
