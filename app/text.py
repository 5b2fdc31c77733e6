"""Text for people: one line, and only printable characters."""


def printable(text: str) -> str:
    """Return the text with each character that cannot be printed as its escape, so that it stays on one line."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def one_line(text: str) -> str:
    """Return the text with each run of white space as one space."""
    return " ".join(text.split())
