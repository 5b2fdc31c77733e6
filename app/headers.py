"""What the headers of the SQL files tell people; directives too, as they stand."""

import re
from itertools import takewhile

SECTION = re.compile(r"(What|Why|Locks|Cost|loses|rows to lose|transactional|depends|irreversible):\s+(.*)")
SENTENCE = re.compile(r".*?[.](?=\s|$)", re.DOTALL)
REST = ("$", "Index:", "example ")


def sections(text: str) -> dict[str, str]:
    """The header of a migration or a rollback: its title as "", and each section by its name, as "Locks" and "loses".

    Lines that were wrapped are joined; a point of a list has a line of its own.
    """
    found = {"": ""}
    name = ""
    for line in _header(text):
        word = line.strip()
        if match := SECTION.fullmatch(line):
            name, found[match[1]] = match[1], match[2]
        elif word:
            found[name] += ("\n" if word.startswith("* ") else " " if found[name] else "") + word
    return found


def purpose(text: str) -> str:
    """What a query is for: the first sentence of its header, without its name."""
    lines = takewhile(lambda line: not line.startswith(REST), _header(text))
    words = " ".join(line.strip() for line in lines).partition(": ")[2]
    match = SENTENCE.match(words)
    return match[0] if match else words


def _header(text: str) -> list[str]:
    """The lines of the comment that the file begins with, without their marks."""
    comments = takewhile(lambda line: line.startswith("--"), text.splitlines())
    return [re.sub("^-- ?", "", line).rstrip() for line in comments]
