"""Text for people: one line, printable characters, and counts ("1 image", "2 images")."""


def printable(text: str) -> str:
    """Return the text on one line: each character that cannot be printed becomes its escape."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space."""
    return " ".join(text.split())


def count(number: int, noun: str) -> str:
    """Return "1 image" or "2 images", with thousands separated by commas."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
