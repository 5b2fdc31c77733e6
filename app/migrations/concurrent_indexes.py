"""What CREATE INDEX CONCURRENTLY makes: a statement that an interruption leaves half done, or done and not recorded."""

import re

BUILD = re.compile(r"^\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(\w+)\s+ON\s", re.IGNORECASE)


def built_by(sql: str) -> str | None:
    """The name of the index that the statement builds; None where it is no such statement."""
    match = BUILD.match(sql)
    return match and match[1]


def same(sql: str, definition: str) -> bool:
    """Whether the statement would build what pg_get_indexdef() tells of an index that is there."""
    return _bare(sql) == _bare(definition)


def _bare(definition: str) -> str:
    """Without what PostgreSQL adds or leaves out: CONCURRENTLY, schemas, the default method, blanks and quotes.

    Single quotes go from numbers alone: WITH (a = 1) is told as WITH (a='1').
    """
    text = re.sub(r'--[^\n]*|"', " ", definition.lower())
    text = re.sub(r"\bconcurrently\b|\busing\s+btree\b|\b\w+\.(?=\w)", " ", text)
    return re.sub(r"[\s;]+|'(?=\d+')|(?<=\d)'", "", text)
