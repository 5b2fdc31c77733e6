"""Position of the camera in the JSON of an image, as PostgreSQL writes it.

A JSON parser may reject the attributes, which come last. In the JSON before them, an unescaped quote after a comma only
begins a name or a text of the row. In the objects of jsonb, PostgreSQL writes a blank behind each colon.
"""

BEGINNING = ',"location":{'
END = '},"attributes":'


def has_location(image: str) -> bool:
    """Return whether the JSON of an image has a position."""
    return BEGINNING in image


def without_location(image: str) -> str:
    """Return the JSON of an image with null as its position."""
    before, found, rest = image.partition(BEGINNING)
    return f'{before},"location":null{rest[rest.index(END) + 1 :]}' if found else image
