"""Camera RAW: the type of a RAW file, the largest JPEG inside, and the blocks of metadata that the file itself has."""

from __future__ import annotations

import re
import struct

from app.decoder import exif
from app.decoder.capture import Blocks
from app.decoder.formats import ContentType
from app.decoder.headers import Data
from app.errors import RejectedImageError

BEGINNINGS: dict[bytes, ContentType] = {
    b"FUJIFILMCCD-RAW": "image/x-fuji-raf",
    b"IIU\0": "image/x-panasonic-rw2",
    b"IIRO": "image/x-olympus-orf",
    b"IIRS": "image/x-olympus-orf",
    b"MMOR": "image/x-olympus-orf",
}
MAKERS: dict[bytes, ContentType] = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}
# Tags of TIFF.
MAKE, ORIENTATION, PHOTOMETRIC, SUB_IFDS, DNG_VERSION = 271, 274, 262, 330, 50706
TILE_WIDTH, TILE_HEIGHT = 322, 323
PHASE_ONE = b"IIII"  # behind the head of an IIQ
COLOR_FILTER_ARRAY = 32803  # the photometric interpretation of the data of a sensor
LENGTHS = {3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}  # letters and bytes of the kinds of whole numbers
MAX_NUMBERS = 64  # numbers of a tag
MAX_DIRECTORIES = 8  # directories inside the first
ADVICE = "Convert the image to PNG or JPEG."

JPEG = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
SEGMENT = struct.Struct(">BBH")
FRAME = struct.Struct(">HBHHB")  # length, bits, height, width, components
LOSSY_FRAMES = {0xC0, 0xC1, 0xC2}  # of a JPEG. The data of a sensor are often in a lossless one.
MAX_SEGMENTS = 1000  # of a JPEG in front of its frame

CANON_BOX = re.compile(rb"CMT[124]")  # the directories of a CR3: picture, details, position
CANON_XMP = re.compile(rb"uuid\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac")
CANON_HEAD = 256 * 1024  # bytes


def type_of(data: Data) -> ContentType | None:
    """Return the media type of a RAW file, or None for any other. Raises RejectedImageError for one of another maker.

    Its first directory has only the thumbnail of the camera.
    """
    if bytes(data[4:12]) == b"ftypcrx ":
        return "image/x-canon-cr3"
    for beginning, type in BEGINNINGS.items():
        if data[: len(beginning)] == beginning:
            return type
    if bytes(data[:4]) not in {b"II*\0", b"MM\0*"}:
        return None
    if data[8:10] == b"CR":
        return "image/x-canon-cr2"
    directories = _directories(data)
    if DNG_VERSION in directories[0]:
        return "image/x-adobe-dng"
    is_raw = any(directory.get(PHOTOMETRIC) == [COLOR_FILTER_ARRAY] for directory in directories)
    if not is_raw and data[8:12] != PHASE_ONE:
        return None
    make = (directories[0].get(MAKE) or [0])[0]
    for maker, type in MAKERS.items():
        if data[make : make + len(maker)] == maker:
            return type
    raise RejectedImageError("unsupported-image", f"Camera RAW of this maker is not supported. {ADVICE}")


def preview(data: Data, type: ContentType) -> tuple[memoryview, int]:
    """Return the largest JPEG in a RAW file, and the orientation that the file says if the JPEG says none.

    Raises RejectedImageError if there is none.
    """
    # A DNG with lossy compression has a JPEG for each tile of the sensor.
    tiles = [(found.get(TILE_WIDTH), found.get(TILE_HEIGHT)) for found in _directories(data)]
    largest, at = 0, -1
    for found in JPEG.finditer(data):
        width, height = _size(data, found.start() + 2)
        if width * height > largest and ([width], [height]) not in tiles:
            largest, at = width * height, found.start()
    if at < 0:
        raise RejectedImageError("unsupported-image", f"This camera RAW has no JPEG inside. {ADVICE}")
    orientations = (_directory(block, _first(block)).get(ORIENTATION) for block in blocks(data, type).exif)
    return memoryview(data)[at:], next(filter(None, orientations), [1])[0]


def blocks(data: Data, type: ContentType) -> Blocks:
    """Return the metadata that a RAW file has itself: it is a TIFF, or a CR3 whose first boxes have some."""
    if type != "image/x-canon-cr3":
        return Blocks((data,), exif.block(data, exif.XMP), exif.block(data, exif.IPTC))
    directories = tuple(_box(data, found) for found in CANON_BOX.finditer(data, 4, CANON_HEAD))
    packet = CANON_XMP.search(data, 4, CANON_HEAD)
    return Blocks(directories, _box(data, packet) if packet else b"")


def _box(data: Data, found: re.Match[bytes]) -> bytes:
    """Return the content of a box of a CR3 behind its name. The length in front of the name counts both."""
    begin = found.start() - 4
    length = int.from_bytes(data[begin : begin + 4])
    return bytes(data[found.end() : begin + min(length, CANON_HEAD)])


def _size(data: Data, at: int) -> tuple[int, int]:
    """Return width and height of the JPEG whose segments begin there, or zeros if libvips cannot read it.

    The data of a sensor can look like the beginning of a JPEG, by chance.
    """
    for _ in range(MAX_SEGMENTS):
        if at + 12 > len(data):
            break
        mark, marker, length = SEGMENT.unpack_from(data, at)
        if mark != 0xFF or marker in {0xD8, 0xD9, 0xDA} or length < 2:
            break
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            length, bits, height, width, components = FRAME.unpack_from(data, at + 2)
            is_frame = marker in LOSSY_FRAMES and bits == 8 and length == 8 + 3 * components
            return (width, height) if is_frame else (0, 0)
        at += 2 + length
    return 0, 0


def _order(data: Data | bytes) -> str:
    return ">" if data[:1] == b"M" else "<"


def _first(data: Data | bytes) -> int:
    """Return the place of the first directory of a TIFF."""
    return int.from_bytes(data[4:8], "big" if _order(data) == ">" else "little")


def _directories(data: Data) -> list[dict[int, list[int]]]:
    """Return the first directory of a TIFF and those inside."""
    first = _directory(data, _first(data))
    return [first, *(_directory(data, at) for at in first.get(SUB_IFDS, [])[:MAX_DIRECTORIES])]


def _directory(data: Data | bytes, at: int) -> dict[int, list[int]]:
    """Return the numbers of a directory of a TIFF, by their tags. Those of other kinds are the place of their bytes."""
    order, found = _order(data), dict[int, list[int]]()
    try:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
            letter, size = LENGTHS.get(kind, ("I", 4))
            number = number if kind in LENGTHS else 1
            place = entry + 8 if number * size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            if number <= MAX_NUMBERS:
                found[tag] = list(struct.unpack_from(f"{order}{number}{letter}", data, place))
    except (struct.error, OverflowError):
        pass
    return found
