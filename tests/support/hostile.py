"""Hostile and unusual images, with the expected response of POST /v1/images: type and size, or the kind of problem."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from PIL import Image

from tests.support.pictures import picture

UNSUPPORTED, BROKEN, TOO_MANY = "unsupported-image", "broken-image", "too-many-pixels"
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF")

Expected = str | tuple[str, int, int]
Case = tuple[Expected, Callable[[], bytes]]


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def frames(format: str, number: int = 3, **options: Any) -> bytes:
    images = [Image.new("RGB", (30, 20), (n * 50 % 256, n // 5, 9)) for n in range(number)]
    return encoded(images[0], format, save_all=True, append_images=images[1:], **options)


# PNG


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, data: bytes = b"", *before: bytes, depth: int = 8, color: int = 0) -> bytes:
    """Return a PNG with these pixels, gray by default. `before` are chunks in front of the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(before) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


def zeros(megabytes: int) -> bytes:
    """Return this many megabytes of zeros, compressed."""
    compressor = zlib.compressobj(9)
    return b"".join([*(compressor.compress(bytes(1_000_000)) for _ in range(megabytes)), compressor.flush()])


PIXEL = b"\0\0"  # a filter type and a gray value


# TIFF


def tiff(
    tags: dict[int, tuple[int, int, int]], data: bytes = b"", *, following: int = 0, big: bool = False, offset: int = 8
) -> bytes:
    """Return a TIFF with one directory and, from byte 2000, the data. A tag maps to its type, count and value."""
    if big:
        head = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags))
        body = b"".join(struct.pack("<HHQQ", tag, *rest) for tag, rest in sorted(tags.items()))
        return (head + body + struct.pack("<Q", following)).ljust(2000, b"\0") + data
    head = struct.pack("<2sHIH", b"II", 42, offset, len(tags))
    body = b"".join(struct.pack("<HHII", tag, *rest) for tag, rest in sorted(tags.items()))
    return (head + body + struct.pack("<I", following)).ljust(2000, b"\0") + data


