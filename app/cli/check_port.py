"""Port of the service: check, before the start, that uvicorn will be able to listen on it."""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from app.errors import CommandError, UsageError
from app.settings import ServerSettings
from app.text import printable

MAX_SOCKET = 107  # bytes of a path of a Unix socket


def check_port(server: ServerSettings) -> None:
    """Raise CommandError if another program listens on UVICORN_PORT, or UsageError if the address cannot be used."""
    if path := os.environ.get("UVICORN_UDS"):
        _check_socket(Path(path))
        return
    if os.environ.get("UVICORN_FD"):
        return  # the socket is open already
    host, port = server.uvicorn_host, server.uvicorn_port
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"UVICORN_HOST: the host name {printable(host)} was not found.", "example: 127.0.0.1"
        ) from None
    for family, kind, protocol, _, address in addresses:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as uvicorn does
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as asyncio does
                probe.bind(address)
        except OSError as error:
            _raise(error, host, port)


def _check_socket(path: Path) -> None:
    """Raise UsageError if uvicorn cannot listen on this Unix socket, or would remove a file that has its name."""
    shown = printable(str(path))
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(path.lstat().st_mode):
                raise UsageError(f"UVICORN_UDS: {shown} is not a socket.", "choose a name that no file has")
        if not path.absolute().parent.is_dir():
            raise UsageError(f"UVICORN_UDS: the folder of {shown} does not exist.", "create it")
    except OSError as error:
        raise UsageError(f"UVICORN_UDS: {shown}: {error.strerror}.", "choose a shorter name") from None
    if len(os.fsencode(path)) > MAX_SOCKET:
        raise UsageError(f"UVICORN_UDS: the name has more than {MAX_SOCKET} bytes.", "choose a shorter name")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise UsageError(f"UVICORN_UDS: this user may not create {shown}.", "give the folder to this user")


def _raise(error: OSError, host: str, port: int) -> None:
    match error.errno:
        case errno.EADDRINUSE:
            raise CommandError(
                f"port {port} on {host} is in use.", "choose another port, for example: UVICORN_PORT=8001"
            )
        case errno.EADDRNOTAVAIL:
            raise UsageError(f"UVICORN_HOST: {host} is not an address of this machine.", "example: 127.0.0.1")
        case errno.EINVAL:  # such as ::ffff:127.0.0.1
            raise UsageError(f"UVICORN_HOST: a server cannot listen on {printable(host)}.", "example: 127.0.0.1")
        case errno.EACCES:
            raise UsageError(f"UVICORN_PORT: this user may not listen on port {port}.", "choose a port above 1023")
        case _:
            return  # such as a machine without IPv6: uvicorn decides
