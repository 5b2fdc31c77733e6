"""Make system calls in confined processes, each in a process of its own, for tests of app.decoder.sandbox."""

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app.decoder import sandbox
from app.settings import ROOT

Call = tuple[int, ...]  # number and arguments
# Arguments that are known only in the process: ids of processes, and addresses of zeros and of the path of a file.
# The file is a new one for each call: without the sandbox, a call does what it says, perhaps as root.
OWN, PARENT, BUFFER, SCRATCH = -1001, -1002, -1003, -1004


def outcomes(calls: Sequence[Call], *parts: str) -> list[int]:
    """Return for each call 0, its errno, or the number of the signal that ended its process, negative.

    `parts` are names of functions of the sandbox. By default a process enters all of it.
    """
    command = [sys.executable, "-m", "tests.support.confined", json.dumps(calls), *parts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def outcome(call: Call, parts: Sequence[str], scratch: Path) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    zeros, path = ctypes.create_string_buffer(4096), ctypes.create_string_buffer(os.fsencode(scratch))
    addresses = {BUFFER: ctypes.addressof(zeros), SCRATCH: ctypes.addressof(path)}
    meant = {OWN: os.getpid(), PARENT: os.getppid()} | addresses
    arguments = [ctypes.c_long(meant.get(argument, argument)) for argument in call]
    if parts:
        for part in parts:
            getattr(sandbox, part)()
    else:
        worker, decoder = socket.socketpair()
        sandbox.enter(2**32, decoder)
        worker.close()
    failed = sandbox.LIBC.syscall(*arguments) == -1
    os._exit(ctypes.get_errno() if failed else 0)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        for call in json.loads(sys.argv[1]):
            scratch = Path(folder, "scratch")
            scratch.touch()
            print(outcome(call, sys.argv[2:], scratch), flush=True)