def strip(
    width: int, height: int, size: int, bits: int = 8, **also: tuple[int, int, int]
) -> dict[int, tuple[int, int, int]]:
    """Return the tags of a gray picture in one strip."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, bits), 259: (3, 1, 1), 262: (3, 1, 1)}
    tags |= {273: (4, 1, 2000), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, size)}
    return tags | {int(tag[1:]): value for tag, value in also.items()}


def one_tile() -> bytes:
    """Return a sound TIFF whose only tile is larger than libvips takes."""
    size = 4096
    data = zlib.compress(bytes(size * size), 9)
    tags = {256: (4, 1, 900), 257: (4, 1, 900), 258: (3, 1, 8), 259: (3, 1, 8), 262: (3, 1, 1), 277: (3, 1, 1)}
    tags |= {322: (4, 1, size), 323: (4, 1, size), 324: (4, 1, 2000), 325: (4, 1, len(data))}
    return tiff(tags, data)


# GIF


def gif(
    width: int, height: int, frame: tuple[int, int, int, int] | None = None, data: bytes = b"\x02\x02\x44\x01\x00"
) -> bytes:
    left, top, across, down = frame or (0, 0, width, height)
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return head + b"," + struct.pack("<HHHHB", left, top, across, down, 0) + data + b";"


# WebP and AVIF


def webp_canvas(width: int, height: int) -> bytes:
    """Return a small picture with a header that claims a canvas of this size."""
    small = picture("WebP")[12:]
    canvas = (
        b"VP8X" + struct.pack("<IB3x", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    body = b"WEBP" + canvas + small
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_claims(width: int, height: int) -> bytes:
    sound = picture("WebP")
    at = sound.index(b"\x9d\x01\x2a") + 3
    return sound[:at] + struct.pack("<HH", width, height) + sound[at + 4 :]


def avif_claims(width: int, height: int) -> bytes:
    sound = picture("AVIF")
    at = sound.index(b"ispe") + 8
    return sound[:at] + struct.pack(">II", width, height) + sound[at + 8 :]


def nested_boxes(number: int) -> bytes:
    boxes = b""
    for _ in range(number):
        boxes = struct.pack(">I", len(boxes) + 12) + b"meta\0\0\0\0" + boxes
    return picture("AVIF")[:32] + boxes


# JPEG


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content


def jpeg_with(*segments: bytes) -> bytes:
    sound = picture()
    return sound[:2] + b"".join(segments) + sound[2:]


def jpeg_claims(width: int, height: int) -> bytes:
    sound = picture()
    at = sound.index(b"\xff\xc0") + 5
    return sound[:at] + struct.pack(">HH", height, width) + sound[at + 4 :]


def scans(most: int) -> bytes:
    """Return a progressive JPEG with up to this many scans: one for each bit of each coefficient."""
    sound = encoded(Image.new("L", (1000, 1000), 9), "JPEG", progressive=True)
    first = sound[: sound.index(b"\xff", sound.index(b"\xff\xda") + 12)]  # up to the end of the DC scan
    # A Huffman table with one symbol, which ends a run of up to 16,383 blocks.
    tables = segment(0xC4, b"\x10\x01" + bytes(15) + b"\xd0")
    zeros = int(f"0{125 * 125 - 8192:013b}11", 2).to_bytes(2)
    turns = [(k, 0 if bit == 13 else bit + 1, bit) for bit in range(13, -1, -1) for k in range(1, 64)][:most]
    coefficients = [segment(0xDA, bytes([1, 1, 0, k, k, high << 4 | low])) + zeros for k, high, low in turns]
    return first + tables + b"".join(coefficients) + b"\xff\xd9"


def exif(*entries: tuple[int, int, int, int], following: int = 0, also: bytes = b"") -> bytes:
    """Return the content of an EXIF segment. An entry is tag, type, count and value."""
    body = b"".join(
        struct.pack(">HHIHxx" if kind == 3 else ">HHII", tag, kind, count, value) for tag, kind, count, value in entries
    )
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + body + struct.pack(">I", following) + also


def jpeg_exif(*entries: tuple[int, int, int, int], **options: Any) -> bytes:
    return jpeg_with(segment(0xE1, exif(*entries, **options)))


def profiles(size: int) -> list[bytes]:
    """Return the segments of an ICC profile that has this many zeros."""
    number = -(-size // 65_000)
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes([n + 1, number]) + bytes(65_000)) for n in range(number)]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
SCRIPT = b"*/=1;alert(document.cookie)//"
HTML = b"<html><script>alert(1)</script></html>"

JPEG, PNG, WEBP, GIF, TIFF, AVIF = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif")

BOMBS: dict[str, Case] = {
    "png-100000x100000": (TOO_MANY, lambda: png(100_000, 100_000, PIXEL)),
    "png-largest": (BROKEN, lambda: png(2**31 - 1, 2**31 - 1, PIXEL)),
    "png-beyond-largest": (BROKEN, lambda: png(2**32 - 1, 1, PIXEL)),
    "png-16-bit-rgba-of-zeros": ((PNG, 1000, 1000), lambda: png(1000, 1000, bytes(8001 * 1000), depth=16, color=6)),
    "png-more-data-than-pixels": ((PNG, 1, 1), lambda: png(1, 1, PIXEL + bytes(30_000_000))),
    "png-ztxt": ((PNG, 1, 1), lambda: png(1, 1, PIXEL, chunk(b"zTXt", b"a\0\0" + zeros(60)))),
    "png-itxt": ((PNG, 1, 1), lambda: png(1, 1, PIXEL, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros(60)))),
    "png-iccp": ((PNG, 1, 1), lambda: png(1, 1, PIXEL, chunk(b"iCCP", b"a\0\0" + zeros(60)))),
    "png-10000-text-chunks": ((PNG, 1, 1), lambda: png(1, 1, PIXEL, *[chunk(b"tEXt", b"a\0b")] * 10_000)),
    "png-chunk-longer-than-file": (BROKEN, lambda: png(1, 1, PIXEL, b"\x7f\xff\xff\xfftEXt")),
    "gif-65535x65535": (TOO_MANY, lambda: gif(65_535, 65_535)),
    "gif-frame-larger-than-screen": (TOO_MANY, lambda: gif(1, 1, (0, 0, 65_535, 65_535))),
    "gif-10000-frames": ((GIF, 1, 1), lambda: gif(1, 1)[:-1] + gif(1, 1)[19:-1] * 9_999 + b";"),
    "webp-largest-canvas": (BROKEN, lambda: webp_canvas(2**24, 2**24)),
    "webp-16383x16383": (BROKEN, lambda: webp_claims(16_383, 16_383)),
    "webp-in-limits": (BROKEN, lambda: webp_claims(1000, 1000)),
    "webp-canvas-in-limits": (BROKEN, lambda: webp_canvas(1000, 1000)),
    "tiff-100000x100000": (TOO_MANY, lambda: tiff(strip(100_000, 100_000, 9), bytes(9))),
    "tiff-largest": (BROKEN, lambda: tiff(strip(2**32 - 1, 2**32 - 1, 9), bytes(9))),
    "tiff-65535-samples": (UNSUPPORTED, lambda: tiff(strip(1000, 1000, 9, t277=(3, 1, 65_535)), bytes(9))),
    "tiff-deflate": ((TIFF, 1000, 1000), lambda: tiff(strip(1000, 1000, len(zeros(1)), t259=(3, 1, 8)), zeros(1))),
    "tiff-deflate-of-more": ((TIFF, 10, 10), lambda: tiff(strip(10, 10, len(zeros(60)), t259=(3, 1, 8)), zeros(60))),
    "tiff-strip-of-4-gb": (BROKEN, lambda: tiff(strip(1000, 1000, 2**32 - 1), bytes(9))),
    "tiff-a-billion-strips": (BROKEN, lambda: tiff(strip(10, 10, 9, t273=(4, 2**30, 2000), t278=(4, 1, 1)), bytes(9))),
    "tiff-tile-of-a-million": (
        UNSUPPORTED,
        lambda: tiff(
            strip(9, 9, 9, t322=(4, 1, 2**20), t323=(4, 1, 2**20), t324=(4, 1, 2000), t325=(4, 1, 9)), bytes(9)
        ),
    ),
    "tiff-sound-in-one-tile-of-4096": (UNSUPPORTED, one_tile),
    "tiff-claims-a-million-tags": (BROKEN, lambda: tiff(strip(9, 9, 81), bytes(81)).replace(b"\x09\0", b"\xff\xff", 1)),
    "jpeg-65500x65500": (TOO_MANY, lambda: jpeg_claims(65_500, 65_500)),
    "jpeg-no-height": (BROKEN, lambda: jpeg_claims(60, 0)),
    "jpeg-881-scans": ((JPEG, 1000, 1000), lambda: scans(881)),
    "jpeg-90-scans": ((JPEG, 1000, 1000), lambda: scans(90)),
    "jpeg-10000-comments": ((JPEG, 60, 40), lambda: jpeg_with(*[segment(0xFE, b"x")] * 10_000)),
    "avif-100000x100000": (TOO_MANY, lambda: avif_claims(100_000, 100_000)),
    "avif-largest": (BROKEN, lambda: avif_claims(2**32 - 1, 2**32 - 1)),
    "avif-in-limits": (BROKEN, lambda: avif_claims(1000, 1000)),
    "avif-10000-nested-boxes": (BROKEN, lambda: nested_boxes(10_000)),
}

EXTREMES: dict[str, Case] = {
    "png-100000x1": ((PNG, 100_000, 1), lambda: picture("PNG", (100_000, 1))),
    "png-1x100000": ((PNG, 1, 100_000), lambda: picture("PNG", (1, 100_000))),
    "tiff-100000x1": ((TIFF, 100_000, 1), lambda: picture("TIFF", (100_000, 1))),
    "tiff-1x100000": ((TIFF, 1, 100_000), lambda: picture("TIFF", (1, 100_000))),
    "jpeg-65500x1": ((JPEG, 65_500, 1), lambda: picture("JPEG", (65_500, 1))),
    "jpeg-1x65500": ((JPEG, 1, 65_500), lambda: picture("JPEG", (1, 65_500))),
    "gif-65535x1": ((GIF, 65_535, 1), lambda: picture("GIF", (65_535, 1))),
    "gif-1x65535": ((GIF, 1, 65_535), lambda: picture("GIF", (1, 65_535))),
    "webp-16383x1": ((WEBP, 16_383, 1), lambda: picture("WebP", (16_383, 1))),
    "avif-1x1": ((AVIF, 1, 1), lambda: picture("AVIF", (1, 1))),
    "avif-20000x2": ((AVIF, 20_000, 2), lambda: picture("AVIF", (20_000, 2))),
    "png-0x1": (BROKEN, lambda: png(0, 1, PIXEL)),
    "gif-0x0": ((GIF, 1, 1), lambda: gif(0, 0)),
    "tiff-0x0": (BROKEN, lambda: tiff(strip(0, 0, 9), bytes(9))),
    "avif-0x0": (BROKEN, lambda: avif_claims(0, 0)),
}

LIES: dict[str, Case] = {
    "jpeg-behind-a-gif-header": (BROKEN, lambda: b"GIF89a" + picture()),
    "png-behind-a-jpeg-header": (BROKEN, lambda: b"\xff\xd8\xff\xe0" + picture("PNG")),
    "png-of-more-rows-than-data": (BROKEN, lambda: png(10, 100, bytes(11 * 50))),
    "png-of-fewer-rows-than-data": ((PNG, 10, 50), lambda: png(10, 50, bytes(11 * 100))),
    "tiff-of-more-rows-than-data": (BROKEN, lambda: tiff(strip(10, 100, 500), bytes(500))),
    "tiff-of-fewer-rows-than-data": ((TIFF, 10, 50), lambda: tiff(strip(10, 50, 1000), bytes(1000))),
    "jpeg-of-more-rows-than-data": ((JPEG, 60, 400), lambda: jpeg_claims(60, 400)),
    "jpeg-of-fewer-rows-than-data": ((JPEG, 60, 16), lambda: jpeg_claims(60, 16)),
    "gif-of-more-rows-than-data": ((GIF, 10, 100), lambda: gif(10, 100)),
    "png-without-palette": (BROKEN, lambda: png(1, 1, PIXEL, color=3)),
    "png-of-colors-beyond-its-palette": ((PNG, 1, 1), lambda: png(1, 1, b"\0\xff", chunk(b"PLTE", b"abc"), color=3)),
    "png-of-7-bits": (BROKEN, lambda: png(1, 1, PIXEL, depth=7)),
    "png-with-a-wrong-checksum": (BROKEN, lambda: png(9, 9, bytes(90)).replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(20)),
    "png-without-data": (BROKEN, lambda: png(9, 9, b"")),
    "jpeg-without-tables": (BROKEN, lambda: picture().replace(b"\xff\xdb", b"\xff\xfe")),
    "jpeg-of-nothing-but-ends": (BROKEN, lambda: b"\xff\xd8\xff\xd9"),
    "webp-that-says-it-is-longer": (BROKEN, lambda: picture("WebP")[:4] + b"\xff\xff\xff\x7f" + picture("WebP")[8:]),
    "avif-named-heic": (BROKEN, lambda: picture("AVIF").replace(b"av01", b"hvc1")),
}

POLYGLOTS: dict[str, Case] = {
    "gif-and-javascript": ((GIF, 0x2A2F, 1), lambda: gif(0x2A2F, 1, (0, 0, 1, 1)) + SCRIPT),
    "jpeg-and-zip": ((JPEG, 60, 40), lambda: picture() + b"PK\3\4" + bytes(60) + b"PK\5\6" + bytes(18)),
    "png-and-html": ((PNG, 1, 1), lambda: png(1, 1, PIXEL, chunk(b"tEXt", b"a\0" + HTML)) + HTML),
    "jpeg-and-php": ((JPEG, 60, 40), lambda: jpeg_with(segment(0xFE, b"<?php system($_GET[0]); ?>"))),
    "jpeg-and-pdf": ((JPEG, 60, 40), lambda: jpeg_with(segment(0xFE, b"%PDF-1.7\n1 0 obj"))),
    "pdf-and-jpeg": (UNSUPPORTED, lambda: b"%PDF-1.7\n" + picture()),
    "html-and-png": (UNSUPPORTED, lambda: HTML + picture("PNG")),
    "script-and-webp": (UNSUPPORTED, lambda: b"#!/bin/sh\n" + picture("WebP")),
    "png-twice": ((PNG, 60, 40), lambda: picture("PNG") * 2),
    "tiff-and-javascript": ((TIFF, 60, 40), lambda: picture("TIFF") + SCRIPT),
}

OTHERS: dict[str, Case] = {"nothing": (BROKEN, lambda: b"")} | {
    name: (UNSUPPORTED, lambda content=content: content)  # type: ignore[misc]
    for name, content in {
        "one-byte": b"\xff",
        "zeros": bytes(10_000),
        "svg": SVG,
        "svg-after-xml": b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + SVG,
        "svg-after-a-mark": b"\xef\xbb\xbf" + SVG,
        "svgz": gzip.compress(SVG),
        "html": HTML,
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file",
        "dos-eps": b"\xc5\xd0\xd3\xc6" + bytes(28),
        "mvg": b"push graphic-context\nviewbox 0 0 9 9\nfill 'url(https://127.0.0.1/)'\npop graphic-context",
        "script": b"#!/bin/sh\nid\n",
        "zip": b"PK\3\4" + bytes(60),
        "ico": picture("ICO"),
        "jpeg-2000": picture("JPEG2000"),
        "tga": picture("TGA"),
        "ppm": picture("PPM"),
        "pcx": picture("PCX"),
        "dds": picture("DDS"),
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(2000),
        "openexr": b"v/1\1" + bytes(60),
        "radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
        "fits": b"SIMPLE  =                    T".ljust(2880),
        "vips": b"\x08\xf2\xa6\xb6" + struct.pack(">IIII", 9, 9, 1, 8) + bytes(200),
        "matlab": b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + bytes(60),
        "nifti": struct.pack("<I", 348) + bytes(340) + b"n+1\0" + bytes(60),
        "mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(60),
        "csv": b"1,2,3\n" * 20,
        "wav": b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\1\0\2\0" + bytes(60),
        "mp3": b"\xff\xfb\x90\x64" + bytes(400),
        "mp3-with-tags": b"ID3\4\0\0\0\0\0\x0a" + bytes(60),
        "aac": b"\xff\xf1\x50\x80" + bytes(60),
        "m4a": b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(60),
        "sound-in-a-container-of-images": b"\0\0\0\x18ftypmsf1\0\0\0\0msf1mp42" + bytes(60),
        "ogg": b"OggS\0\2" + bytes(60),
        "flac": b"fLaC\0\0\0\x22" + bytes(60),
        "aiff": b"FORM\0\0\0\x22AIFFCOMM" + bytes(60),
        "midi": b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + bytes(60),
    }.items()
}

# The types that requirements/formats.txt adds.
OPTIONAL = BROKEN if find_spec("pillow_jxl") else UNSUPPORTED
OTHERS |= {
    "jpeg-xl": (OPTIONAL, lambda: b"\xff\x0a" + bytes(60)),
    "jpeg-xl-boxes": (OPTIONAL, lambda: b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60)),
    "bmp-without-pixels": (OPTIONAL, lambda: picture("BMP")[:60]),
    "heic-of-nothing": (OPTIONAL, lambda: picture("AVIF").replace(b"av1C", b"hvcC").replace(b"ftypavif", b"ftypheic")),
}

KINDS: dict[str, Case] = {
    "gif-animated": ((GIF, 30, 20), lambda: frames("GIF")),
    "webp-animated": ((WEBP, 30, 20), lambda: frames("WebP")),
    "apng": ((PNG, 30, 20), lambda: frames("PNG")),
    "tiff-pages": ((TIFF, 30, 20), lambda: frames("TIFF")),
    "avif-sequence": ((AVIF, 30, 20), lambda: frames("AVIF")),
    "mpo": ((JPEG, 30, 20), lambda: frames("MPO")),
    "jpeg-cmyk": ((JPEG, 9, 9), lambda: encoded(Image.new("CMYK", (9, 9), (1, 2, 3, 4)), "JPEG")),
    "jpeg-gray": ((JPEG, 9, 9), lambda: encoded(Image.new("L", (9, 9)), "JPEG")),
    "jpeg-progressive": ((JPEG, 60, 40), lambda: picture(progressive=True)),
    "jpeg-with-restarts": ((JPEG, 60, 40), lambda: picture(restart_marker_rows=1)),
    "png-16-bit": ((PNG, 9, 9), lambda: encoded(Image.new("I;16", (9, 9), 9), "PNG")),
    "png-gray-alpha": ((PNG, 9, 9), lambda: encoded(Image.new("LA", (9, 9)), "PNG")),
    "png-1-bit": ((PNG, 9, 9), lambda: encoded(Image.new("1", (9, 9)), "PNG")),
    "png-transparent-palette": ((PNG, 9, 9), lambda: encoded(Image.new("P", (9, 9)), "PNG", transparency=0)),
    "webp-lossless-alpha": ((WEBP, 9, 9), lambda: encoded(Image.new("RGBA", (9, 9)), "WebP", lossless=True)),
    "tiff-16-bit": ((TIFF, 9, 9), lambda: encoded(Image.new("I;16", (9, 9)), "TIFF")),
    "tiff-32-bit": ((TIFF, 9, 9), lambda: encoded(Image.new("I", (9, 9)), "TIFF")),
    "tiff-float": ((TIFF, 9, 9), lambda: encoded(Image.new("F", (9, 9), 0.5), "TIFF")),
    "tiff-double": (UNSUPPORTED, lambda: tiff(strip(9, 9, 648, 64, t339=(3, 1, 3)), bytes(648))),
    "tiff-of-nan": ((TIFF, 9, 9), lambda: tiff(strip(9, 9, 324, 32, t339=(3, 1, 3)), b"\xff" * 324)),
    "tiff-1-bit-group-4": ((TIFF, 9, 9), lambda: encoded(Image.new("1", (9, 9)), "TIFF", compression="group4")),
    "tiff-cmyk": ((TIFF, 9, 9), lambda: encoded(Image.new("CMYK", (9, 9)), "TIFF")),
    "tiff-lab": (UNSUPPORTED, lambda: encoded(Image.new("LAB", (9, 9)), "TIFF")),
    "tiff-jpeg": ((TIFF, 60, 40), lambda: picture("TIFF", compression="jpeg")),
    "tiff-lzw": ((TIFF, 60, 40), lambda: picture("TIFF", compression="tiff_lzw")),
    "tiff-big": ((TIFF, 9, 9), lambda: tiff(strip(9, 9, 81), bytes(81), big=True)),
    "tiff-big-endless-directory": (BROKEN, lambda: tiff(strip(9, 9, 81), bytes(81), big=True, following=16)[:300]),
    "tiff-whose-directory-follows-itself": ((TIFF, 9, 9), lambda: tiff(strip(9, 9, 81), bytes(81), following=8)),
    "tiff-whose-sub-directory-is-itself": ((TIFF, 9, 9), lambda: tiff(strip(9, 9, 81, t330=(4, 1, 8)), bytes(81))),
    "tiff-whose-exif-is-itself": ((TIFF, 9, 9), lambda: tiff(strip(9, 9, 81, t34665=(4, 1, 8)), bytes(81))),
    "tiff-directory-outside": (BROKEN, lambda: tiff(strip(9, 9, 81), bytes(81), offset=2**31)),
}

METADATA: dict[str, Case] = {
    **{
        f"orientation-{value}": ((JPEG, 60, 40), lambda value=value: jpeg_exif((0x0112, 3, 1, value)))  # type: ignore[misc]
        for value in (0, 1, 9, 255, 65_535)
    },
    "orientation-6": ((JPEG, 40, 60), lambda: jpeg_exif((0x0112, 3, 1, 6))),
    "orientation-twice": ((JPEG, 60, 40), lambda: jpeg_exif((0x0112, 3, 1, 1), (0x0112, 3, 1, 1))),
    "orientation-as-text": ((JPEG, 60, 40), lambda: jpeg_exif((0x0112, 2, 2, 0x36000000))),
    "orientation-elsewhere": ((JPEG, 60, 40), lambda: jpeg_exif((0x0112, 3, 1000, 2000))),
    "exif-without-entries": ((JPEG, 60, 40), lambda: jpeg_exif()),
    "exif-that-claims-65535-entries": ((JPEG, 60, 40), lambda: jpeg_with(segment(0xE1, exif()[:14] + b"\xff\xff"))),
    "exif-that-follows-itself": ((JPEG, 60, 40), lambda: jpeg_exif((0x0112, 3, 1, 1), following=8)),
    "exif-in-exif": ((JPEG, 60, 40), lambda: jpeg_exif((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8))),
    "exif-of-64-kb": ((JPEG, 60, 40), lambda: jpeg_exif((0x010E, 2, 65_000, 26), also=b"a" * 65_000)),
    "exif-beyond-its-end": ((JPEG, 60, 40), lambda: jpeg_exif((0x010E, 2, 2**32 - 1, 2**32 - 1))),
    "exif-gps": ((JPEG, 60, 40), lambda: jpeg_exif((0x8825, 4, 1, 26), also=b"\0\1\0\1\0\2\0\0\0\2N\0\0\0" + bytes(4))),
    "exif-of-zeros": ((JPEG, 60, 40), lambda: jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(60_000)))),
    "jpeg-broken-profile": ((JPEG, 60, 40), lambda: jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\1" + b"\xff" * 500))),
    "jpeg-profile-of-2-mb": ((JPEG, 60, 40), lambda: jpeg_with(*profiles(2_000_000))),
    "jpeg-profile-that-lacks-parts": ((JPEG, 60, 40), lambda: jpeg_with(*profiles(200_000)[1:3])),
    "png-broken-profile": ((PNG, 60, 40), lambda: picture("PNG", icc_profile=b"\xff" * 500)),
    "webp-broken-profile": ((WEBP, 60, 40), lambda: picture("WebP", icc_profile=b"\xff" * 500)),
    "tiff-broken-profile": ((TIFF, 60, 40), lambda: picture("TIFF", icc_profile=b"\xff" * 500)),
    "avif-broken-profile": ((AVIF, 60, 40), lambda: picture("AVIF", icc_profile=b"\xff" * 500)),
    "xmp-entities": (
        (JPEG, 60, 40),
        lambda: jpeg_with(segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>')),
    ),
}

CASES = BOMBS | EXTREMES | LIES | POLYGLOTS | OTHERS | KINDS | METADATA
