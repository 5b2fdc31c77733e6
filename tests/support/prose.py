"""Prose of the project's files: docstrings, comments, messages and pages, each with its line."""

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import PurePath

FUNCTION, TEXT, COMMENT, MESSAGE, NAME, UNIT = "function", "text", "comment", "message", "name", "unit"
UNITS = re.compile(r"_(SECONDS|MS|MILLISECONDS|MINUTES|HOURS|DAYS|BYTES|KIB|MIB|ROWS|PIXELS|WORDS|LINES|COUNT|PORT)$")
PROSE = re.compile(r"(?:\b[A-Za-z'-]+[ ,;:]+){3}[A-Za-z]")  # four words in a row


@dataclass(frozen=True)
class Passage:
    """A piece of prose: `line` counts from 1, `kind` is one of the constants above."""

    path: str
    line: int
    kind: str
    text: str


def passages(path: str, text: str) -> Iterator[Passage]:
    """Yield the passages of a file, by its suffix. A file of an unknown kind has none."""
    suffix = PurePath(path).suffix
    if suffix == ".py":
        yield from _python(path, text)
    elif suffix == ".sql":
        yield from _lines(path, text, re.compile(r"(?:^|\s)-- ?(.*)"))
    elif suffix == ".js":
        yield from _javascript(path, text)
    elif suffix == ".md":
        yield from _markdown(path, text)
    elif suffix == ".html":
        yield from _html(path, text)
    elif suffix in {".sh", ".yaml", ".yml", ".toml", ".ini", ".example"} or PurePath(path).name in {
        "Makefile",
        "Dockerfile",
        "run",
    }:
        yield from _lines(path, text, re.compile(r"(?:^|\s)#(?!!) ?(.*)"))


def _python(path: str, text: str) -> Iterator[Passage]:
    tree = ast.parse(text)
    product = path.startswith("app/")
    documented = set()
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if product and not isinstance(node, ast.Module):
                yield Passage(path, node.lineno, NAME, node.name)
            docstring = ast.get_docstring(node)
            if docstring is None:
                continue
            expression = node.body[0]
            assert isinstance(expression, ast.Expr)
            documented.add(expression.value)
            checked = product and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node)
            yield Passage(path, expression.lineno, FUNCTION if checked else TEXT, _without_code(docstring))
        elif isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
    if product or path.startswith("benchmarks/"):
        yield from _messages(path, tree, documented, inside)
    if product:
        yield from _constants(path, tree, text)
    yield from _comments(path, text)


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def _messages(path: str, tree: ast.Module, documented: set[ast.expr], inside: set[ast.AST]) -> Iterator[Passage]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            words = "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documented | inside:
            words = node.value
        else:
            continue
        if PROSE.search(words) and not re.search(r"\\[bsdwS]|\(\?|\bSELECT\b.*\bFROM\b", words):
            yield Passage(path, node.lineno, MESSAGE, words)


def _constants(path: str, tree: ast.Module, text: str) -> Iterator[Passage]:
    """Yield the numeric constants of a module that have neither a unit in their name nor a comment."""
    lines = text.split("\n")
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if re.fullmatch(r"_?[A-Z][A-Z0-9_]+", name):
                yield Passage(path, node.lineno, NAME, name)
                number = all(
                    isinstance(each, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
                    or (
                        isinstance(each, ast.Constant)
                        and isinstance(each.value, int | float)
                        and each.value is not True
                    )
                    for each in ast.walk(value)
                )
                beside = "#" in lines[node.lineno - 1] or lines[node.lineno - 2].startswith("#")
                if number and not beside and not UNITS.search(name):
                    yield Passage(path, node.lineno, UNIT, name)
            case _:
                pass


def _comments(path: str, text: str) -> Iterator[Passage]:
    block: list[str] = []
    start = last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, column = token.start
        words = re.sub(r"^#+:? ?", "", token.string)
        if re.match(r"(!|noqa|type:|pragma|mypy:|ruff:|fmt:)", words):
            continue
        whole = not token.line[:column].strip()
        if block and not (whole and line == last + 1):
            yield Passage(path, start, COMMENT, "\n".join(block))
            block = []
        start = line if not block else start
        block.append(words)
        last = line if whole else 0
    if block:
        yield Passage(path, start, COMMENT, "\n".join(block))


def _lines(path: str, text: str, mark: re.Pattern[str]) -> Iterator[Passage]:
    """Yield the comments of a language whose comments end with their line. Lines below each other are one passage."""
    block: list[str] = []
    start = 0
    for number, line in enumerate([*text.split("\n"), ""], 1):
        match = mark.search(
            re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: quoted[0].replace("#", "_").replace("--", "__"), line)
        )
        words = line[match.start(1) :] if match else ""
        whole = bool(match) and not line[: match.start()].strip() if match else False
        if block and not whole:
            yield Passage(path, start, COMMENT, _without_code("\n".join(block)))
            block = []
        if match and whole:
            start = start if block else number
            block.append(words)
        elif match:
            yield Passage(path, number, COMMENT, words)


