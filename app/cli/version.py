"""Versions of the application and, with --verbose, of the libraries that matter in a bug report."""

import platform
from importlib.metadata import version

from app.verbosity import verbosity


def print_version() -> None:
    """Print the version. With --verbose, print also those of Python, the libraries and the decoder's libraries."""
    print(f"images {version('image-catalogue')}")
    if not verbosity.is_verbose:
        return
    import psycopg

    from app.decoder.client import describe_decoder

    libpq = psycopg.pq.version()
    print(f"Python {platform.python_version()} on {platform.platform()}")
    print(f"libpq {libpq // 10_000}.{libpq % 10_000}")
    decoder = describe_decoder()
    print(*(decoder.libraries or [decoder.sandbox]), sep="\n")
    for name in ("asyncpg", "psycopg", "yoyo-migrations", "starlette", "uvicorn", "obstore"):
        print(f"{name} {version(name)}")
