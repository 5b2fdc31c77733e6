"""Development server: `images dev`, which `make run` calls, starts PostgreSQL and runs the entrypoint."""

import os
import sys
from pathlib import Path

from app.cli.child import run_child
from app.embedded_postgres import connectable
from app.settings import ROOT, read_settings


def dev() -> int:
    """Run the entrypoint as a container does, and return its exit status.

    The embedded server runs until the service has ended.
    """
    connectable(read_settings().database_url)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return run_child([ROOT / "entrypoint.sh"], os.environ | {"PATH": path})
