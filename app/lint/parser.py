"""SQL files for the rules: statements with their lines, also those inside DO blocks, and the `-- allow:` comments."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

from pglast import ast, parse_plpgsql
from pglast.parser import ParseError, scan

from app.lint.dynamic import constants, executed_texts, is_guess
from app.lint.nodes import walk
from app.schema.statements import Statement as Text
from app.schema.statements import split_statements
from app.text import LineFinder

NAMED = re.compile(r"('(?:[^']|'')*'|--[^\n]*|::)|:([a-z_]+)")
ALLOW = re.compile(r"--\s*allow\s*:(.*)", re.IGNORECASE)
OPENING = re.compile(r"\$[^$]*\$|[eE]?'")


class Arm(NamedTuple):
    """One of the branches of an IF, of a CASE, or of a block with EXCEPTION. Only one of them runs."""

    fork: int
    number: int


@dataclass(frozen=True)
class Statement:
    """One statement. `line` is its first line in the file, and `block` is the line of the DO that contains it."""

    node: Any
    text: str
    line: int
    block: int | None = None
    unreadable: bool = False  # built at run time, or not in PL/pgSQL
    guessed: bool = False  # built at run time, with a name that is not known
    in_loop: bool = False  # of the DO
    in_batches: bool = False  # in a loop of the DO that commits
    commit: int | None = None  # the line of the first COMMIT or ROLLBACK in a DO
    trapped_commit: int | None = None  # the same, in a block with EXCEPTION
    arms: tuple["Arm", ...] = ()  # the branches around it, the outermost first
    reader: str = ""  # the function of PostgreSQL that runs it, and only lets it read

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
        if isinstance(node, ast.DoStmt):
            yield from _of_do(node, each)
        else:
            yield Statement(node, each.text, each.line)


def _of_do(node: Any, do: Text) -> Iterator[Statement]:
    """Yield a DO, and then the statements inside it."""
    options = {option.defname: option.arg for option in node.args or ()}
    is_plpgsql = getattr(options.get("language"), "sval", "plpgsql") == "plpgsql"
    tree = plpgsql_tree(do.text) if is_plpgsql else None
    opening = next((token.start for token in scan(do.text) if token.name in {"SCONST", "USCONST"}), 0)
    first = do.line + do.text.count("\n", 0, opening)
    commit = _end_of_transaction(tree, 1)
    trapped = next(filter(None, (_end_of_transaction(each, 1) for each in _with_exception(tree))), None)
    yield Statement(
        node,
        do.text,
        do.line,
        commit=first + commit - 1 if commit else None,
        trapped_commit=first + trapped - 1 if trapped else None,
    )
    if tree is None:
        yield Statement(node, do.text, do.line, do.line, unreadable=True)
    else:
        yield from plpgsql_statements(tree, first, do.line, node)


def plpgsql_tree(text: str) -> Any:
    """Return the PL/pgSQL parse tree of a DO or of a CREATE FUNCTION, or None if it cannot be read."""
    try:
        return parse_plpgsql(text)
    except (ParseError, ValueError, RecursionError):
        return None


def plpgsql_statements(tree: Any, first: int, block: int, node: Any) -> Iterator[Statement]:
    """Yield the statements in a PL/pgSQL parse tree. `first` is the line of the body, and `block` that of the DO."""
    variables = constants(tree)
    for query in _queries(tree, 1):
        for each in _read_query(query, first + query.line - 1, block, node, variables):
            place = query.place
            yield replace(each, in_loop=place.in_loop, in_batches=place.in_batches, arms=place.arms)


def ends_transaction(tree: Any) -> bool:
    """Return whether a PL/pgSQL parse tree has a COMMIT or ROLLBACK."""
    return _end_of_transaction(tree, 1) is not None


def plpgsql_variables(tree: Any) -> Iterator[str]:
    """Yield the names of the variables and parameters in a PL/pgSQL parse tree."""
    for function in tree or ():
        for datum in function.get("PLpgSQL_function", {}).get("datums", ()):
            for each in datum.values():
                if isinstance(each, dict) and "refname" in each:
                    yield each["refname"]


LOOPS = {f"PLpgSQL_stmt_{kind}" for kind in ("loop", "while", "fori", "fors", "forc", "foreach_a", "dynfors")}
ENDS = {"PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback"}
OTHERS = ("else_body", "elsif_list", "case_when_list", "exceptions")  # parts of a statement with several branches
BODIES = {"then_body", "else_body", "else_stmts", "stmts", "action", "body"}  # of the branches
NUMBERS = count()


class _Place(NamedTuple):
    """Place in a PL/pgSQL parse tree."""

    kind: str = ""
    in_loop: bool = False
    in_batches: bool = False
    arms: tuple[Arm, ...] = ()
    fork: int | None = None  # the IF, CASE or block whose branches are below


TOP = _Place()
ASSIGNMENTS = {3, 4, 5}  # parse modes: to a variable, to a field of one, and to a field of a field


class _Query(NamedTuple):
    """Query of a PL/pgSQL parse tree. The argument of EXECUTE has the mode -1."""

    text: str
    line: int  # of the body, from 1
    mode: int
    place: _Place


def _queries(tree: Any, line: int, place: _Place = TOP) -> Iterator[_Query]:
    if isinstance(tree, list):
        for each in tree:
            yield from _queries(each, line, place)
    elif isinstance(tree, dict):
        line = tree.get("lineno", line)
        kind = place.kind
        for name, each in tree.items():
            if name == "PLpgSQL_expr":
                mode = -1 if kind == "execute" else each.get("parseMode", 0)
                yield _Query(each["query"], line, mode, place)
            else:
                executed = name == "query" and kind in {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"}
                loops = name == "body" and kind in LOOPS
                below = place._replace(
                    kind="execute" if executed else name if name.startswith("PLpgSQL") else kind,
                    in_loop=place.in_loop or loops,
                    in_batches=place.in_batches or (loops and _end_of_transaction(each, line) is not None),
                )
                if name.startswith("PLpgSQL_stmt"):
                    below = below._replace(fork=next(NUMBERS) if any(each.get(other) for other in OTHERS) else None)
                elif place.fork is not None and name in BODIES:
                    below = below._replace(arms=(*place.arms, Arm(place.fork, next(NUMBERS))), fork=None)
                yield from _queries(each, line, below)


def _with_exception(tree: Any) -> Iterator[Any]:
    """Yield the bodies of the blocks with EXCEPTION in a PL/pgSQL parse tree."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "exceptions" in node:
                yield node.get("body")
            stack += node.values()
        elif isinstance(node, list):
            stack += node


def _end_of_transaction(tree: Any, line: int) -> int | None:
    """Return the line of the first COMMIT or ROLLBACK in a PL/pgSQL parse tree, or None."""
    stack = [(tree, line)]
    while stack:
        node, line = stack.pop()
        if isinstance(node, list):
            stack += [(each, line) for each in reversed(node)]
        elif isinstance(node, dict):
            line = node.get("lineno", line)
            for name in ENDS & node.keys():
                return int(node[name].get("lineno", line))
            stack += [(each, line) for each in reversed(list(node.values()))]
    return None


def _read_query(
    query: _Query, line: int, block: int, node: Any, variables: dict[str, list[str]]
) -> Iterator[Statement]:
    texts, mode = [query.text], query.mode
    if mode == -1:  # EXECUTE
        texts, mode = executed_texts(query.text, variables), 0
        if not texts:
            yield Statement(node, "", line, block, unreadable=True)
    elif mode in ASSIGNMENTS:
        texts = [re.split(r":?=", query.text, maxsplit=1)[-1]]
    for text in texts:
        try:
            for each in split_statements(text if mode == 0 else f"SELECT {text}"):
                yield Statement(each.parse(), text, line, block, guessed=query.mode == -1 and is_guess(text))
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
