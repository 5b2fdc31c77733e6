"""SQL files: load one by its name, and split one into statements with PostgreSQL's own parser."""

from functools import cache

from app.settings import ROOT


@cache
def statement(name: str, folder: str = "queries") -> str:
    """The text of sql/FOLDER/NAME.sql, as PostgreSQL gets it and shows it in pg_stat_activity: header and all. A name
    may have its folder with it, as inspect/schema."""
    path = name if "/" in name else f"{folder}/{name}"
    return (ROOT / "sql" / f"{path}.sql").read_text(encoding="utf-8")


def statements(text: str) -> list[tuple[int, str]]:
    """The statements of a file, each with its line, as PostgreSQL's parser finds them."""
    from pglast import parse_sql

    found = []
    for raw in parse_sql(text):
        start = raw.stmt_location or 0
        statement = text[start : start + raw.stmt_len] if raw.stmt_len else text[start:]
        found.append((text.count("\n", 0, start) + 1, statement.strip()))
    return found
