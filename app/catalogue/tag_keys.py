"""Tag keys: which tags are equal, and how a tag is cleaned. The SQL functions of 0070 do the same."""

import re
import unicodedata
from collections.abc import Iterable

BLANKS = " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u1680\u2028\u2029"
ENDS = "\t-\r\x1c- \x85\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u2069\u3000\ufeff"
AT_THE_ENDS = re.compile(f"^[{ENDS}]+|[{ENDS}]+$")
INVISIBLE = re.compile(
    "[\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]+"
)
MAX_KEY = 300  # characters. More would not fit into an entry of an index


def clean(tag: str) -> str:
    """Return the tag in Unicode form C, without blanks and invisible characters at its ends."""
    return AT_THE_ENDS.sub("", unicodedata.normalize("NFC", tag))


def key(tag: str) -> str:
    """Return what equal tags have in common: lower case, Unicode form KC, without invisible characters."""
    if tag.isascii():
        return tag.strip(BLANKS).lower()
    folded = INVISIBLE.sub("", unicodedata.normalize("NFKD", tag)).casefold()
    return unicodedata.normalize("NFKC", folded).strip(BLANKS)[:MAX_KEY].rstrip(BLANKS)


def prefix(text: str) -> str:
    """Return the beginning of the keys of the tags that begin with a text. A blank at its end counts."""
    return key(f"{text}.")[:-1]


def distinct(tags: Iterable[str]) -> list[str]:
    """Return the tags each once, as it is first written."""
    found: dict[str, str] = {}
    for tag in tags:
        found.setdefault(key(tag), tag)
    return list(found.values())
