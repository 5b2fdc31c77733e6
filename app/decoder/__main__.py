"""Decoder process: decodes images apart from the service, so that a hostile image harms only this process.

`python -m app.decoder MEMORY MAX_PIXELS SECONDS`, with a socket as its standard input. It ends with the socket.
MEMORY is the descriptor of a file into which the worker writes the content of small images.
"""

import json
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from app.decoder.formats import LENGTHS, OUT_OF_MEMORY
from app.decoder.vips import Data, measure, prepare, thumbnail
from app.errors import RejectedImageError

# The limit of the address space is the sum of these.
BYTES_PER_PIXEL = 24  # no format was seen to need as many
BYTES_PER_CORE = 16 * 1024**2  # the stack of a thread, which the decoder of AVIF starts on each core
OTHER_BYTES = 512 * 1024**2
MAX_OPEN_FILES = 16  # files
MAX_JOB_BYTES = 4096


def main() -> None:
    """Answer jobs, within the limits, until the socket is closed."""
    memory_file, max_pixels, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    address_space = OTHER_BYTES + BYTES_PER_CORE * (os.cpu_count() or 1) + BYTES_PER_PIXEL * max_pixels
    peer = socket.socket(fileno=0)
    memory = memoryview(mmap(memory_file, 0, access=ACCESS_READ))
    confine()
    prepare()
    answer(peer, {}, b"")  # ready
    while received := receive(peer):
        job, descriptors = received
        # By then the worker has given up or is gone. No code handles the signal, so it ends the process.
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        size = os.fstat(descriptors[0]).st_size if descriptors else 0
        resource.setrlimit(resource.RLIMIT_AS, (address_space + size, resource.RLIM_INFINITY))
        if descriptors:
            about, made = work(job, mmap(descriptors[0], size, access=ACCESS_READ), max_pixels)
            os.close(descriptors[0])
        else:
            about, made = work(job, memory[: job["length"]], max_pixels)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer(peer, about, made)


def work(job: dict[str, Any], content: Data, max_pixels: int) -> tuple[dict[str, object], bytes]:
    """Return the answer to a job, and the bytes that go with it."""
    try:
        if job["operation"] == "measure":
            return measure(content, max_pixels)._asdict(), b""
        return {}, thumbnail(content, job["size"], job["format"], max_pixels)
    except RejectedImageError as rejected:
        return {"kind": rejected.kind, "detail": rejected.detail}, b""


def confine() -> None:
    """Forbid core dumps, writing and many open files. If memory runs out, the kernel ends this process first."""
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    for limit, maximum in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
    ):
        resource.setrlimit(limit, (maximum, maximum))


def receive(peer: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next job and, if its content is in a file, the descriptor. Return None at the end."""
    message, descriptors, _, _ = socket.recv_fds(peer, MAX_JOB_BYTES, 1)  # a job is sent in one message
    return (json.loads(message[LENGTHS.size :]), descriptors) if message else None


def answer(peer: socket.socket, about: dict[str, object], content: bytes) -> None:
    """Send the answer to a job."""
    encoded = json.dumps(about).encode()
    peer.sendall(LENGTHS.pack(len(encoded), len(content)) + encoded + content)


def run() -> None:
    """Work until the socket is closed or memory runs out."""
    try:
        main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # at once: the socket is closed with the process, not before
    except ConnectionError:  # the worker is gone
        pass


if __name__ == "__main__":
    run()
