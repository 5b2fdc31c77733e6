"""Headers of all formats: facts that the decoders do not tell. Cut or wrong data give no error."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from mmap import mmap
from typing import NamedTuple

Data = memoryview | mmap

BMP_START = 14  # bytes in front of the second header
BMP_V5_BYTES = 124  # of the second header, from version 5 on
BMP_HEADER_END = BMP_START + BMP_V5_BYTES
PNG_START = 8  # bytes in front of the first chunk
PNG_COLORS = {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"}
PNG_TEXTS = {b"tEXt", b"zTXt"}
PNG_PROFILE = re.compile(rb"Raw profile type (exif|xmp|iptc|APP1)\0")
PNG_XMP = re.compile(rb"XML:com\.adobe\.xmp\0\0.[^\0]*\0[^\0]*\0", re.DOTALL)  # not compressed
PNG_DIGITS = re.compile(rb"\s*[^\n]{1,80}\n\s*\d+\n")
GIF_XMP = re.compile(rb"!\xff\x0bXMP DataXMP")  # the packet follows, without the usual blocks
GIF_XMP_END = re.compile(rb"\x01\xff\xfe")  # the beginning of all numbers downwards, which lead other readers out
# The beginning of a segment of a JPEG. FF00 is data, FFD0 to FFD7 are marks in it, FF01 and FFD8 have no length, FF is
# padding.
JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
JPEG_APP1, JPEG_SCAN, JPEG_END = 0xE1, 0xDA, 0xD9
JPEG_LAST = bytes([0xFF, JPEG_END])
# XMP specification, part 3, section 1.1.3.1: the packet names the segments that have the rest. Each begins with the
# length of the rest, and with its place in it.
MORE_XMP_NAME = re.compile(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})")
JPEG_MORE_XMP = re.compile(rb"http://ns\.adobe\.com/xmp/extension/\0([0-9A-Fa-f]{32}).{4}(.{4})", re.DOTALL)
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"  # in front of a packet in the segment APP1 of a JPEG
MAX_PROFILE = 1024 * 1024  # bytes of a text that is decompressed
MAX_COLOR_PROFILE = 8 * 1024 * 1024  # bytes of a color profile. That of a printer has 1 to 3 MB.
MAX_XMP = 512 * 1024  # bytes of an XMP packet that is read. Editors write some KB.
MAX_PARTS = 10_000  # chunks, boxes, or blocks that are read. A picture has a few dozen.


class Frame(NamedTuple):
    """The area of the first frame of a GIF, in pixels of its screen."""

    left: int
    top: int
    width: int
    height: int


def png_colors(data: Data) -> dict[bytes, bytes]:
    """Return the chunks in front of the pixels that say how the colors are meant, by their names."""
    chunks: dict[bytes, bytes] = {}
    at = PNG_START
    for _ in range(MAX_PARTS):
        name = data[at + 4 : at + 8]
        if len(name) < 4 or name == b"IDAT":
            break
        length = int.from_bytes(data[at : at + 4])
        if name in PNG_COLORS:
            chunks.setdefault(bytes(name), bytes(data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_profile(data: Data) -> bytes:
    """Return the color profile of a PNG, or nothing if there is none or it is damaged."""
    _, _, packed = png_colors(data).get(b"iCCP", b"").partition(b"\0\0")
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(packed, MAX_COLOR_PROFILE)
    return b""


def png_metadata(data: Data) -> dict[str, bytes]:
    """Return the blocks of metadata that libvips does not read: exif, xmp, iptc. They may be behind the pixels.

    ImageMagick, GIMP and Exiv2 write them as texts: a name, the number of bytes, and the bytes in hexadecimal.
    """
    found: dict[str, bytes] = {}
    at = PNG_START
    for _ in range(MAX_PARTS):
        name, length = bytes(data[at + 4 : at + 8]), int.from_bytes(data[at : at + 4])
        if len(name) < 4:
            break
        if name == b"eXIf":
            found.setdefault("exif", bytes(data[at + 8 : at + 8 + length]))
        elif name == b"iTXt" and (start := PNG_XMP.match(data, at + 8, at + 8 + length)):
            found.setdefault("xmp", bytes(data[start.end() : at + 8 + length]))
        elif name in PNG_TEXTS and (title := PNG_PROFILE.match(data, at + 8, at + 40)):
            text = bytes(data[title.end() : at + 8 + length])
            with suppress(zlib.error, ValueError):
                if name == b"zTXt":
                    text = zlib.decompressobj().decompress(text[1:], MAX_PROFILE)
                if digits := PNG_DIGITS.match(text):
                    block = bytes.fromhex(text[digits.end() :].decode("ascii"))
                    is_xmp = block.startswith(JPEG_XMP)
                    kind = "xmp" if is_xmp else title[1].decode().replace("APP1", "exif")
                    found.setdefault(kind, block.removeprefix(JPEG_XMP))
        at += 12 + length
    return found


def gif_xmp(data: Data) -> bytes:
    """Return the XMP of a GIF."""
    if not (start := GIF_XMP.search(data)):
        return b""
    end = GIF_XMP_END.search(data, start.end(), start.end() + MAX_XMP + 3)
    return bytes(data[start.end() : end.start()]) if end else b""


def jpeg_segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment of a JPEG (ITU-T T.81, annex B), and the begin and end of its content.

    The last one is the end of the image, if that is reached.
    """
    at = 2  # after the start of the image
    while found := JPEG_MARKER.search(data, at):
        marker, start = found[1][0], found.end() + 2
        at = found.end() + int.from_bytes(data[found.end() : start])
        yield marker, start, at
        if marker == JPEG_END:
            return


