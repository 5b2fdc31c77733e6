"""BMP, HEIC, JPEG XL and camera RAW: each is read in the sandbox, or the answer says why not."""

import base64
import importlib.util
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from PIL import Image

from app import settings
from app.decoder.attempt import Attempt
from app.decoder.client import Codec
from app.decoder.formats import EXTENSIONS, OPTIONAL
from app.errors import LargeImageError, RejectedImageError
from tests.support.colors import ALPHA, BASE, HEIGHT, SRGB, WIDTH, encoded, exif, jpeg
from tests.support.hostile import segment

HAS_PLUGINS = importlib.util.find_spec("pi_heif") is not None and importlib.util.find_spec("pillow_jxl") is not None
if HAS_PLUGINS:
    importlib.import_module("pillow_jxl")  # so that Pillow can write JPEG XL, whichever test is the first
needs_plugins = pytest.mark.skipif(not HAS_PLUGINS, reason="requirements/formats.txt is not installed")

# 64 x 64 pixels of red, green, blue and white, each a quarter. No library of the tests writes HEIC.
HEIC = zlib.decompress(
    base64.b64decode(
        "eNpjYGCQSSupLMhIzUxmAILczDRDEDs3MzGNgYExLDe1JJEBAhQzUnKKoGyGgszkEgY0oJSZkw82xMWBgREIgYCxCkIDgR0QK2dm5qWB"
        "eSBRUSAnlQnKyyhLNgQx+QoyS3LhSq5lFhQVAOntmQXJ+UC6AqjMmZEZJDQBrEjuA8Ofvz9+MDDwMycAdUg4MPIw/v8PUsAMUsEMQnK7"
        "mBwSgZLaToyMaDILFBpZp73y1FyXxyTFwwESOgEiOBySgOrZXRgPFm1QcgBaI5ycn1OUl5xTARTmZWBrAAqJZBYXpEL95gDFAgWZFZkg"
        "AWYODqBpDOKZBbmw4AOGCEsjEzMLkOmWm5IICj0rDcb1nA8ULUvj///JtP//+xe/4u8fx9PnVccrFPf//7N+b4/9v8VKzD/ZP/1/2rYq"
        "+f/PM1NevtjfsG/+fgUA9fZi7Q=="
    )
)


