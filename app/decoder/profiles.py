"""Color profiles (ICC.1): whether a browser uses one. lcms also reads some that browsers reject.

Releases of Chromium have different libraries (skcms, moxcms). The rules are those of all of them. They do not check the
numbers in a table, because lcms does that.
"""

from __future__ import annotations

import struct

HEADER = 132  # bytes, with the number of tags
TAG = struct.Struct(">4sII")  # name, place, and length in bytes
MAX_TAGS = 1000  # that are read. A profile has some dozens.
NEWEST = 4  # version. Browsers read none of version 5.
# The types that a tag may have. lcms has others, which some programs once wrote by mistake.
COLUMNS, CURVES, TABLES = {b"XYZ "}, {b"curv", b"para"}, {b"mft1", b"mft2"}
TYPES = {
    **dict.fromkeys((b"rXYZ", b"gXYZ", b"bXYZ"), COLUMNS),
    **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), CURVES),
    **dict.fromkeys((b"A2B0", b"A2B1"), TABLES | {b"mAB "}),
    **dict.fromkeys((b"B2A0", b"B2A1"), TABLES | {b"mBA "}),
}


def is_usable(profile: bytes) -> bool:
    """Return whether a browser uses the profile, if lcms reads it."""
    if len(profile) < HEADER or profile[36:40] != b"acsp" or profile[8] > NEWEST:
        return False
    (count,) = struct.unpack_from(">I", profile, HEADER - 4)
    for number in range(min(count, MAX_TAGS)):
        if len(profile) < HEADER + (number + 1) * TAG.size:
            return False
        name, start, _ = TAG.unpack_from(profile, HEADER + number * TAG.size)
        if name in TYPES and profile[start : start + 4] not in TYPES[name]:
            return False
    return True
