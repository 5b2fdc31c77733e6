"""app.cli.dev: to be described."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from app.embedded_postgres import connectable
from app.settings import ROOT, read_settings


def dev() -> int:
    """Run the entrypoint, as a container would, and keep the embedded server until it has ended."""
    connectable(read_settings().database_url)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with subprocess.Popen([ROOT / "entrypoint.sh"], env=environment) as service:
        # Ctrl-C reaches the service as it reaches us; a SIGTERM to us alone is passed on.
        signal.signal(signal.SIGTERM, lambda *_: service.terminate())
        while True:
            try:
                status = service.wait()
                return status if status >= 0 else 128 - status  # ended by a signal, as a shell says it
            except KeyboardInterrupt:
                continue
