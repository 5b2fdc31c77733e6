"""Handover of the socket: tell the process that answered probes during migrations that the service is there."""

import os
import socket
from contextlib import suppress


def take_over() -> None:
    """Tell it to stop, once. Nothing happens if there is no such process: see app/cli/start.py."""
    if name := os.environ.pop("START_SOCKET", None):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.setblocking(False)
            teller.sendto(b"started", f"\0{name}")
