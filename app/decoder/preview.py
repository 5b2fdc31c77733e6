"""Tiny picture of an image, some pixels wide, and what is seen in it: the ThumbHash and the dominant color."""

from __future__ import annotations

import pyvips

from app.decoder.thumbhash import dominant_color, thumbhash

SIDE = 16  # pixels of the longer side. With more, the lowest frequencies hardly differ.
COARSE_SIDE = 4 * SIDE  # of a first step, in whole pixels. The second step makes the edges count as the rest.
SHRUNK = "is-shrunk"  # field of a tiny picture
FLOATS = {"float", "double", "complex", "dpcomplex"}
INSIDE = "jpeg-thumbnail-data"
MAX_INSIDE = 1000  # pixels of a side of the thumbnail in a JPEG
MAX_ASPECT_ERROR = 0.02  # Some cameras add black bars to the thumbnail, and some editors leave that of another picture.


def shrunk(image: pyvips.Image) -> pyvips.Image:
    """Return the tiny picture in memory. All of the image is decoded. Raises pyvips.Error if that fails."""
    if image.format in FLOATS and image.interpretation != "scrgb":
        image = image.cast("uchar")  # there is no mean if a number may be NaN
    format = image.format
    if image.hasalpha():
        image = image.premultiply()
    factor = max(1, max(image.width, image.height) // COARSE_SIDE)
    image = image.shrink(min(factor, image.width), min(factor, image.height), ceil=True).copy_memory()
    image = _resized(image)
    if image.hasalpha():
        image = image.unpremultiply().cast(format)
    image = image.copy_memory()
    image.set_type(pyvips.GValue.gint_type, SHRUNK, 1)
    return image


def _resized(image: pyvips.Image) -> pyvips.Image:
    scale = SIDE / max(image.width, image.height)
    return image.resize(scale, vscale=max(scale, 1 / image.height), kernel="linear") if scale < 1 else image


def of_jpeg(image: pyvips.Image) -> pyvips.Image | None:
    """Return the tiny picture of a JPEG, from the thumbnail in its EXIF, which cameras write. Without one return None.

    The JPEG itself is not decoded: 350 KB would take 6 ms of CPU, twice as much as the rest of the upload.
    The thumbnail is decoded when its pixels are read, once: libvips starts threads for each reading, which take 0.5 ms.
    """
    try:
        if image.get_typeof(INSIDE):
            inside = pyvips.Image.jpegload_buffer(image.get(INSIDE), access="sequential")
            if max(inside.width, inside.height) <= MAX_INSIDE and _is_alike(inside, image):
                # The colors are meant as in the picture: the thumbnail has no profile.
                return _with_profile(_resized(inside), image)
    except pyvips.Error:
        pass  # the picture has a size without it, too
    return None


def _is_alike(inside: pyvips.Image, image: pyvips.Image) -> bool:
    return bool(abs(inside.width * image.height / (inside.height * image.width) - 1) <= MAX_ASPECT_ERROR)


def _with_profile(tiny: pyvips.Image, image: pyvips.Image) -> pyvips.Image:
    if image.get_typeof("icc-profile-data") and image.interpretation == tiny.interpretation:
        tiny = tiny.copy()
        tiny.set_type(pyvips.GValue.blob_type, "icc-profile-data", image.get("icc-profile-data"))
    return tiny


def look(tiny: pyvips.Image, orientation: int, intent: str) -> tuple[str, bytes]:
    """Return the dominant color and the ThumbHash of a tiny picture. Raises pyvips.Error."""
    if tiny.get_typeof("icc-profile-data"):
        tiny = tiny.icc_transform("srgb", embedded=True, intent=intent)
    if tiny.interpretation not in {"srgb", "rgb"}:
        tiny = tiny.colourspace("srgb")
    if orientation in range(2, 9):
        tiny = tiny.copy_memory()
        tiny.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        tiny = tiny.autorot()
    if tiny.format != "uchar":
        tiny = tiny.cast("uchar")
    pixels = bytes(tiny.write_to_memory())
    if tiny.bands == 3:  # each operation of libvips costs 0.1 ms, so this is done here
        opaque = bytearray(b"\xff" * (tiny.width * tiny.height * 4))
        for band in range(3):
            opaque[band::4] = pixels[band::3]
        pixels = bytes(opaque)
    return dominant_color(pixels), thumbhash(tiny.width, tiny.height, pixels)
