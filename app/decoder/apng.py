"""Animated PNG (PNG specification, third edition, section 11.3.6): the first frame, if the picture is not a frame.

Such a picture is for programs that do not know animations. Browsers do not show it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import pyvips

from app.decoder.headers import MAX_PARTS, PNG_START, Data, Frame

HEAD = 8  # bytes in front of the content of a chunk: its length and its name
CHECK = 4  # bytes behind it
AREA = struct.Struct(">4x4I")  # number in the animation, width, height, left, top
FRAMES = range(1, 2**31)  # of an animation
NUMBER = 4  # bytes in front of the data of a frame
OF_PIXELS = {b"IDAT", b"acTL", b"fcTL", b"fdAT"}


def first_frame(image: pyvips.Image, data: Data) -> pyvips.Image:
    """Return the first frame on its screen, with the metadata of the file.

    Return the picture if that is the first frame, or if the frame cannot be decoded.
    """
    found = find_frame(data)
    if found is None:
        return image
    frame, (left, top, width, height) = found
    if left + width > image.width or top + height > image.height:
        return image
    try:
        source = pyvips.Source.new_from_memory(frame)
        made = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error").copy_memory()
    except pyvips.Error:
        return image
    if (width, height) == (image.width, image.height):
        return made
    return (made if made.hasalpha() else made.addalpha()).embed(left, top, image.width, image.height)


def find_frame(data: Data) -> tuple[bytes, Frame] | None:
    """Return the first frame as a PNG, and its area on the screen.

    Return None if the picture is the first frame, or if it is not animated.
    """
    area: Frame | None = None
    is_animated = has_picture = False
    others, pixels = list[tuple[int, int]](), list[bytes]()
    for name, start, end in _chunks(data):
        if name == b"acTL":
            frames = int.from_bytes(data[start : start + 4])
            is_animated = is_animated or (not has_picture and frames in FRAMES)
        elif name == b"IDAT":
            has_picture = True
            if not is_animated:
                return None
        elif name == b"fcTL":
            if not has_picture or end - start < AREA.size:
                return None
            if area is not None:
                break
            width, height, left, top = AREA.unpack_from(data, start)
            area = Frame(left, top, width, height)
        elif name == b"IEND":
            break
        elif name == b"fdAT" and area is not None:
            pixels.append(_chunk(b"IDAT", bytes(data[start + NUMBER : end])))
        elif name not in OF_PIXELS:
            others.append((start - HEAD, end + CHECK))
    if area is None or not pixels or not others:
        return None
    (start, end), *others = others
    if bytes(data[start + 4 : start + HEAD]) != b"IHDR":
        return None
    size = struct.pack(">II", area.width, area.height)
    head = _chunk(b"IHDR", size + bytes(data[start + HEAD + len(size) : end - CHECK]))
    kept = [bytes(data[start:end]) for start, end in others]
    return b"".join([bytes(data[:PNG_START]), head, *kept, *pixels, _chunk(b"IEND", b"")]), area


def _chunks(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each chunk, and the begin and end of its content."""
    at = PNG_START
    for _ in range(MAX_PARTS):
        name, length = bytes(data[at + 4 : at + HEAD]), int.from_bytes(data[at : at + 4])
        if len(name) < 4 or at + HEAD + length + CHECK > len(data):
            return
        yield name, at + HEAD, at + HEAD + length
        at += HEAD + length + CHECK


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
