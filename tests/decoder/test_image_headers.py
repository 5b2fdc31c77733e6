"""Headers that libvips does not read: any data give an answer and no error."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decoder import color_encoding, headers
from app.decoder.color_encoding import PRIMARIES, TRANSFERS
from app.decoder.headers import Frame
from tests.support.colors import BASE, avif, cicp, encoded, gamma, gif, png
from tests.support.hostile import chunk
from tests.support.properties import settings

SAMPLES = {"PNG": png(gamma(0.5), cicp(9, 16)), "AVIF": avif(9, 16, 9), "GIF": gif()}
READERS: list[Callable[[memoryview], object]] = [
    lambda data: color_encoding.of_png(headers.png_colors(data)),
    lambda data: color_encoding.of_heif(headers.heif_properties(data, b"colr")),
    headers.is_gray_heif,
    headers.gif_frame,
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


def test_only_the_properties_of_the_primary_picture_count() -> None:
    """The alpha of an AVIF is a gray picture of its own."""
    content = memoryview(encoded("AVIF", BASE.convert("RGBA")))

    assert not headers.is_gray_heif(content)
    assert len(headers.heif_properties(content, b"colr")) == 1


def test_chunks_behind_the_pixels_do_not_count() -> None:
    plain = encoded("PNG")

    assert headers.png_colors(memoryview(plain[:-12] + chunk(b"gAMA", bytes(4)) + plain[-12:])) == {}
