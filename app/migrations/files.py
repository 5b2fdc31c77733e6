import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rollback:
    loses: str
    rows_to_lose: str | None
    irreversible: str | None


def faults(folder: Path) -> list[str]:
    return []


def rollback_of(migration: Path) -> Rollback:
    t = migration.with_suffix(".rollback.sql").read_text()
    m = re.search(r"^-- rows to lose: (.*)$", t, re.MULTILINE)
    return Rollback("x", m and m[1], None)
