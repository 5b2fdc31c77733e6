"""Decoder process: decodes images apart from the service, so that a hostile image harms only this process.

`python -m app.decoder MEMORY MAX_PIXELS MAX_BYTES SECONDS FORMATS`, with a socket as its standard input. It ends with
the socket. MEMORY is the descriptor of a file into which the worker writes the content of small images. The address
space has room for a file of MAX_BYTES.
"""

import json
import os
import signal
import socket
import sys
from mmap import ACCESS_READ, mmap
from typing import Any

from app.decoder import capture, optional_formats, sandbox
from app.decoder.formats import LENGTHS, OUT_OF_MEMORY
from app.decoder.headers import Data
from app.decoder.optional_formats import read, thumbnail
from app.decoder.vips import LIBVIPS, prepare
from app.errors import LargeImageError, RejectedImageError

# The limit of the address space is the sum of these and MAX_BYTES.
BYTES_PER_PIXEL = 24  # no format was seen to need as many
BYTES_PER_CORE = 16 * 1024**2  # the stack of a thread, which the decoder of AVIF starts on each core
OTHER_BYTES = 512 * 1024**2
MAX_JOB_BYTES = 4096


def main() -> None:
    """Answer jobs, within the limits, until the socket is closed."""
    memory_file, max_pixels, max_bytes = (int(argument) for argument in sys.argv[1:4])
    seconds, formats = float(sys.argv[4]), sys.argv[5].split(",")
    address_space = OTHER_BYTES + BYTES_PER_CORE * (os.cpu_count() or 1) + BYTES_PER_PIXEL * max_pixels + max_bytes
    peer = socket.socket(fileno=0)
    memory = memoryview(mmap(memory_file, 0, access=ACCESS_READ))
    prepare()
    capture.prepare()
    optional_formats.prepare(formats)
    libraries = {"libvips": LIBVIPS, "optional": [name for name in optional_formats.installed.values() if name]}
    answer(peer, sandbox.enter(address_space, peer) | libraries, b"")  # ready
    while received := receive(peer):
        job, descriptors = received
        # By then the worker has given up or is gone. No code handles the signal, so it ends the process.
        signal.setitimer(signal.ITIMER_REAL, seconds + 1)
        if descriptors:
            about, made = work(job, mmap(descriptors[0], job["length"], access=ACCESS_READ), max_pixels, formats)
            os.close(descriptors[0])
        else:
            about, made = work(job, memory[: job["length"]], max_pixels, formats)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer(peer, about, made)


def work(job: dict[str, Any], content: Data, max_pixels: int, formats: list[str]) -> tuple[dict[str, object], bytes]:
    """Return the answer to a job, and the bytes that go with it."""
    try:
        if job["operation"] == "measure":
            found = read(content, max_pixels, job["small_pixels"], formats)
            about = {"color": found.color, "capture": found.capture, "location": found.location}
            return found.measure._asdict() | about, found.thumbhash or b""
        return {}, thumbnail(content, job["size"], job["format"], max_pixels, job["small_pixels"], formats)
    except LargeImageError:
        return {"is_large": True}, b""
    except RejectedImageError as rejected:
        return {"kind": rejected.kind, "detail": rejected.detail}, b""


def receive(peer: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next job and, if its content is in a file, the descriptor. Return None at the end."""
    message, descriptors, _, _ = socket.recv_fds(peer, MAX_JOB_BYTES, 1)  # a job is sent in one message
    return (json.loads(message[LENGTHS.size :]), descriptors) if message else None


def answer(peer: socket.socket, about: dict[str, object], content: bytes) -> None:
    """Send the answer to a job."""
    encoded = json.dumps(about, ensure_ascii=False).encode()
    peer.sendall(LENGTHS.pack(len(encoded), len(content)) + encoded + content)


def run() -> None:
    """Work until the socket is closed or memory runs out."""
    try:
        main()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # at once: the socket is closed with the process, not before
    except ConnectionError:  # the worker is gone
        pass
    except Exception:
        sys.excepthook(*sys.exc_info())
        os._exit(1)  # at once, too: otherwise the worker may kill this process before it has its own status


if __name__ == "__main__":
    run()
