"""CREATE INDEX CONCURRENTLY: recognize what an interruption left, an INVALID index or one that was not recorded."""

import re

BUILD = re.compile(r"^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(\w+)\s+ON\s", re.IGNORECASE)


def built_by(sql: str) -> str | None:
    """Return the name of the index that the statement builds. Return None for any other statement."""
    match = BUILD.match(sql)
    return match and match[1]


def same(sql: str, definition: str) -> bool:
    """Return whether the statement would build an index with this definition, as pg_get_indexdef() writes it."""
    return _bare(sql) == _bare(definition)


def _bare(definition: str) -> str:
    """Return the definition without what PostgreSQL adds or leaves out: CONCURRENTLY, schemas, the default method.

    Blanks, double quotes, and semicolons go too. Single quotes go only from numbers: PostgreSQL writes WITH (a = 1) as
    WITH (a='1').
    """
    text = re.sub(r'--[^\n]*|"', " ", definition.lower())
    text = re.sub(r"\bconcurrently\b|\busing\s+btree\b|\b\w+\.(?=\w)", " ", text)
    return re.sub(r"[\s;]+|'(?=\d+')|(?<=\d)'", "", text)