def jpeg_xmp(data: Data) -> tuple[bytes, bytes]:
    """Return the XMP of a JPEG: the packet, and the part that has no room in its segment."""
    packet, parts = b"", dict[bytes, dict[int, bytes]]()
    for marker, start, end in islice(jpeg_segments(data), MAX_PARTS):
        if marker == JPEG_SCAN:
            break
        if marker != JPEG_APP1:
            continue
        content = bytes(data[start:end])
        if content.startswith(JPEG_XMP):
            packet = packet or content[len(JPEG_XMP) :]
        elif piece := JPEG_MORE_XMP.match(content):
            parts.setdefault(piece[1].upper(), {}).setdefault(int.from_bytes(piece[2]), content[piece.end() :])
    named = MORE_XMP_NAME.search(packet)
    pieces, more = parts.get(named[1].upper(), {}) if named else {}, bytearray()
    while (following := pieces.get(len(more), b"")) and len(more) <= MAX_XMP:
        more += following
    return packet, bytes(more)


def bmp_profile(data: Data) -> bytes | None:
    """Return the color profile in a BMP of version 5 (BITMAPV5HEADER), or None if it has none."""
    if len(data) < BMP_HEADER_END or data[70:74] != b"DEBM" or int.from_bytes(data[14:18], "little") < BMP_V5_BYTES:
        return None
    start, size = struct.unpack("<II", data[126:134])
    profile = bytes(data[BMP_START + start : BMP_START + start + size])
    return profile if profile and len(profile) == size else None


def jxl_xmp(data: Data) -> bytes:
    """Return the XMP of a JPEG XL, if it is not compressed."""
    found = (bytes(data[start:end]) for name, start, end in boxes(data, 0, len(data)) if name == b"xml ")
    return next(found, b"")


def boxes(data: Data, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type, start and end of the content of each box between two places."""
    for _ in range(MAX_PARTS):
        if start + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            if start + 16 > end:
                return
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        following = start + size if size else end
        if not start + head <= following <= end:
            return
        yield name, start + head, following
        start = following


def gif_frame(data: Data) -> Frame | None:
    """Return the area of the first frame of a GIF."""
    try:
        at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
        for _ in range(MAX_PARTS):
            kind = data[at]
            if kind == 0x2C:
                return Frame(*struct.unpack_from("<HHHH", data, at + 1))
            if kind != 0x21:
                return None
            at += 2
            while length := data[at]:  # the sub-blocks of an extension
                at += 1 + length
            at += 1
    except (struct.error, IndexError):
        pass
    return None