def rational(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def raw_tiff(
    *also: bytes, make: bytes = b"", magic: bytes = b"II*\0", orientation: int = 1, inside: bytes = b""
) -> bytes:
    """Return a TIFF whose first directory is a thumbnail, and which has other data behind it."""
    make_at, strip_at = 400, 500
    entries = [
        rational(256, 4, 1, 8), rational(257, 4, 1, 8), rational(258, 3, 1, 8), rational(259, 3, 1, 1),
        rational(262, 3, 1, 1), rational(271, 2, 20, make_at), rational(273, 4, 1, strip_at),
        rational(274, 3, 1, orientation),
        rational(277, 3, 1, 1), rational(278, 4, 1, 8), rational(279, 4, 1, 64), *also,
    ]  # fmt: skip
    head = magic + struct.pack("<IH", 8, len(entries)) + b"".join(sorted(entries)) + bytes(4)
    if magic[:2] == b"II" and len(magic) > 4:
        head = magic[:4] + struct.pack("<I", 16) + magic[4:] + bytes(16 - 4 - len(magic)) + head[len(magic) + 4 :]
    return (head.ljust(make_at, b"\0") + make).ljust(strip_at, b"\0") + bytes(64) + inside + bytes(100)


RATED = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <r:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></r:RDF></x:xmpmeta>"""
SUB_IFD = rational(330, 4, 1, 8)  # the same directory
DNG = rational(50706, 1, 4, 0x0401)
SMALL, LOSSLESS = (
    encoded("JPEG", BASE.resize((32, 24))),
    encoded("JPEG", BASE.resize((400, 300))).replace(b"\xff\xc0", b"\xff\xc3", 1),
)
INSIDE = SMALL + jpeg() + LOSSLESS + SMALL


def sensor(make: bytes) -> bytes:
    """Return a RAW of a maker whose RAWs are TIFFs: a directory has what the sensor saw."""
    plain = raw_tiff(make=make, inside=INSIDE)
    return plain.replace(rational(262, 3, 1, 1), rational(262, 3, 1, 32803))


RAWS = {
    "dng": lambda: raw_tiff(DNG, inside=INSIDE),
    "nef": lambda: sensor(b"NIKON CORPORATION"),
    "arw": lambda: sensor(b"SONY"),
    "cr2": lambda: (plain := raw_tiff(inside=INSIDE))[:4] + struct.pack("<I", 20) + b"CR\2\0" + bytes(8) + plain[8:],
    "cr3": lambda: b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(200) + INSIDE,
    "orf": lambda: raw_tiff(magic=b"IIRO", inside=INSIDE),
    "rw2": lambda: raw_tiff(magic=b"IIU\0", inside=INSIDE),
    "raf": lambda: b"FUJIFILMCCD-RAW 0201FF383501" + bytes(200) + INSIDE,
}


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    with Codec(1_000_000, 60) as codec:
        yield codec


def picture_of(codec: Codec, content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(codec.thumbnail(content, 320, "image/webp"))).convert("RGBA")


def refusal(codec: Codec, content: bytes) -> RejectedImageError:
    with pytest.raises(RejectedImageError) as refused:
        codec.measure(content)
    with pytest.raises(RejectedImageError):
        codec.thumbnail(content, 160, "image/webp")
    return refused.value


def close(one: Image.Image, other: Image.Image) -> bool:
    pairs = zip(one.convert("RGB").reduce(8).tobytes(), other.convert("RGB").reduce(8).tobytes(), strict=True)
    return max(abs(a - b) for a, b in pairs) < 25


def test_the_settings_name_all_of_them() -> None:
    assert tuple(OPTIONAL) == settings.FORMATS
    assert {type for types in OPTIONAL.values() for type in types} < set(EXTENSIONS)


@pytest.mark.parametrize("name", RAWS)
def test_a_raw_is_its_largest_jpeg(name: str, codec: Codec) -> None:
    content = RAWS[name]()

    measured = codec.measure(content)

    assert (EXTENSIONS[measured.content_type], *measured[1:]) == (name, WIDTH, HEIGHT)
    assert close(picture_of(codec, content), BASE)


def test_a_raw_is_turned_as_its_file_says_or_as_its_jpeg_says(codec: Codec) -> None:
    turned = jpeg(segment(0xE1, exif(6)))
    for content in (raw_tiff(DNG, orientation=6, inside=jpeg()), raw_tiff(DNG, orientation=3, inside=turned)):
        assert codec.measure(content)[1:] == (HEIGHT, WIDTH)
        assert close(picture_of(codec, content), BASE.transpose(Image.Transpose.ROTATE_270))


def test_a_cr3_is_turned_as_its_first_directory_says(codec: Codec) -> None:
    directory = raw_tiff(orientation=6)[:500]
    content = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + struct.pack(">I4s", 8 + len(directory), b"CMT1") + directory

    assert codec.measure(content + jpeg())[1:] == (HEIGHT, WIDTH)
    assert close(picture_of(codec, content + jpeg()), BASE.transpose(Image.Transpose.ROTATE_270))


def test_what_is_no_preview_is_not_shown(codec: Codec) -> None:
    """Neither bytes of a sensor that begin as a JPEG by chance, nor the tiles of a sensor, which are JPEGs."""
    by_chance = b"\xff\xd8\xff\xc0\xf1\xe2\xd3\xc4\xb5\xa6\x97" + bytes(range(100))
    tile = encoded("JPEG", BASE.resize((400, 300)))
    tiles = rational(322, 3, 1, 400), rational(323, 3, 1, 300)
    for content in (raw_tiff(DNG, inside=by_chance + jpeg()), raw_tiff(DNG, *tiles, inside=tile + jpeg() + tile)):
        assert codec.measure(content)[1:] == (WIDTH, HEIGHT)
        assert close(picture_of(codec, content), BASE)


def test_a_raw_has_the_xmp_of_its_file(codec: Codec) -> None:
    packet = RATED
    plain = raw_tiff(DNG, rational(700, 1, len(packet), 0), inside=jpeg())
    dng = plain.replace(rational(700, 1, len(packet), 0), rational(700, 1, len(packet), len(plain))) + packet
    uuid = b"uuid\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac"
    box = struct.pack(">I", 4 + len(uuid) + len(packet)) + uuid + packet

    for content in (dng, b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + box + bytes(100) + jpeg()):
        assert codec.read(content).capture["rating"] == 4


def test_a_raw_of_another_maker_is_unsupported(codec: Codec) -> None:
    phase_one = raw_tiff()[:4] + struct.pack("<I", 20) + b"IIII" + bytes(8) + raw_tiff()[8:]
    pentax, refused = refusal(codec, sensor(b"PENTAX")), refusal(codec, phase_one)

    assert pentax.detail == refused.detail
    assert refused.kind == "unsupported-image"
    assert refused.detail == "Camera RAW of this maker is not supported. Convert the image to PNG or JPEG."


def test_an_ordinary_tiff_of_a_camera_maker_is_a_tiff(codec: Codec) -> None:
    assert codec.measure(raw_tiff(make=b"NIKON CORPORATION", inside=INSIDE)) == ("image/tiff", 8, 8)


def test_a_raw_without_a_jpeg_is_unsupported(codec: Codec) -> None:
    refused = refusal(codec, raw_tiff(DNG))

    assert refused.kind == "unsupported-image"
    assert refused.detail == "This camera RAW has no JPEG inside. Convert the image to PNG or JPEG."


def test_a_cut_raw_is_broken(codec: Codec) -> None:
    with pytest.raises(RejectedImageError) as refused:
        codec.measure(raw_tiff(DNG, inside=jpeg())[:-1000])

    assert refused.value.kind == "broken-image"


@needs_plugins
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA"])
def test_a_bmp_is_read(mode: str, codec: Codec) -> None:
    image = ALPHA if mode == "RGBA" else BASE.convert(mode)
    content = encoded("BMP", image)

    assert codec.measure(content) == ("image/bmp", WIDTH, HEIGHT)
    assert close(picture_of(codec, content), image.convert("RGB"))


def twelve_bits() -> bytes:
    """Return a BMP with four bits for each color."""
    header = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 3, 8, 0, 0, 0, 0) + struct.pack("<III", 0xF00, 0xF0, 0xF)
    return b"BM" + struct.pack("<IHHI", 74, 0, 0, 66) + header + bytes(8)


def two_grays() -> bytes:
    """Return a TIFF with four bits for gray and four for something else."""
    plain = raw_tiff().replace(rational(258, 3, 1, 8), rational(258, 3, 1, 4))
    return plain.replace(rational(277, 3, 1, 1), rational(277, 3, 1, 2))


def lossless() -> bytes:
    """Return a JPEG that says that it has no loss, as scanners of medicine write."""
    return jpeg().replace(b"\xff\xc0", b"\xff\xc3", 1)


def deep() -> bytes:
    """Return a JPEG with 12 bits for each color."""
    return jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c", 1)


@pytest.mark.parametrize("make", [pytest.param(twelve_bits, marks=needs_plugins), two_grays, lossless, deep])
def test_a_rare_kind_is_unsupported_and_not_damaged(make: Callable[[], bytes], codec: Codec) -> None:
    refused = refusal(codec, make())

    assert refused.kind == "unsupported-image"
    assert refused.detail.endswith(" is not supported. Convert it to PNG or JPEG.")


@needs_plugins
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"use_container": True}, {"icc_profile": SRGB}])
def test_a_jpeg_xl_is_read(options: dict[str, Any], codec: Codec) -> None:
    content = encoded("JXL", **options)

    assert codec.measure(content) == ("image/jxl", WIDTH, HEIGHT)
    assert close(picture_of(codec, content), BASE)


@needs_plugins
def test_the_xmp_of_a_jpeg_xl_is_read(codec: Codec) -> None:
    content = encoded("JXL", use_container=True) + struct.pack(">I4s", 8 + len(RATED), b"xml ") + RATED

    assert codec.read(content).capture == {"rating": 4}
    assert codec.read(encoded("JXL", use_container=True) + b"\0\0\0\1xml ").capture == {}  # a box that is cut


@needs_plugins
def test_a_jpeg_xl_keeps_what_is_transparent(codec: Codec) -> None:
    assert picture_of(codec, encoded("JXL", ALPHA)).getchannel("A").tobytes()[0] < 3


@needs_plugins
def test_a_heic_is_read(codec: Codec) -> None:
    assert codec.measure(HEIC) == ("image/heic", 64, 64)
    red, green, blue, _ = (band.resize((2, 2)).tobytes() for band in picture_of(codec, HEIC).split())
    assert (red[0] > blue[0], green[1] > red[1], blue[2] > red[2]) == (True, True, True)


@needs_plugins
@pytest.mark.parametrize("format", ["BMP", "JXL", "HEIC"])
def test_a_cut_one_is_broken_and_the_answer_says_so_in_plain_words(format: str, codec: Codec) -> None:
    whole = HEIC if format == "HEIC" else encoded(format)
    for length in (len(whole) // 2, len(whole) - 20):
        refused = refusal(codec, whole[:length])

        assert refused.kind == "broken-image"
        assert refused.detail.endswith(" is damaged, or its end is missing.")


@needs_plugins
@pytest.mark.parametrize("format", ["BMP", "JXL"])
def test_one_with_too_many_pixels_is_rejected_and_a_small_attempt_leaves_it(format: str) -> None:
    content = encoded(format)
    with Codec(WIDTH * HEIGHT - 1, 60) as codec:
        assert refusal(codec, content).kind == "too-many-pixels"
    with Codec(WIDTH * HEIGHT, 60) as codec:
        attempt = Attempt(small=True)
        attempt.pixels = WIDTH * HEIGHT - 1
        for decode in (codec.measure, partial(codec.thumbnail, size=160, format="image/webp")):
            with pytest.raises(LargeImageError):
                decode(content, attempt=attempt)


def test_one_that_is_switched_off_is_unsupported_and_the_answer_says_so() -> None:
    with Codec(1_000_000, 60, ["bmp"]) as codec:
        refused = refusal(codec, RAWS["dng"]())
        unknown = refusal(codec, b"text")

    assert refused.kind == unknown.kind == "unsupported-image"
    assert refused.detail == "Camera RAW is switched off here. Convert the image to PNG or JPEG."
    assert unknown.detail.endswith("TIFF, AVIF or BMP.")


def test_one_whose_library_is_missing_is_unsupported_and_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from app.decoder import optional_formats

    monkeypatch.setattr(optional_formats, "installed", {"raw": ""})
    with pytest.raises(RejectedImageError, match=r"^BMP is not installed here\. Convert the image to PNG or JPEG\.$"):
        optional_formats.read(memoryview(encoded("BMP")), 1_000_000, None, ["bmp"])
