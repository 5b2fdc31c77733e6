"""SQL files for the rules: statements with their lines, also those inside DO blocks, and the `-- allow:` comments."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

from pglast import ast, parse_plpgsql
from pglast.parser import ParseError, scan

from app.lint.nodes import walk
from app.schema.statements import Statement as Text
from app.schema.statements import split_statements
from app.text import LineFinder

NAMED = re.compile(r"('(?:[^']|'')*'|--[^\n]*|::)|:([a-z_]+)")
ALLOW = re.compile(r"--\s*allow\s*:(.*)", re.IGNORECASE)
OPENING = re.compile(r"\$[^$]*\$|[eE]?'")


@dataclass(frozen=True)
class Statement:
    """One statement. `line` is its first line in the file, and `block` is the line of the DO that contains it."""

    node: Any
    text: str
    line: int
    block: int | None = None
    unreadable: bool = False  # built at run time, or not in PL/pgSQL

    @cached_property
    def nodes(self) -> list[Any]:
        """Return the statement's node and all nodes under it, in the order of the text."""
        return list(walk(self.node))

    @cached_property
    def lines(self) -> list[int]:
        """Return the lines of an ALTER TABLE's subcommands, or the statement's own line if they are not parsed."""
        commands = len(self.node.cmds or ())
        starts, depth, expected = [], 0, False
        line_of = LineFinder(self.text)
        for token in scan(self.text):
            if token.name.endswith("_COMMENT"):
                continue
            if expected and depth == 0:
                starts.append(self.line + line_of(token.start) - 1)
                expected = False
            text = self.text[token.start : token.end + 1]
            depth += (text in {"(", "["}) - (text in {")", "]"})
            expected = depth == 0 and text == ","
        first = self._first_command()
        lines = [first, *starts]
        return lines if len(lines) == commands else [self.line] * commands

    def line_of(self, node: Any) -> int:
        """Return the line of a node that has a location."""
        return self.line + self.text.count("\n", 0, max(node.location or 0, 0))

    def _first_command(self) -> int:
        tokens = [token for token in scan(self.text) if not token.name.endswith("_COMMENT")]
        words = [self.text[token.start : token.end + 1] for token in tokens]
        location = next((i for i, token in enumerate(tokens) if token.start >= self._name()), 0) + 1
        while location + 1 < len(words) and words[location] == ".":
            location += 2
        while location + 1 < len(words) and words[location] == "*":
            location += 1
        return self.line + self.text.count("\n", 0, tokens[location].start) if location < len(tokens) else self.line

    def _name(self) -> int:
        match = re.search(r"(?is)\b(table|index|view|sequence)\b(\s+if\s+exists)?(\s+only)?\s*", self.text)
        return match.end() if match else 0


@dataclass(frozen=True)
class Allowed:
    """Comment `-- allow: RULE because REASON`. `line` is its own line, and `target` the line that it allows."""

    line: int
    target: int
    rule: str
    reason: str


def statements(text: str) -> Iterator[Statement]:
    """Return the statements of a file, each parsed when its turn comes. Those inside a DO follow it.

    Raises ParseError at once.
    """
    return _with_blocks(split_statements(text))


def _with_blocks(found: Iterable[Text]) -> Iterator[Statement]:
    for each in found:
        node = each.parse()
        yield Statement(node, each.text, each.line)
        if isinstance(node, ast.DoStmt):
            yield from _inside(node, each.text, each.line)


def _inside(node: Any, text: str, line: int) -> list[Statement]:
    options = {option.defname: option.arg for option in node.args or ()}
    unreadable = Statement(node, text, line, line, unreadable=True)
    if getattr(options.get("language"), "sval", "plpgsql") != "plpgsql":
        return [unreadable]
    try:
        queries = list(_queries(parse_plpgsql(text), 1))
    except (ParseError, ValueError, RecursionError):
        return [unreadable]
    opening = next((token.start for token in scan(text) if token.name in {"SCONST", "USCONST"}), 0)
    first = line + text.count("\n", 0, opening)
    return [each for query, at, mode in queries for each in _read_query(query, first + at - 1, mode, line, node)]


def _queries(tree: Any, line: int, kind: str = "") -> Iterator[tuple[str, int, int]]:
    """Yield the queries of a PL/pgSQL parse tree: text, line, parse mode. The argument of EXECUTE has the mode -1."""
    if isinstance(tree, list):
        for each in tree:
            yield from _queries(each, line, kind)
    elif isinstance(tree, dict):
        line = tree.get("lineno", line)
        for name, each in tree.items():
            if name == "PLpgSQL_expr":
                yield each["query"], line, -1 if kind == "execute" else each.get("parseMode", 0)
            else:
                executed = name == "query" and kind in {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"}
                yield from _queries(each, line, "execute" if executed else name if name.startswith("PLpgSQL") else kind)


def _read_query(query: str, line: int, mode: int, block: int, node: Any) -> Iterator[Statement]:
    if mode == -1:  # EXECUTE of a constant can be read
        try:
            select: Any = split_statements(f"SELECT {query}")[0].parse()
            query = str(select.targetList[0].val.val.sval)
            mode = 0
        except (ParseError, AttributeError):
            query = ""
        if not query:
            yield Statement(node, "", line, block, unreadable=True)
            return
    if mode == 3:
        query = re.split(r":?=", query, maxsplit=1)[-1]
    try:
        for each in split_statements(query if mode == 0 else f"SELECT {query}"):
            yield Statement(each.parse(), query, line, block)
    except ParseError:
        yield Statement(node, "", line, block, unreadable=True)


def allowed(text: str) -> list[Allowed]:
    """Return the `-- allow:` comments, also malformed ones and those inside DO blocks."""
    if not ALLOW.search(text):
        return []
    line_of = LineFinder(text)
    comments = [(line_of(start), start, text[start:end]) for start, end in sorted(_comments(text))]
    whole_lines = {line for line, start, _ in comments if not text[text.rfind("\n", 0, start) + 1 : start].strip()}
    allowed_rules = []
    for line, _, comment in comments:
        if match := ALLOW.fullmatch(comment):
            rule, because, reason = match[1].partition(" because ")
            target = next(number for number in count(line) if number not in whole_lines)
            allowed_rules.append(Allowed(line, target, rule.strip(), reason.strip() if because else ""))
    return allowed_rules


def _comments(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each `--` comment, also of those inside dollar-quoted bodies."""
    try:
        tokens = scan(text)
    except ParseError:
        return []
    spans = [(token.start, token.end + 1) for token in tokens if token.name == "SQL_COMMENT"]
    for token in tokens:
        if token.name == "SCONST" and text.startswith("$", token.start):
            opening = OPENING.match(text, token.start)
            start = opening.end() if opening else token.start
            size = len(opening[0]) if opening else 0
            spans += [(start + a, start + b) for a, b in _comments(text[start : token.end + 1 - size])]
    return spans


def numbered(text: str) -> str:
    """Return the text with `$1` for each `:name`, the parameters of the migrator. Strings and lines stay the same."""
    order: dict[str, int] = {}
    return NAMED.sub(lambda m: m[1] or f"${order.setdefault(m[2], len(order) + 1)}", text)