JAVASCRIPT = re.compile(
    r"//(?P<line>[^\n]*)|/\*(?P<block>.*?)\*/|(?P<quote>[\"'])(?P<string>(?:\\.|(?!(?P=quote))[^\n])*)(?P=quote)|`(?P<template>(?:\\.|[^`\\])*)`",
    re.DOTALL,
)


def _javascript(path: str, text: str) -> Iterator[Passage]:
    block: list[str] = []
    start = last = 0
    for match in JAVASCRIPT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["line"] is not None:
            if block and line != last + 1:
                yield Passage(path, start, COMMENT, "\n".join(block))
                block = []
            start, last = (start if block else line), line
            block.append(match["line"].strip())
            continue
        if match["block"] is not None:
            words = re.sub(r"^\s*\*+ ?", "", match["block"], flags=re.MULTILINE)
            yield Passage(path, line, COMMENT, re.sub(r"^@\w+.*$|\{[^}]*\}", "", words, flags=re.MULTILINE))
            continue
        words = re.sub(r"\$\{[^}]*\}", "X", match["string"] or match["template"] or "")
        if PROSE.search(words) and "</" not in words:
            yield Passage(path, line, MESSAGE, words)
    if block:
        yield Passage(path, start, COMMENT, "\n".join(block))


def _markdown(path: str, text: str) -> Iterator[Passage]:
    text = _without_template(text)
    text = re.sub(
        r"^ *(```|~~~).*?^ *\1", lambda code: "\n" * code[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE
    )
    text = re.sub(r"(?<=\n\n)(?: {4,}\S.*\n)+(?=\n|$)", lambda code: "\n" * code[0].count("\n"), text)
    line = 1
    for part in re.split(r"(\n\s*\n|\n(?=\s*(?:[|#]|[*+-] |\d+\. )))", text):
        words = part.strip()
        if words.startswith("|"):
            for cell in words.strip("|").split("|"):
                yield Passage(path, line, TEXT, cell.strip())
        elif words:
            yield Passage(path, line, TEXT, words.lstrip("#"))
        line += part.count("\n")


class _Html(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.found: list[Passage] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in {"script", "style"}
        for name, value in attrs:
            if value and name in {"title", "placeholder", "aria-label", "alt", "content"}:
                self.found.append(Passage(self.path, self.getpos()[0], MESSAGE, value))

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.hidden:
            self.found.append(Passage(self.path, self.getpos()[0], TEXT, data))

    def handle_comment(self, data: str) -> None:
        self.found.append(Passage(self.path, self.getpos()[0], COMMENT, data))


def _html(path: str, text: str) -> Iterator[Passage]:
    parser = _Html(path)
    parser.feed(_without_template(text))
    yield from parser.found


def _without_template(text: str) -> str:
    """Return the text without the statements of a Jinja template, and with X for its expressions."""
    text = re.sub(r"\{[%#].*?[%#]\}", lambda tag: "\n" * tag[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "X", text)


def _without_code(text: str) -> str:
    """Return the text without indented blocks and shell lines, which are examples. Lines keep their number."""
    kept = [
        "" if re.match(r"\s{4,}\S", line) and not re.match(r"\s+\w+ ", line) else line
        for line in textwrap.dedent(text).split("\n")
    ]
    return "\n".join("" if line.lstrip().startswith("$ ") else line for line in kept)
