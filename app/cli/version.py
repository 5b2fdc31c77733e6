"""Versions of the application and, with --verbose, of the libraries that matter in a bug report."""

import platform
from importlib.metadata import version

from app.verbosity import verbosity


def print_version() -> None:
    """Print the version. With --verbose, print also those of Python, the drivers, libpq, libvips and yoyo."""
    print(f"images {version('image-catalogue')}")
    if not verbosity.is_verbose:
        return
    import psycopg
    import pyvips

    libpq = psycopg.pq.version()
    vips = ".".join(str(pyvips.version(part)) for part in range(3))
    print(f"Python {platform.python_version()} on {platform.platform()}")
    print(f"libpq {libpq // 10_000}.{libpq % 10_000}")
    print(f"libvips {vips}")
    for name in ("asyncpg", "psycopg", "yoyo-migrations", "starlette", "uvicorn", "obstore"):
        print(f"{name} {version(name)}")
