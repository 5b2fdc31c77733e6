"""A process that decodes images, so that what a hostile one does to the decoder is done to nobody else.

`python -m app.decoder MEMORY MAX_PIXELS SECONDS`, with a socket as its standard input. It ends when the other end does.
MEMORY is the descriptor of a file that the content of small images is written to.
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
from app.decoder.vips import Data, RefusedError, measure, prepare, thumbnail

# Bytes of address space that it may have: for each pixel more than any format was seen to take, for each core the
# stack of a thread that the decoder of AVIF starts, and the rest.
PER_PIXEL = 24
PER_CORE = 16 * 1024**2
BESIDE = 512 * 1024**2
OPEN_FILES = 16
MESSAGE = 4096  # bytes; a job has less


def main() -> None:
    memory_file, max_pixels, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    address_space = BESIDE + PER_CORE * (os.cpu_count() or 1) + PER_PIXEL * max_pixels
    peer = socket.socket(fileno=0)
    memory = memoryview(mmap(memory_file, 0, access=ACCESS_READ))
    confine()
    prepare()
    answer(peer, {}, b"")  # ready
    while received := receive(peer):
        job, descriptors = received
        # Whoever asks has lost patience by then, or is gone. Nothing here handles the signal: it ends the process.
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
    """The answer to a job, and its bytes."""
    try:
        if job["operation"] == "measure":
            return measure(content, max_pixels)._asdict(), b""
        return {}, thumbnail(content, job["size"], job["format"], max_pixels)
    except RefusedError as refused:
        return {"kind": refused.kind, "detail": refused.detail}, b""


def confine() -> None:
    """No core dump, no file written, few open; and where the machine's memory runs out, this process goes first."""
    with suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000")
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(limit, (most, most))


def receive(peer: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next job, and the descriptor of its content where that is in a file; None where there are no more."""
    message, descriptors, _, _ = socket.recv_fds(peer, MESSAGE, 1)  # a job is sent as one, and comes as one
    return (json.loads(message[LENGTHS.size :]), descriptors) if message else None


def answer(peer: socket.socket, about: dict[str, object], content: bytes) -> None:
    encoded = json.dumps(about).encode()
    peer.sendall(LENGTHS.pack(len(encoded), len(content)) + encoded + content)


def run() -> None:
    try:
        main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # at once: the socket ends with the process, and not before
    except ConnectionError:  # nobody is there any more
        pass


if __name__ == "__main__":
    run()
