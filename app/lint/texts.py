"""Functions that run a text as SQL, such as query_to_xml(), dblink() and crosstab(), and the statements in it."""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.parser import ParseError

from app.lint.catalog import Catalog
from app.lint.dynamic import constant_sql, is_guess
from app.lint.nodes import qualified_name, relation_name
from app.lint.parser import Statement
from app.schema.statements import split_statements

# The places of the texts among the arguments. PostgreSQL lets these functions only read.
READERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema"), (0,)),
    **dict.fromkeys(("crosstab2", "crosstab3", "crosstab4", "ts_stat"), (0,)),
    "crosstab": (0, 1),
    "ts_rewrite": (1,),
}
LATER = {"schedule", "schedule_in_database", "alter_job"}  # of pg_cron, in the schema cron
OTHER_SESSIONS = {"dblink", "dblink_exec", "dblink_open", "dblink_send_query"}  # of this database or of another one


def texts_run(catalog: Catalog, statement: Statement) -> Iterator[Statement]:
    """Yield the statements that a statement runs by giving their text to a function of PostgreSQL.

    Another session may be on another database. Its statements count if they name a table that the files create.
    """
    for call in statement.nodes:
        if not isinstance(call, ast.FuncCall):
            continue
        name, arguments = qualified_name(call.funcname).rpartition(".")[2], call.args or ()
        if name in OTHER_SESSIONS or qualified_name(call.funcname) in {f"cron.{each}" for each in LATER}:
            for each in [own for text in arguments for own in _parsed(statement, constant_sql(text), is_certain=False)]:
                tables = {relation_name(node) for node in each.nodes if isinstance(node, ast.RangeVar)}
                if tables & catalog.tables.keys():
                    yield each
        for place in READERS.get(name, ()):
            if place < len(arguments) and not (name == "ts_rewrite" and len(arguments) > 2):
                yield from _parsed(statement, constant_sql(arguments[place]), reader=name)


def _parsed(statement: Statement, text: str, *, is_certain: bool = True, reader: str = "") -> Iterator[Statement]:
    """Yield the statements of a text. If it is not certain to be SQL, it may be the name of a connection."""
    block = statement.block or statement.line
    unreadable = Statement(ast.DoStmt(), "", statement.line, block, unreadable=True)
    try:
        found: list[Any] = [(each.text, each.parse()) for each in split_statements(text)] if text else []
    except ParseError:
        found = []
    if not found and is_certain:
        yield unreadable
    for own, node in found:
        yield Statement(node, own, statement.line, block, guessed=is_guess(own), reader=reader)
