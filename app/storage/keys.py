"""Storage keys: the names of the bytes of an image, and of its thumbnails, in the object store."""

import hashlib
import re

# The keys that the service writes. It does not touch other keys in these folders: they may belong to adopted images.
CONTENT = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})")
THUMBNAIL = re.compile(r"thumbnails/([0-9a-f]{2})/([0-9a-f]{2})/(\1\2[0-9a-f]{60})-[0-9]+\.[a-z]+")


def storage_key(sha256: str) -> str:
    """Return the key of the bytes with this hash. The same bytes are stored once. Two levels keep folders small."""
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def fits(key: str, sha256: str, byte_size: int, size: int) -> bool:
    """Return whether an object of this size may have the bytes of a row. All sizes are in bytes.

    Another program wrote the rows with a key of their own. Their byte_size may be wrong, so their bytes always fit.
    """
    return size == byte_size or key != storage_key(sha256)


def thumbnail_key(sha256: str, name: str) -> str:
    """Return the key of a thumbnail of the bytes with this hash. In an adopted row the hash may be any text."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        sha256 = hashlib.sha256(sha256.encode()).hexdigest()
    return f"thumbnails/{sha256[:2]}/{sha256[2:4]}/{sha256}-{name}"
