"""What is done with an image, by libvips, in a process of its own: to measure it, and to make a thumbnail of it."""

from __future__ import annotations

import logging
import re
import struct
from mmap import mmap
from typing import TYPE_CHECKING

import pyvips

from app.decoder.formats import EXTENSIONS, Measure

if TYPE_CHECKING:
    from app.decoder.formats import ContentType, ThumbnailType

Data = memoryview | mmap

# libvips' loaders that may run, and the media type of what each reads. All others stay blocked: SVG above all, which
# may hold scripts, and whatever a later libvips learns to read.
LOADERS: dict[str, ContentType] = {
    "jpegload_source": "image/jpeg",
    "pngload_source": "image/png",
    "webpload_source": "image/webp",
    "gifload_source": "image/gif",
    "tiffload_source": "image/tiff",
    "heifload_source": "image/avif",
}
CLASSES = ("Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif")

AVIF_SEQUENCE = b"ftypavis"  # an animation, whose first picture libvips reads, but which it does not look for
# How an image of a supported format begins, even where no loader takes it.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|II[*+]\0|MM\0[*+]|....ftypavi[fs]", re.DOTALL
)
# For a thumbnail libvips would take of the first two what it believes to be a smaller copy, another page or an embedded
# preview, and of a GIF no more than its frames cover.
WHOLE = {"tiffload_source", "heifload_source", "gifload_source"}
FLOATS = {"float", "double", "complex", "dpcomplex"}

# libvips' saver of each thumbnail and its options. With more effort, WebP and AVIF take longer than all the rest.
SAVERS: dict[ThumbnailType, tuple[str, dict[str, object]]] = {
    "image/avif": ("heifsave_buffer", {"compression": "av1", "Q": 60, "effort": 0}),
    "image/webp": ("webpsave_buffer", {"Q": 80, "effort": 2}),
    "image/jpeg": ("jpegsave_buffer", {"Q": 80, "optimize_coding": True}),
}

# What begins a segment of a JPEG. FF00 is data, FFD0 to FFD7 mark places in it, FF01 and FFD8 have no length, FF fills.
MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
END_OF_IMAGE = b"\xd9"

LONGEST = 200  # letters of what libvips says
SCREEN = struct.Struct("<HH")  # of a GIF
TURNED = range(5, 9)  # EXIF orientations (tag 0x0112) that exchange width and height


class RefusedError(Exception):
    """The content is no image that can be taken: unsupported-image, broken-image or too-many-pixels, and why."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


def prepare() -> None:
    """Once in a process, before the first image."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)  # no image is asked for twice
    pyvips.concurrency_set(1)  # there are as many processes as are wanted; threads of libvips' own only cost
    logging.getLogger("pyvips").addHandler(logging.NullHandler())  # warnings about images are of use to nobody
    # libvips quotes bytes of a broken file in its words. pyvips, which reads them even where all went well, would
    # raise UnicodeDecodeError, for sound images too.
    pyvips.error._to_string = lambda text: pyvips.ffi.string(text).decode(errors="replace")


def measure(content: Data, max_pixels: int) -> Measure:
    """Type, and width and height as displayed, of the first picture in the content.

    The whole picture is decoded once, as a stream, to know that it can be. Of a JPEG only the first rows: the decoder
    takes any data for the others, with a warning, and that they are all there its markers tell, in a tenth of the time.
    Raises RefusedError.
    """
    image = _open(content, max_pixels)
    loader = image.get("vips-loader")
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    try:
        if loader == "jpegload_source":
            pyvips.Region.new(image).fetch(0, 0, 1, 1)  # in this thread: any other operation would start two more
        else:
            # Of numbers that may be none there is no average.
            (image.cast("uchar") if image.format in FLOATS else image).avg()
    except pyvips.Error as error:
        raise _broken(error) from None
    if loader == "jpegload_source" and not _comes_to_end(content):
        raise RefusedError("broken-image", "The data ends before the picture does.")
    width, height = _size(image, content)
    return Measure(LOADERS[loader], *((height, width) if orientation in TURNED else (width, height)))


def thumbnail(content: Data, size: int, format: ThumbnailType, max_pixels: int) -> bytes:
    """The bytes of the thumbnail: upright, never enlarged, in sRGB, without metadata. Raises RefusedError."""
    image = _open(content, max_pixels)
    # Only where there is a profile: the way through lcms takes longer than all the rest.
    profile = {"output_profile": "srgb"} if image.get_typeof("icc-profile-data") else {}
    saver, options = SAVERS[format]
    try:
        if image.get("vips-loader") in WHOLE:
            image = image.embed(0, 0, *_size(image, content))
            image = image.thumbnail_image(size, height=size, size="down", **profile)
        else:
            # fail_on is for the loader: as an argument of its own libvips 8.18 leaves it out of account.
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
    """The first picture, of which nothing but the header is read yet."""
    source = pyvips.Source.new_from_memory(content)
    found = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer) != pyvips.ffi.NULL
    if not found and not BEGINNING.match(content):
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
        detail = f"{width} x {height} pixels; at most {max_pixels} in all are taken."
        raise RefusedError("too-many-pixels", detail)
    return image


def _size(image: pyvips.Image, content: Data) -> tuple[int, int]:
    """Width and height; of a GIF no less than its screen, whose size libvips 8.18 does not believe where it is one that
    monitors once had, or more than 2048."""
    if image.get("vips-loader") != "gifload_source":
        return image.width, image.height
    across, down = SCREEN.unpack_from(content, 6)
    return max(image.width, across), max(image.height, down)


def _unsupported() -> RefusedError:
    return RefusedError("unsupported-image", f"Taken are {', '.join(EXTENSIONS)}.")


def _comes_to_end(data: Data) -> bool:
    """Whether a JPEG comes to its end: the segments of ITU-T T.81, annex B, with the scans between them."""
    position = 2  # after the start of the image
    while marker := MARKER.search(data, position):
        if marker[1] == END_OF_IMAGE:
            return True
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return False


def _broken(error: pyvips.Error) -> RefusedError:
    said = str(error)
    if "out of memory" in said:
        raise MemoryError
    if "heif: " in said and "has not been built in" in said:  # HEIC, which is in the same boxes as AVIF
        return _unsupported()
    said = said.strip().splitlines()[-1].strip()[:LONGEST]
    return RefusedError("broken-image", "".join(letter if letter.isprintable() else "\ufffd" for letter in said))
