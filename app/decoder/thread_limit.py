"""Limit of the threads of a decoder: before one starts, the kernel asks the worker (a notification of seccomp).

The worker answers only while it waits for the decoder. So the threads of an idle decoder start none.
"""

import os
import select
import socket
import struct
import time
from fcntl import ioctl
from typing import Self

# From linux/seccomp.h.
SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND = 0xC050_2100, 0xC018_2101
SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1  # flag
NOTIFICATION = struct.Struct("=QII64x")  # struct seccomp_notif: id, process, flags, and the call
RESPONSE = struct.Struct("=QqiI")  # struct seccomp_notif_resp: id, value, error, flags

MAX_THREADS = 64 + 8 * (os.cpu_count() or 1)  # of a decoder at the same time. On two cores, it was seen to have 7
MAX_STARTS = 20 * MAX_THREADS  # during one job. The worker needs 70 microseconds of CPU for each.
MAX_WAIT = 60.0  # seconds of one call of poll(), which cannot take all that a float can


class TooManyThreadsError(Exception):
    """The decoder has too many threads, or starts them too often."""


class ThreadLimit:
    """The worker's end. Without a listener, because the kernel has none, there is no limit."""

    def __init__(self, worker: socket.socket, decoder: int, seconds: float) -> None:
        """Receive the listener. `decoder` is the process ID. Raises OSError."""
        worker.settimeout(seconds)
        _, listeners, _, _ = socket.recv_fds(worker, 1, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0))
        self._listener = listeners[0] if listeners else None
        self._worker = worker.fileno()
        self._threads = f"/proc/{decoder}/task"
        self._starts = 0
        self._poll = select.poll()
        for descriptor in (self._worker, *listeners):
            self._poll.register(descriptor, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._listener is not None:
            os.close(self._listener)

    def reset(self) -> None:
        """Begin to count the starts of a job."""
        self._starts = 0

    def wait(self, deadline: float) -> None:
        """Wait until the decoder has written, and let it start threads meanwhile.

        `deadline` is one of time.monotonic(). Raises TimeoutError or TooManyThreadsError.
        """
        while True:
            ready = dict(self._poll.poll(min(max(0.0, deadline - time.monotonic()), MAX_WAIT) * 1000))
            if self._worker in ready:
                return
            if time.monotonic() > deadline:
                raise TimeoutError
            if self._listener is not None and (events := ready.get(self._listener)):
                if events & select.POLLIN:
                    self._allow(self._listener)
                else:  # all threads have ended
                    self._poll.unregister(self._listener)

    def _allow(self, listener: int) -> None:
        """Let the thread that asks start another one."""
        notification = bytearray(NOTIFICATION.size)
        self._starts += 1
        try:
            ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notification)
            if self._starts > MAX_STARTS or os.stat(self._threads).st_nlink - 2 >= MAX_THREADS:  # noqa: PTH116
                raise TooManyThreadsError
            id = NOTIFICATION.unpack(notification)[0]
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, RESPONSE.pack(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE))
        except FileNotFoundError:  # the thread that asked has ended
            pass
