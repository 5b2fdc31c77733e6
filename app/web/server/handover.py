"""Handover of the socket: the process that answered probes during migrations stops before the service accepts."""

import os
import socket
from contextlib import suppress

STOP_TIMEOUT = 10.0  # seconds for the other process to stop, on a busy machine


def take_over() -> bool:
    """Let it stop, and wait until it accepts no connection any longer. See app/cli/start.py.

    Nothing happens if there is no such process. Until the service accepts, connections wait in the socket. Return
    False if there was such a process and another worker has stopped it.
    """
    if name := os.environ.pop("START_SOCKET", None):
        with socket.socket(socket.AF_UNIX) as told:
            told.settimeout(STOP_TIMEOUT)
            try:
                told.connect(f"\0{name}")
            except OSError:
                return False
            with suppress(OSError):
                told.recv(1)  # the other process closes it
    return True
