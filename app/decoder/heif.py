"""Boxes of AVIF and HEIF (ISO/IEC 14496-12 and 23008-12): the properties of the picture, and the place of its stream.

Cut or wrong data give no error.
"""

from __future__ import annotations

import struct

from app.decoder.headers import MAX_PARTS, Data, boxes

# kinds of auxiliary pictures of an AVIF or HEIF that are alpha
ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")


def properties(data: Data, name: bytes) -> list[bytes]:
    """Return the contents of the properties of that name of the primary picture in an AVIF or HEIF (ISO/IEC 23008-12).

    If the primary picture has none, its tiles may have some: return those of all pictures.
    """
    try:
        return _properties(data, name)
    except (struct.error, IndexError):
        return []


def picture(data: Data) -> int | None:
    """Return the place of the primary picture's stream in an AVIF or HEIF, or that of its first tile."""
    try:
        return _place(data, _primary(data))
    except (struct.error, IndexError):
        return None


def alpha(data: Data) -> int | None:
    """Return the place of the stream of the primary picture's alpha in an AVIF or HEIF, or that of its first tile."""
    try:
        for item, _ in _references(data, b"auxl", _primary(data)):
            if any(content[4:].startswith(ALPHA) for content in _properties_of(data, b"auxC", item)):
                return _place(data, item)
    except (struct.error, IndexError):
        pass
    return None


def _meta(data: Data) -> dict[bytes, tuple[int, int]]:
    """Return the begin and end of the content of each box in the first box `meta`."""
    for name, start, end in boxes(data, 0, len(data)):
        if name == b"meta":
            return {name: (start, end) for name, start, end in boxes(data, start + 4, end)}
    return {}


def _primary(data: Data) -> int:
    """Return the number of the primary picture, or 0."""
    start, end = _meta(data).get(b"pitm", (0, 0))
    return int.from_bytes(data[start + 4 : start + (8 if data[start] else 6)]) if end else 0


def _properties(data: Data, wanted: bytes) -> list[bytes]:
    return _properties_of(data, wanted, _primary(data)) or _properties_of(data, wanted)


def _properties_of(data: Data, wanted: bytes, item: int | None = None) -> list[bytes]:
    """Return the contents of the properties of that name, of a picture or of all."""
    parts = list(boxes(data, *_meta(data).get(b"iprp", (0, 0))))
    all_of_them = [box for name, *place in parts if name == b"ipco" for box in boxes(data, *place)]
    own: set[int] = set()
    for name, *place in parts:
        if name == b"ipma" and item:
            own |= _associations(data, place[0], item)
    return [
        bytes(data[start:end])
        for number, (name, start, end) in enumerate(all_of_them, 1)
        if name == wanted and (item is None or number in own)
    ]


def _references(data: Data, kind: bytes, item: int, is_source: bool = False) -> list[tuple[int, list[int]]]:
    """Return the references of that kind, as the source and the targets, which lead to a picture or begin at it."""
    start, end = _meta(data).get(b"iref", (0, 0))
    found = []
    for name, *place in boxes(data, start + 4, end):
        size = 4 if data[start] else 2
        if name == kind:
            content = bytes(data[slice(*place)])
            numbers = [int.from_bytes(content[at : at + size]) for at in range(size + 2, len(content), size)]
            source, targets = int.from_bytes(content[:size]), numbers[: int.from_bytes(content[size : size + 2])]
            if item == source if is_source else item in targets:
                found.append((source, targets))
    return found


def _place(data: Data, item: int) -> int | None:
    """Return the place of the picture's stream, or that of its first tile (ISO/IEC 14496-12, box `iloc`)."""
    for _, tiles in _references(data, b"dimg", item, is_source=True):
        item = next(iter(tiles), item)
    parts = _meta(data)
    at, end = parts.get(b"iloc", (0, 0))
    if not end:
        return None
    version, sizes = data[at], int.from_bytes(data[at + 4 : at + 6])
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 4 if version == 2 else 2
    count = int.from_bytes(data[at + 6 : at + 6 + wide])
    at += 6 + wide
    for _ in range(min(count, MAX_PARTS)):
        if at >= end:
            break
        id = int.from_bytes(data[at : at + wide])
        at += wide
        method = 0
        if version:
            method = data[at + 1] & 15
            at += 2
        else:
            index_size = 0
        base = int.from_bytes(data[at + 2 : at + 2 + base_size])
        at += 2 + base_size
        extents = int.from_bytes(data[at : at + 2])
        at += 2
        if id == item:
            start = base + int.from_bytes(data[at + index_size : at + index_size + offset_size])
            return start + {0: 0, 1: parts.get(b"idat", (len(data), 0))[0]}.get(method, len(data))
        at += extents * (index_size + offset_size + length_size)
    return None


def is_gray(data: Data) -> bool:
    """Return whether the primary picture of an AVIF or HEIF has no color: by the configurations of AV1 and HEVC."""
    av1, hevc = properties(data, b"av1C"), properties(data, b"hvcC")
    gray = [len(content) > 2 and content[2] & 0x10 for content in av1]
    gray += [len(content) > 16 and not content[16] & 3 for content in hevc]
    return bool(gray) and all(gray)


def _associations(data: Data, at: int, item: int) -> set[int]:
    """Return the numbers of the item's properties, from a box `ipma` whose content begins there."""
    version, has_long_numbers = data[at], data[at + 3] & 1
    (count,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(min(count, MAX_PARTS)):
        (id,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        number, size = data[at], 2 if has_long_numbers else 1
        at += 1
        if id == item:
            numbers = (int.from_bytes(data[n : n + size]) for n in range(at, at + size * number, size))
            return {number & (0x7FFF if has_long_numbers else 0x7F) for number in numbers}
        at += size * number
    return set()
