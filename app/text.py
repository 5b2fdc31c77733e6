"""Text for people: one line, printable characters, and counts ("1 image", "2 images").

A file's name may have bytes that are not UTF-8. Python reads the byte ff as the character U+DCFF, which no output can
encode. People see it as \\xff.
"""

import re
from bisect import bisect_left

# A bearer token (app/catalogue/tokens.py), and the password of a URL.
TOKEN, TOKEN_IN_BYTES = (re.compile("images_[A-Za-z0-9_-]{64}"), re.compile(b"images_[A-Za-z0-9_-]{64}"))
IN_URL = r"://([^/\s:@\"']*):[^/\s@\"']+@"
PASSWORD, PASSWORD_IN_BYTES = re.compile(IN_URL), re.compile(IN_URL.encode())
# Characters that a terminal obeys, and those that change the direction of text. A line break and a tab are harmless.
CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SURROGATE = re.compile("[\ud800-\udfff]")
BYTE_IN_REPR = re.compile(r"(?<!\\)\\udc([89a-f][0-9a-f])")


def printable(text: str) -> str:
    """Return the text on one line: each character that cannot be printed becomes its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escape(c) for c in text)


def without_controls(text: str) -> str:
    """Return the text, also of several lines, with an escape for each character that a terminal obeys."""
    return text if text.isprintable() else CONTROL.sub(lambda found: escape(found[0]), text)


def without_secrets(text: str) -> str:
    """Return the text with "..." for each token, and for the password of each URL."""
    return PASSWORD.sub(r"://\1:...@", TOKEN.sub("images_...", text))


def may_have_secret(text: str) -> bool:
    """Return whether without_secrets() could change the text."""
    return "images_" in text or "://" in text


def line_without_secrets(line: bytes) -> bytes:
    """Return the line with "..." for each token, and for the password of each URL."""
    if b"images_" in line:
        line = TOKEN_IN_BYTES.sub(b"images_...", line)
    if b"://" in line:
        line = PASSWORD_IN_BYTES.sub(rb"://\1:...@", line)
    return line


def encodable(text: str) -> str:
    """Return the text with an escape for each character that UTF-8 cannot encode."""
    return text if text.isascii() else SURROGATE.sub(lambda found: escape(found[0]), text)


def escape(character: str) -> str:
    """Return the escape of a character as in Python: \\n, \\xe9. A byte that is not UTF-8 is \\xff as well."""
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


def escape_bytes_in_repr(text: str) -> str:
    """Return a text in which another library has used repr(), with \\xff for a byte that is not UTF-8."""
    return BYTE_IN_REPR.sub(r"\\x\1", text)


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space."""
    return " ".join(text.split())


def count(number: int, noun: str) -> str:
    """Return "1 image" or "2 images", with thousands separated by commas."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class LineFinder:
    """Finder of line numbers in a text. It counts the lines once, not again for each question."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def __call__(self, offset: int) -> int:
        """Return the line, from 1, of the character at an offset."""
        return bisect_left(self._ends, offset) + 1
