"""Headers that libvips does not read: any data give an answer and no error."""

import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.decoder import apng as apng_reader
from app.decoder import av1, color_encoding, headers, heif, profiles
from app.decoder.color_encoding import PRIMARIES, TRANSFERS
from app.decoder.headers import Frame
from tests.support.colors import BASE, apng, avif, cicp, encoded, gamma, gif, jpeg, png
from tests.support.hostile import chunk, segment
from tests.support.properties import settings

GUID, MORE_XMP = b"A" * 32, b"http://ns.adobe.com/xmp/extension/\0"
SAMPLES = {
    "PNG": png(gamma(0.5), cicp(9, 16)),
    "APNG": apng(),
    "AVIF": avif(9, 16, 9),
    "GIF": gif(),
    "JPEG": jpeg(
        segment(0xE1, headers.JPEG_XMP + b"<x HasExtendedXMP='" + GUID),
        segment(0xE1, MORE_XMP + GUID + struct.pack(">II", 9, 0) + b"<an:xmp/>"),
    ),
}
READERS: list[Callable[[memoryview], object]] = [
    lambda data: color_encoding.of_png(headers.png_colors(data)),
    lambda data: color_encoding.of_heif(heif.properties(data, b"colr")),
    heif.is_gray,
    av1.color_box,
    av1.has_limited_alpha,
    lambda data: profiles.is_usable(bytes(data)),
    headers.gif_frame,
    headers.gif_xmp,
    headers.jpeg_xmp,
    apng_reader.find_frame,
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a file of which some bytes are others, or the end is missing."""
    content = bytearray(draw(st.sampled_from(sorted(SAMPLES.values())))[:700])
    for _ in range(draw(st.integers(0, 8))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))])


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=200), damaged()))
def test_any_data_give_an_answer(content: bytes) -> None:
    for read in READERS:
        read(memoryview(content))


@settings(max_examples=200)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8), st.integers(0, 2**32 - 1))
def test_any_primaries_give_a_matrix_or_none(numbers: list[int], gamma: int) -> None:
    chunks = {b"gAMA": struct.pack(">I", gamma), b"cHRM": struct.pack(">8i", *numbers)}

    encoding = color_encoding.of_png(chunks)

    assert encoding is None or encoding.light(0.5) >= 0


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_light_grows_with_the_signal(transfer: int) -> None:
    lights = [TRANSFERS[transfer](step / 255) for step in range(256)]

    assert lights == sorted(lights)
    assert lights[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("number", PRIMARIES)
def test_white_stays_white(number: int) -> None:
    matrix = color_encoding._to_linear_srgb(PRIMARIES[number])

    assert [sum(row) for row in matrix] == pytest.approx([1, 1, 1])


def test_a_gif_tells_the_area_of_its_first_frame() -> None:
    assert headers.gif_frame(memoryview(gif())) == Frame(0, 0, *BASE.size)


def test_the_first_frame_of_an_animated_png_is_a_png() -> None:
    content = apng(chunk(b"tEXt", b"Title\0Sea"))
    is_frame = png(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", bytes(26)), image=content)
    found = apng_reader.find_frame(memoryview(content))

    assert found is not None
    with Image.open(io.BytesIO(found[0])) as frame:
        assert (found[1], frame.tobytes(), frame.info) == (Frame(10, 15, *BASE.size), BASE.tobytes(), {"Title": "Sea"})
    wrong = [content.replace(b"acTL\0\0\0\1", b"acTL" + number) for number in (bytes(4), b"\x80\0\0\1")]
    for other in (png(), is_frame, *wrong):
        assert apng_reader.find_frame(memoryview(other)) is None


def test_only_the_properties_of_the_primary_picture_count() -> None:
    """The alpha of an AVIF is a gray picture of its own."""
    content = memoryview(encoded("AVIF", BASE.convert("RGBA")))

    assert not heif.is_gray(content)
    assert len(heif.properties(content, b"colr")) == 1


def test_chunks_behind_the_pixels_do_not_count() -> None:
    plain = encoded("PNG")

    assert headers.png_colors(memoryview(plain[:-12] + chunk(b"gAMA", bytes(4)) + plain[-12:])) == {}
