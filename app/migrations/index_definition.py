"""Index definitions: whether a CREATE INDEX of a migration would make an index that exists. PostgreSQL says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from app.migrations.connection import Connection, run

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

DOT = "ASCII_46"  # between the parts of a name, in the words of the scanner
COPY = "_yoyo_ledger_copy"  # a table of this name exists only inside a transaction that is rolled back


def build_of(sql: str) -> ast.IndexStmt | None:
    """Return the parse tree of a CREATE INDEX CONCURRENTLY with a name. Return None for any other text."""
    from pglast import ast
    from pglast.parser import ParseError

    from app.schema.statements import split_statements

    try:
        found = [each.parse() for each in split_statements(sql)]
    except ParseError:
        return None
    match found:
        case [ast.IndexStmt(concurrent=True, idxname=str()) as build]:
            return build
        case _:
            return None


def is_same(connection: Connection, sql: str, copy: str, definition: str) -> bool:
    """Return whether a CREATE INDEX makes an index with this definition, which pg_get_indexdef() wrote.

    `copy` creates an empty copy of the table, on which the statement is tried. The names of the index and of its table
    are not compared. If PostgreSQL rejects the statement, it is another index. Raises psycopg.Error if the connection
    is lost.
    """
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(copy.encode())
            connection.execute(_on_copy(sql, copy).encode())
            ((made,),) = run(connection, "find_index_of_copy", name=COPY).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        return False
    return _without_names(made) == _without_names(definition)


def _on_copy(sql: str, copy: str) -> str:
    """Return a CREATE INDEX for the copy, without a name: the text from the table's name on is the same."""
    from pglast.parser import scan

    tokens = [token for token in scan(sql) if not token.name.endswith("_COMMENT")]
    names = [token.name for token in tokens]
    last = names.index("ON") + (2 if names[names.index("ON") + 1] == "ONLY" else 1)
    while names[last + 1] == DOT:
        last += 2
    unique = "UNIQUE " if names[1] == "UNIQUE" else ""
    table = copy.removeprefix("CREATE UNLOGGED TABLE ").partition(" (LIKE ")[0]
    return f"CREATE {unique}INDEX ON {table}{sql[tokens[last].end + 1 :]}"


def _without_names(definition: str) -> tuple[bool, str]:
    """Return whether it is unique, and all that follows the name of the table."""
    return definition.startswith("CREATE UNIQUE "), definition.partition(" USING ")[2]
