"""Functions of PostgreSQL by volatility, and settings that no session can change, for app/lint/functions.json.

`python -m tests.support.functions` writes it.

It asks a server of each version that is installed here. `images schema check` reads the file.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg

from app.embedded_postgres import Server, binaries
from app.lint.functions import FILE

VERSIONS = (15, 16, 18)
FUNCTIONS = """
    SELECT proname, array_agg(DISTINCT provolatile::text)
    FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace
    GROUP BY proname
"""


SETTINGS = "SELECT name FROM pg_settings WHERE context IN ('internal', 'postmaster', 'sighup')"


def fixed_settings_of(connection: psycopg.Connection) -> set[str]:
    """Return the settings of a server that only its configuration can change."""
    return {name for (name,) in connection.execute(SETTINGS)}


def settings_of(connection: psycopg.Connection) -> set[str]:
    """Return the settings of a server, without those of extensions."""
    return {name for (name,) in connection.execute("SELECT name FROM pg_settings WHERE name NOT LIKE '%.%'")}


def functions_of(connection: psycopg.Connection) -> dict[str, set[str]]:
    """Return each function of a server with its volatilities (i, s, v): it has several if its arguments decide."""
    return {name: set(kinds) for name, kinds in connection.execute(FUNCTIONS).fetchall()}


def kind(volatilities: set[str]) -> str:
    """Return the key of a function in the file."""
    if "v" in volatilities:
        return "volatile"
    return {"i": "immutable", "s": "stable"}.get("".join(volatilities), "mixed")


def servers() -> Iterator[tuple[int, psycopg.Connection]]:
    """Yield a connection to a new server of each version that is installed here."""
    for version in VERSIONS:
        if (binaries(version) / "postgres").exists():
            with tempfile.TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)
                server = Server(Path(folder, "data"), version, "-c fsync=off")
                server.start()
                try:
                    with psycopg.connect(server.url(), autocommit=True) as connection:
                        yield version, connection
                finally:
                    server.release()


def _lines(names: Iterable[str]) -> str:
    lines, line = [], ""
    for name in sorted(names):
        word = json.dumps(name)
        if len(line) + len(word) > 116:
            lines.append(line)
            line = ""
        line += f"{', ' if line else ''}{word}"
    return ",\n".join([*lines, line])


def main() -> None:
    """Write the file."""
    found: dict[int, dict[str, set[str]]] = {}
    fixed: list[set[str]] = []
    settings: dict[int, set[str]] = {}
    for version, connection in servers():
        found[version] = functions_of(connection)
        fixed.append(fixed_settings_of(connection))
        settings[version] = settings_of(connection)
    volatilities: defaultdict[str, set[str]] = defaultdict(set)
    for functions in found.values():
        for name, kinds in functions.items():
            volatilities[name] |= kinds
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for name, kinds in volatilities.items():
        by_kind[kind(kinds)].append(name)
    by_kind["fixed settings"] = [*set.union(*fixed)]
    by_kind["newer"] = [name for name in volatilities if name not in found[min(VERSIONS)]]
    by_kind["newer settings"] = [*set.union(*settings.values()) - settings[min(VERSIONS)]]
    body = ",\n".join(f'"{key}": [\n{_lines(by_kind[key])}\n]' for key in sorted(by_kind))
    FILE.write_text(f"{{\n{body}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
