import io
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import pyvips
from PIL import Image, ImageOps

from app.decoder import attempt, vips
from app.decoder.attempt import Attempt
from app.decoder.client import Codec
from app.decoder.formats import Measure, ThumbnailType
from app.decoder.vips import MAX_SIDE
from app.errors import LargeImageError, RejectedImageError
from tests.support.hostile import png
from tests.support.pictures import picture, turned, unspeakable

PIXELS = 1_000_000


Measured = Callable[[bytes], Measure]


@pytest.fixture(scope="module", params=["memory", "file"])
def measured(request: pytest.FixtureRequest) -> Iterator[Measured]:
    """The decoder, which gets the bytes in memory or in a file."""
    with Codec(PIXELS, 30) as codec:

        def from_file(content: bytes) -> Measure:
            with tempfile.TemporaryFile() as file:
                file.write(content)
                return codec.measure(file)

        yield codec.measure if request.param == "memory" else from_file


def refusal(measured: Measured, content: bytes) -> str:
    with pytest.raises(RejectedImageError) as refused:
        measured(content)
    return refused.value.kind


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "TIFF", "AVIF"])
def test_orientation_turns_every_format_that_has_it(measured: Measured, format: str) -> None:
    for orientation in range(1, 9):
        content = turned(orientation, format)

        displayed = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))

        assert measured(content)[1:] == displayed.size, orientation


def test_an_image_at_the_limit_of_pixels_is_accepted(measured: Measured) -> None:
    assert measured(picture("PNG", (1000, 1000)))[1:] == (1000, 1000)
    assert refusal(measured, picture("PNG", (1000, 1001))) == "too-many-pixels"


@pytest.mark.parametrize("size", [(100_000_000, 1), (1, 10_000_000), (1, MAX_SIDE + 1)])
def test_an_image_with_a_side_that_takes_too_long_is_rejected(size: tuple[int, int]) -> None:
    """An image that is accepted has a thumbnail. Only the header is read, so the data may be missing."""
    with Codec(100_000_000, 30) as codec, pytest.raises(RejectedImageError) as refused:
        codec.measure(png(*size))

    assert refused.value.kind == "too-many-pixels"
    assert refused.value.detail == f"{size[0]} x {size[1]} pixels exceed the limit of 1000000 for one side."


@pytest.mark.parametrize("size", [(MAX_SIDE, 1), (1, MAX_SIDE)])
def test_an_image_with_the_longest_side_has_a_thumbnail_and_a_color(size: tuple[int, int]) -> None:
    with Codec(100_000_000, 60) as codec:
        content = png(*size, bytes((1 + (size[0] + 7) // 8) * size[1]), depth=1)

        found = codec.read(content)

        assert (found.measure[1:], found.color) == (size, "#000000")
        assert codec.thumbnail(content, 160, "image/webp")


@pytest.mark.parametrize("format", ["image/avif", "image/webp", "image/jpeg"])
def test_the_thumbnail_of_a_small_picture_keeps_the_color_of_each_pixel(format: ThumbnailType) -> None:
    image = Image.new("RGB", (64, 48))
    image.putdata([((255, 0, 0), (0, 90, 255))[(x + y) % 2] for y in range(48) for x in range(64)])
    file = io.BytesIO()
    image.save(file, "PNG")
    vips.prepare()

    made = Image.open(io.BytesIO(vips.thumbnail(memoryview(file.getvalue()), 160, format, PIXELS)))

    pairs = zip(made.convert("RGB").tobytes(), image.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 32


def test_the_first_picture_of_an_animation_is_measured(measured: Measured) -> None:
    frames = [Image.new("P", (30, 20), color) for color in (1, 2, 3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    assert measured(file.getvalue()) == ("image/gif", 30, 20)


def test_a_metadata_field_whose_name_is_not_text_does_no_harm(measured: Measured) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    content = picture("AVIF", exif=exif).replace(b"Exif", b"E\xffif", 1)

    assert measured(content) == ("image/avif", 60, 40)


def test_images_measured_at_the_same_time_do_not_mix(measured: Measured) -> None:
    contents = [b"text", picture("JPEG")[:500], unspeakable(), picture("PNG")]
    expected = ["unsupported-image", *["broken-image"] * 2, ("image/png", 60, 40)]

    def outcome(content: bytes) -> object:
        try:
            return measured(content)
        except RejectedImageError as error:
            return error.kind

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(outcome, contents * 100)) == expected * 100


END = b"\xff\xd9"


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_is_rejected(measured: Measured, progressive: bool) -> None:
    """An end inside a segment, such as that of a preview, does not count. Bytes after the end are ignored."""
    plain = picture(size=(1000, 700), progressive=progressive, quality=95)
    whole = plain[:2] + segment(0xE1, END * 100) + b"\xff" + segment(0xFE, b"") + plain[2:]

    assert measured(whole) == measured(whole + b"\0" * 1000) == ("image/jpeg", 1000, 700)
    for length in (len(whole) - 10, len(whole) - 100, len(whole) // 2, 2 * len(whole) // 3):
        assert refusal(measured, whole[:length]) == "broken-image"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 100}, {"restart_marker_rows": 1}]
)
def test_a_jpeg_that_lacks_only_the_marker_of_its_end_is_a_picture(options: dict[str, Any]) -> None:
    whole = picture(size=(100, 70), **options)
    with Codec(PIXELS, 30) as codec:
        expected = codec.thumbnail(whole, 160, "image/webp")
        for content in (whole[:-2], whole[:-1], whole[:-2] + b"SEFH trailer", whole[:-2] + bytes(100)):
            assert codec.measure(content) == ("image/jpeg", 100, 70)
            assert codec.thumbnail(content, 160, "image/webp") == expected


@pytest.mark.parametrize(
    ("format", "options", "is_large"),
    [
        ("JPEG", {}, False),
        ("JPEG", {"progressive": True}, True),
        ("PNG", {}, True),
        ("WebP", {}, True),
        ("GIF", {}, True),
        ("TIFF", {}, True),
        ("AVIF", {}, True),
    ],
)
def test_a_small_attempt_reads_only_the_header_of_a_large_image(
    format: str, options: dict[str, Any], is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A JPEG that is not progressive is decoded in parts, whatever its size."""
    content = picture(format, (60, 40), **options)
    with Codec(PIXELS, 30) as codec:
        for pixels in (60 * 40, 60 * 40 - 1):
            monkeypatch.setattr(attempt, "SMALL_PIXELS", pixels)
            for decode in (codec.measure, partial(codec.thumbnail, size=160, format="image/webp")):
                with pytest.raises(LargeImageError) if is_large and pixels < 60 * 40 else nullcontext():
                    assert decode(content, attempt=Attempt(small=True))
        assert codec.measure(content)[1:] == (60, 40)


@pytest.mark.parametrize(
    "said",
    [
        "heif: Invalid input: Unspecified: Memory allocation error (2.0)",
        "heif: Memory allocation error: Unspecified: Allocating 100000015 bytes failed (6.0)",
        "vips_tracked: out of memory --- size == 800MB",
    ],
)
def test_a_lack_of_memory_is_not_called_damage(said: str) -> None:
    with pytest.raises(MemoryError):
        vips.broken(pyvips.Error("unable to call avg", said), memoryview(b"\0\0\0 ftypavif"))
