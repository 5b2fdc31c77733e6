"""Image formats, thumbnail formats, and the messages between a worker and its decoder. It imports nothing large."""

import re
import struct
from importlib.util import find_spec
from typing import Literal, NamedTuple

ContentType = Literal[
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/tiff",
    "image/avif",
    "image/bmp",
    "image/heic",
    "image/jxl",
    "image/x-adobe-dng",
    "image/x-canon-cr2",
    "image/x-canon-cr3",
    "image/x-fuji-raf",
    "image/x-nikon-nef",
    "image/x-olympus-orf",
    "image/x-panasonic-rw2",
    "image/x-sony-arw",
]

EXTENSIONS: dict[ContentType, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/heic": "heic",
    "image/jxl": "jxl",
    "image/x-adobe-dng": "dng",
    "image/x-canon-cr2": "cr2",
    "image/x-canon-cr3": "cr3",
    "image/x-fuji-raf": "raf",
    "image/x-nikon-nef": "nef",
    "image/x-olympus-orf": "orf",
    "image/x-panasonic-rw2": "rw2",
    "image/x-sony-arw": "arw",
}

# The formats that FORMATS switches on, and the types of each.
OPTIONAL: dict[str, tuple[ContentType, ...]] = {
    "bmp": ("image/bmp",),
    "heic": ("image/heic",),
    "jxl": ("image/jxl",),
    "raw": tuple(type for type in EXTENSIONS if type.startswith("image/x-")),
}

# The library that reads each of them. The others need none.
LIBRARIES = {"bmp": "PIL", "heic": "pi_heif", "jxl": "pillow_jxl"}

# Other extensions that systems know for these types.
OTHER_EXTENSIONS: dict[ContentType, set[str]] = {
    "image/jpeg": {"jpeg", "jpe", "jfif"},
    "image/tiff": {"tif"},
    "image/bmp": {"dib"},
    "image/heic": {"heif", "hif"},
}

SIZES = (160, 320, 640, 1280, 2560)  # pixels of the longer side of a thumbnail

ThumbnailType = Literal["image/avif", "image/webp", "image/jpeg"]

# In order of preference. An AVIF is a third smaller than a JPEG that looks the same.
THUMBNAIL_EXTENSIONS: dict[ThumbnailType, str] = {"image/avif": "avif", "image/webp": "webp", "image/jpeg": "jpg"}

# A message in either direction is two lengths, a JSON object, and bytes. A job carries the descriptor of a file with
# the content. Its answer carries the bytes of the thumbnail.
LENGTHS = struct.Struct("!II")
OUT_OF_MEMORY = 3  # exit status of the decoder

# Characters that turn the direction of the text behind them: with U+202E, "gnp.exe" looks like "exe.png".
TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def named_for(type: ContentType, filename: str) -> str:
    """Return the file name with an extension of the type. It gets one if it has another: "photo.html.png".

    The bytes of an image can also be valid HTML or a script. If such a file is saved under such a name, a double click
    runs it. A character that turns the direction of a text becomes "_".
    """
    filename = TURNS.sub("_", filename)
    extension = filename.rpartition(".")[2].lower()
    known = {EXTENSIONS[type], *OTHER_EXTENSIONS.get(type, ())}
    return filename if "." in filename and extension in known else f"{filename}.{EXTENSIONS[type]}"


def optional_extensions(formats: list[str]) -> list[str]:
    """Return the extensions of the optional formats that are on and whose libraries are installed."""
    on = [name for name in formats if name in OPTIONAL and (name not in LIBRARIES or find_spec(LIBRARIES[name]))]
    types = [type for name in on for type in OPTIONAL[name]]
    return [extension for type in types for extension in sorted({EXTENSIONS[type], *OTHER_EXTENSIONS.get(type, ())})]


class Measure(NamedTuple):
    """The media type of an image, and its width and height in pixels as displayed."""

    content_type: ContentType
    width: int
    height: int


class Reading(NamedTuple):
    """The result of one pass over the bytes of an image.

    `color` is `#rrggbb`. The last two are as app/decoder/capture.py has them. The position of the camera stands apart,
    because it may be secret.
    """

    measure: Measure
    color: str | None
    thumbhash: bytes | None
    capture: dict[str, object]
    location: dict[str, object] | None


class Sandbox(NamedTuple):
    """Parts that confine a decoder process. `missing` has a reason for each part that this system does not have."""

    active: list[str]
    missing: dict[str, str]

    def __str__(self) -> str:
        """Return one line, such as "limits, no_new_privs, seccomp, without landlock (Function not implemented)"."""
        lacks = ", ".join(f"{name} ({reason})" for name, reason in self.missing.items())
        return (", ".join(self.active) or "none") + (f", without {lacks}" if lacks else "")
