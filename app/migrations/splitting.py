"""Splitting of migrations for yoyo: PostgreSQL's own parser instead of sqlparse, which is slow and can be wrong.

yoyo reads every file at each start. 20,000 INSERTs (1 MB) take sqlparse 9 s, and PostgreSQL's parser 0.1 s. Stock yoyo
still uses sqlparse: app/migrations/migration_file.py rejects a file that the two would split otherwise.
docs/decisions/0008-splitting.md has the reasons.
"""

from pathlib import Path

import yoyo.migrations

from app.schema.files import read_text
from app.schema.statements import split_statements


def read_sql_migration(path: str) -> tuple[dict[str, str], str, list[str]]:
    """Return a file's directives, its first comment, and its statements, as yoyo's function of this name.

    A missing file has none, and a file that PostgreSQL's parser rejects is one statement: the migrator reports its
    faults before anything runs.
    """
    from pglast.parser import ParseError  # here, because the import takes 65 ms

    try:
        source = read_text(Path(path), errors="replace")
    except FileNotFoundError:
        return {}, "", []
    directives, comment, rest = yoyo.migrations.parse_metadata_from_sql_comments(source)
    try:
        found = [each.text for each in split_statements(rest)]
    except ParseError:
        found = [rest]
    return directives, comment, found


def install() -> None:
    """Let yoyo split with this module's function."""
    yoyo.migrations.read_sql_migration = read_sql_migration
