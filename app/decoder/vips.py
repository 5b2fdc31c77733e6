"""Measure images and make thumbnails with libvips, in the decoder process."""

from __future__ import annotations

import logging
import re
import struct
from mmap import mmap

import pyvips

from app.decoder.formats import EXTENSIONS, ContentType, Measure, ThumbnailType
from app.errors import LargeImageError, RejectedImageError

Data = memoryview | mmap

LIBVIPS = ".".join(str(pyvips.version(part)) for part in range(3))

# The loaders of libvips that may run, and the media type that each reads. All others stay blocked: SVG, which may
# contain scripts, and formats that a later libvips learns to read.
LOADERS: dict[str, ContentType] = {
    "jpegload_source": "image/jpeg",
    "pngload_source": "image/png",
    "webpload_source": "image/webp",
    "gifload_source": "image/gif",
    "tiffload_source": "image/tiff",
    "heifload_source": "image/avif",
}
CLASSES = ("Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif")

AVIF_SEQUENCE = b"ftypavis"  # an animation: libvips reads its first picture, but does not recognize the format
# The first bytes of the supported formats, even if no loader accepts the image.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|II[*+]\0|MM\0[*+]|....ftypavi[fs]", re.DOTALL
)
# These loaders have to read the whole picture for a thumbnail. From the first two, libvips would use another page or an
# embedded preview if it takes them for smaller copies. Of a GIF it would use only the area that the frames cover.
WHOLE_PICTURE_LOADERS = {"tiffload_source", "heifload_source", "gifload_source"}
FLOATS = {"float", "double", "complex", "dpcomplex"}

# The saver of libvips for each format, and its options. With more effort, WebP and AVIF take longer than all the rest.
SAVERS: dict[ThumbnailType, tuple[str, dict[str, object]]] = {
    "image/avif": ("heifsave_buffer", {"compression": "av1", "Q": 60, "effort": 0}),
    "image/webp": ("webpsave_buffer", {"Q": 80, "effort": 2}),
    "image/jpeg": ("jpegsave_buffer", {"Q": 80, "optimize_coding": True}),
}

# The beginning of a segment of a JPEG. FF00 is data, FFD0 to FFD7 are marks in it, FF01 and FFD8 have no length, FF is
# padding.
MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
END_OF_IMAGE = b"\xd9"

# Pixels. libvips makes no image whose side has 100,000,000, and a thumbnail needs a margin on the way.
MAX_SIDE = 90_000_000
MAX_DETAIL = 200  # characters of a message of libvips
SCREEN = struct.Struct("<HH")  # width and height in the head of a GIF
TURNED = range(5, 9)  # EXIF orientations (tag 0x0112) that exchange width and height


