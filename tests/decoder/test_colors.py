"""Thumbnails have the colors that a browser shows."""

import io
import math
from collections.abc import Iterator

import pytest
from PIL import Image, ImageStat

from app.decoder.client import Codec
from tests.support.browser import chromium, needs_chromium
from tests.support.colors import BASE, NOT_SHOWN, SHOWN, decoded, encoded, exif, show

pytestmark = needs_chromium

MEAN = 2.5  # of 255, by which the mean of a color may differ
CORRELATION = 0.997
# Profiles with tables give libraries room: Chromium makes their black lighter.
WIDER = {
    "jpeg-inks-profile": (4.0, 0.99),
    "jpeg-version-4-profile": (6.0, 0.995),
    "png-version-4-profile": (6.0, 0.995),
}


@pytest.fixture(scope="module")
def looks() -> Iterator[dict[str, Image.Image]]:
    """Return the pictures that Chromium shows, by name."""
    files = {name: make() for name, make in SHOWN.items()} | {"": encoded("PNG")}
    with chromium("--force-color-profile=srgb") as browser:
        yield show(browser.new_page(), files)


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    with Codec(1_000_000, 60) as codec:
        yield codec


def differs(name: str, one: Image.Image, other: Image.Image) -> str:
    """Return how much two pictures differ, or nothing if they look the same."""
    if one.size != other.size:
        return f"{one.size} is not {other.size}"
    mean, correlation = WIDER.get(name, (MEAN, CORRELATION))
    stats = ImageStat.Stat(one), ImageStat.Stat(other)
    apart = [a - b for a, b in zip(*(stat.mean for stat in stats), strict=True)]
    contrast = [a - b for a, b in zip(*(stat.stddev for stat in stats), strict=True)]
    found = _correlation(one.tobytes(), other.tobytes())
    if max(map(abs, apart + contrast)) < mean and found > correlation:
        return ""
    return f"means by {apart}, contrasts by {contrast}, correlation {found}"


def _correlation(one: bytes, other: bytes) -> float:
    mean, mean_other = sum(one) / len(one), sum(other) / len(other)
    product = sum((a - mean) * (b - mean_other) for a, b in zip(one, other, strict=True))
    return product / math.sqrt(sum((a - mean) ** 2 for a in one) * sum((b - mean_other) ** 2 for b in other))


@pytest.mark.parametrize("name", SHOWN)
def test_a_thumbnail_looks_as_the_picture_in_a_browser(name: str, looks: dict[str, Image.Image], codec: Codec) -> None:
    content = SHOWN[name]()

    thumbnail = codec.thumbnail(content, 320, "image/webp")

    assert codec.measure(content)[1:] == Image.open(io.BytesIO(thumbnail)).size
    assert not differs(name, decoded(thumbnail), looks[name])


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_a_thumbnail_of_what_browsers_do_not_show_looks_as_the_same_picture(
    name: str, looks: dict[str, Image.Image], codec: Codec
) -> None:
    thumbnail = codec.thumbnail(NOT_SHOWN[name](), 320, "image/webp")

    assert not differs(name, decoded(thumbnail), looks[""])


def test_a_webp_with_an_orientation_is_upright(looks: dict[str, Image.Image], codec: Codec) -> None:
    """Chromium shows it as it is stored."""
    thumbnail = codec.thumbnail(encoded("WebP", exif=exif(6)), 320, "image/webp")

    assert not differs("", decoded(thumbnail), looks[""].transpose(Image.Transpose.ROTATE_270))


def test_the_test_sees_a_difference(looks: dict[str, Image.Image]) -> None:
    assert differs("", looks[""], looks["png-gamma-1"])
    assert differs("", looks[""], decoded(encoded("PNG", BASE.rotate(180))))
