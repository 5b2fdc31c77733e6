"""Type and size of an image, from its bytes alone, by libvips."""

import re
from functools import cache
from mmap import ACCESS_READ, mmap
from threading import Lock
from typing import NamedTuple

import pyvips

from app.models import ContentType
from app.problems import ProblemError
from app.spool import Content

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
EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/avif": "avif",
}
CLASSES = ("Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif")

# What begins a segment of a JPEG. FF00 is data, FFD0 to FFD7 mark places in it, FF01 and FFD8 have no length, FF fills.
MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
END_OF_IMAGE = b"\xd9"
PIECE = 256 * 1024  # bytes
_preparing = Lock()

TURNED = range(5, 9)  # EXIF orientations (tag 0x0112) that exchange width and height


class Measure(NamedTuple):
    content_type: ContentType
    width: int
    height: int


def measure(content: Content, max_pixels: int) -> Measure:
    """Type, and width and height as displayed, of the first picture in the content.

    The whole picture is decoded once, as a stream, to know that it can be. Of a JPEG only the first rows: the decoder
    takes any data for the others, with a warning, and that they are all there its markers tell, in a tenth of the time.
    Raises ProblemError: unsupported-image, broken-image, too-many-pixels.
    """
    image = open_image(content, max_pixels)
    loader = image.get("vips-loader")
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    try:
        if loader == "jpegload_source":
            pyvips.Region.new(image).fetch(0, 0, 1, 1)  # in this thread: any other operation would start two more
        else:
            image.avg()
    except pyvips.Error as error:
        raise broken(error) from None
    if loader == "jpegload_source" and not _ends(content):
        raise ProblemError(422, "broken-image", "The data ends before the picture does.")
    size = (image.height, image.width) if orientation in TURNED else (image.width, image.height)
    return Measure(LOADERS[loader], *size)


def _ends(content: Content) -> bool:
    """Whether a JPEG comes to its end: the segments of ITU-T T.81, annex B, with the scans between them."""
    if isinstance(content, bytes):
        return _comes_to_end(content)
    with mmap(content.fileno(), 0, access=ACCESS_READ) as data:
        return _comes_to_end(data)


def _comes_to_end(data: bytes | mmap) -> bool:
    position = 2  # after the start of the image
    while position < len(data):
        # In pieces: while it searches no other thread runs.
        marker = MARKER.search(data, position, position + PIECE)
        if marker is None:
            position += PIECE - 1
        elif marker[1] == END_OF_IMAGE:
            return True
        else:
            position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2])
    return False


def open_image(content: Content, max_pixels: int) -> pyvips.Image:
    """The first picture, of which nothing but the header is read yet. Raises ProblemError as `measure` does."""
    with _preparing:  # two at once would block each other's loaders
        _prepare_libvips()
    image = _open(content)
    if image.width * image.height > max_pixels:
        detail = f"{image.width} x {image.height} pixels; at most {max_pixels} in all are taken."
        raise ProblemError(422, "too-many-pixels", detail)
    return image


def open_source(content: Content) -> pyvips.Source:
    """The content from its beginning, for one reader."""
    if isinstance(content, bytes):
        return pyvips.Source.new_from_memory(content)
    content.seek(0)
    return pyvips.Source.new_from_descriptor(content.fileno())


def _open(content: Content) -> pyvips.Image:
    source = open_source(content)
    # Asked beforehand: what an error says comes from a buffer that all threads share.
    if pyvips.vips_lib.vips_foreign_find_load_source(source.pointer) == pyvips.ffi.NULL:
        raise ProblemError(415, "unsupported-image", f"Taken are {', '.join(LOADERS.values())}.")
    try:
        return pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise broken(error) from None


def broken(error: pyvips.Error) -> ProblemError:
    return ProblemError(422, "broken-image", str(error).splitlines()[-1].strip())


@cache
def _prepare_libvips() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)  # no image is asked for twice
    pyvips.concurrency_set(1)  # there are as many decoders as are wanted; threads of libvips' own only cost
    # libvips quotes bytes of a broken file in its words, in a buffer that all threads share. pyvips, which reads it
    # even where all went well, would raise UnicodeDecodeError, for sound images too.
    pyvips.error._to_string = lambda text: pyvips.ffi.string(text).decode(errors="replace")
