"""Name of the program, as people type it in a shell and as hints show it."""

PROGRAM = "images"
SCHEMA = f"{PROGRAM} schema"
