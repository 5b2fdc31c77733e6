"""Child process of a command: `images dev`, `images psql` and `images objects keep` run one and end as it does."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_child(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> int:
    """Run a command and return its exit status, as a shell counts it: 128 + N after signal N.

    A SIGTERM is passed on. Ctrl+C reaches the child by itself, because the terminal sends it to both. Raises OSError if
    the command cannot be started.
    """
    early: list[int] = []  # signals that arrive before the child exists
    signal.signal(signal.SIGTERM, lambda number, _: early.append(number))
    process = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    if early:
        process.terminate()
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            continue
        return status if status >= 0 else 128 - status