def prepare() -> None:
    """Configure libvips, once in a process, before the first image."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)  # no image comes twice
    pyvips.concurrency_set(1)  # The processes already use all cores, so threads of libvips only cost time.
    logging.getLogger("pyvips").addHandler(logging.NullHandler())  # no warnings about images
    # libvips quotes bytes of a broken file in its messages. pyvips reads them even after a success, and would raise
    # UnicodeDecodeError for valid images too.
    pyvips.error._to_string = lambda text: pyvips.ffi.string(text).decode(errors="replace")


def measure(content: Data, max_pixels: int, small_pixels: int | None = None) -> Measure:
    """Return the measure of the first picture in the content.

    The whole picture is decoded once, as a stream, to find out whether it can be decoded. Of a JPEG only the first rows
    are decoded: for the others the decoder accepts any data with a warning. The markers of a JPEG show whether all rows
    are there, in a tenth of the time.

    If there is a limit for small images, raise LargeImageError for larger ones after reading the header. Raises
    RejectedImageError.
    """
    image = _open(content, max_pixels)
    _require_small(image, small_pixels)
    loader = image.get("vips-loader")
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    try:
        if loader == "jpegload_source":
            pyvips.Region.new(image).fetch(0, 0, 1, 1)  # In this thread. Any other operation would start two threads.
        else:
            # There is no average if a number may be NaN.
            (image.cast("uchar") if image.format in FLOATS else image).avg()
    except pyvips.Error as error:
        raise _broken(error) from None
    if loader == "jpegload_source" and not _is_complete(content):
        raise RejectedImageError("broken-image", "The data ends before the picture does.")
    width, height = _size(image, content)
    return Measure(LOADERS[loader], *((height, width) if orientation in TURNED else (width, height)))


def thumbnail(
    content: Data, size: int, format: ThumbnailType, max_pixels: int, small_pixels: int | None = None
) -> bytes:
    """Return the bytes of the thumbnail: upright, not enlarged, sRGB, without metadata. Raises as `measure` does."""
    image = _open(content, max_pixels)
    _require_small(image, small_pixels)
    # Only if the image has a profile: the conversion by lcms takes longer than all the rest.
    profile = {"output_profile": "srgb"} if image.get_typeof("icc-profile-data") else {}
    saver, options = SAVERS[format]
    try:
        if image.get("vips-loader") in WHOLE_PICTURE_LOADERS:
            image = image.embed(0, 0, *_size(image, content))
            image = image.thumbnail_image(size, height=size, size="down", **profile)
        else:
            # fail_on is an option of the loader. As an argument of thumbnail_source, libvips 8.18 ignores it.
            source = pyvips.Source.new_from_memory(content)
            image = pyvips.Image.thumbnail_source(
                source, size, height=size, size="down", option_string="[fail_on=error]", **profile
            )
        if image.interpretation not in {"srgb", "b-w"}:
            image = image.colourspace("srgb")
        if format == "image/jpeg" and image.hasalpha():
            image = image.flatten(background=255)
        encoded: bytes = getattr(image, saver)(keep="none", **options)
    except pyvips.Error as error:
        raise _broken(error) from None
    return encoded


def _open(content: Data, max_pixels: int) -> pyvips.Image:
    """Return the first picture, of which only the header is read. Raises RejectedImageError."""
    source = pyvips.Source.new_from_memory(content)
    has_loader = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer) != pyvips.ffi.NULL
    if not has_loader and not BEGINNING.match(content):
        raise _unsupported()
    try:
        if content[4:12] != AVIF_SEQUENCE:
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        else:
            image = pyvips.Image.heifload_source(source, access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise _broken(error) from None
    width, height = _size(image, content)
    if width * height > max_pixels:
        detail = f"{width} x {height} pixels exceed the limit of {max_pixels}."
        raise RejectedImageError("too-many-pixels", detail)
    if max(width, height) > MAX_SIDE:  # it could have no thumbnail
        detail = f"{width} x {height} pixels exceed the limit of {MAX_SIDE} for one side."
        raise RejectedImageError("too-many-pixels", detail)
    return image


def _require_small(image: pyvips.Image, small_pixels: int | None) -> None:
    """Raise LargeImageError if the image has more pixels. A JPEG that is not progressive needs little memory and time.

    Of such a JPEG, only some rows are decoded, or each block of 8 x 8 pixels to fewer pixels.
    """
    is_quick = image.get("vips-loader") == "jpegload_source" and not image.get("jpeg-multiscan")
    if small_pixels is not None and not is_quick and image.width * image.height > small_pixels:
        raise LargeImageError


def _size(image: pyvips.Image, content: Data) -> tuple[int, int]:
    """Return width and height in pixels. A GIF has at least the size of its screen.

    libvips 8.18 ignores the screen if it has the size of an old monitor, or is larger than 2048.
    """
    if image.get("vips-loader") != "gifload_source":
        return image.width, image.height
    across, down = SCREEN.unpack_from(content, 6)
    return max(image.width, across), max(image.height, down)


def _unsupported() -> RejectedImageError:
    return RejectedImageError("unsupported-image", f"Supported types: {', '.join(EXTENSIONS)}.")


def _is_complete(data: Data) -> bool:
    """Return whether a JPEG is complete: its segments (ITU-T T.81, annex B) lead to the end of the image."""
    position = 2  # after the start of the image
    while marker := MARKER.search(data, position):
        if marker[1] == END_OF_IMAGE:
            return True
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return False


def _broken(error: pyvips.Error) -> RejectedImageError:
    said = str(error)
    if "out of memory" in said:
        raise MemoryError
    if "heif: " in said and "has not been built in" in said:  # HEIC, in the same container as AVIF
        return _unsupported()
    said = said.strip().splitlines()[-1].strip()[:MAX_DETAIL]
    return RejectedImageError("broken-image", "".join(letter if letter.isprintable() else "\ufffd" for letter in said))
