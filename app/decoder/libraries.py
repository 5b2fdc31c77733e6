"""Versions of the libraries that decode images: libvips, and the libraries that the wheel of libvips has inside."""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The wheel does not tell the versions, so this file does, for one version of the wheel.
RECORD = Path(__file__).with_name("libraries.json")
# The libraries that read bytes of an uploaded image.
READERS = ("mozjpeg", "libpng", "libwebp", "libtiff", "libheif", "libaom", "lcms2", "libexif", "zlib-ng")


def versions_inside_wheel(libvips: str) -> dict[str, str]:
    """Return the version of each library in the wheel, by name.

    `libvips` is the version that the decoder has loaded. Return {} if the wheel, or this version, is not the one of the
    record.
    """
    record = json.loads(RECORD.read_bytes())
    try:
        wheel = version("pyvips-binary")
    except PackageNotFoundError:  # pyvips uses the libvips of the system
        return {}
    return dict(record["versions"]) if wheel == libvips == record["wheel"] else {}


def describe(libvips: str) -> list[str]:
    """Return a text for libvips, such as "libvips 8.18.7", and for each library that reads uploaded images."""
    inside = versions_inside_wheel(libvips)
    readers = [f"{name} {inside[name]}" for name in READERS] if inside else ["libraries of unknown versions"]
    return [f"libvips {libvips}", *readers]
