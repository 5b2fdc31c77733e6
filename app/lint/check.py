"""`images schema check`: what can be told of sql/ without a database, of all that a review would ask first.

Three sources: what the migrator refuses (app/migrations/validation.py), our own rules (rules.py) and squawk's.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.lint.findings import CannotCheckError, Finding
from app.lint.rules import KEPT
from app.lint.squawk import _squawk
from app.migrations.validation import NAME, faults
from app.schema.headers import transactional
from app.settings import ROOT
from app.text import one_line

if TYPE_CHECKING:  # the import of pglast takes 50 ms
    from app.lint.usage import Use

FOLDERS = ("queries", "pooler", "migrator", "inspect", "review")  # beside migrations
NEEDED = ("queries",)


def findings(sql: Path = ROOT / "sql") -> list[Finding]:
    """All of a folder like sql/, sorted by file and line. Raises CannotCheckError where squawk is not there."""
    return judge(sql)[0]


def judge(sql: Path = ROOT / "sql") -> tuple[list[Finding], dict[Finding, str]]:
    """The findings, and those that an `-- allow:` has silenced, each with its reason. Raises CannotCheckError."""
    folder = sql / "migrations"
    found = {Finding(each.path, each.line, each.rule, "unsafe", each.what, each.todo) for each in faults(folder)}
    texts: dict[Path, str] = {}
    uses = list(_check_queries(sql, texts, found))
    _check_migrations(folder, uses, texts, found)
    found |= set(_squawk([path for path in texts if path.parent == folder and not path.name.endswith(".rollback.sql")]))
    allowed: dict[Finding, str] = {}
    for path, text in texts.items():
        allowed |= _silence(path, text, found)
    return sorted(found), allowed


def main(format: str, sql: Path = ROOT / "sql") -> int:
    """Print the findings. Returns 0: none, 1: some, 2: it could not be run."""
    try:
        found = findings(sql)
    except CannotCheckError as error:
        print(f"images schema check: {error}", file=sys.stderr)
        return 2
    try:
        if format == "json":
            objects = [asdict(each) | {"path": each.place, "link": each.link} for each in found]
            print(json.dumps({"findings": objects}, indent=2), flush=True)
        elif found:
            print(*found, sep="\n", flush=True)
        else:
            print("no findings", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more at its end
        print(f"images schema check: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    return int(bool(found))


def _told(path: Path, line: int, rule: str, why: str, instead: str = "") -> Finding:
    from app.lint.rules import RULES

    return Finding(path, line, rule, RULES[rule].level, why, RULES[rule].instead or instead)


def _read(path: Path, texts: dict[Path, str], found: set[Finding], *, say: bool) -> str | None:
    """A file's text, with \n for each line's end; None, with a finding if asked to say it, where it is no text."""
    try:
        text = re.sub("\r\n?", "\n", path.read_bytes().decode())
    except OSError as error:
        why, instead = f"cannot be read: {error.strerror}", "put a file here that may be read, or remove it"
    except UnicodeDecodeError as error:
        why, instead = f"byte 0x{error.object[error.start]:02x} is not UTF-8", "save the file as UTF-8"
    else:
        if not text.startswith("\ufeff") and "\0" not in text:
            texts[path] = text
            return text
        why, instead = "begins with a byte order mark or holds a NUL character", "take it out"
    if say:
        found.add(_told(path, 1, "file-text", why, instead))
    return None


def _check_queries(sql: Path, texts: dict[Path, str], found: set[Finding]) -> Iterator["Use"]:
    from pglast.parser import ParseError

    from app.lint.parser import numbered, statements
    from app.lint.query_rules import parameters, query_faults
    from app.lint.usage import use_of

    for name in FOLDERS:
        try:
            paths = sorted(path for path in (sql / name).iterdir() if path.suffix == ".sql")
        except OSError as error:
            if name in NEEDED or not isinstance(error, FileNotFoundError):
                why = f"cannot be read: {error.strerror}"
                found.add(_told(sql / name, 1, "file-text", why, "put the folder back, or let it be read"))
            continue
        for path in paths:
            text = _read(path, texts, found, say=True)
            if text is None:
                continue
            try:
                read = statements(text if name == "queries" else numbered(text))
            except ParseError as error:
                line = text.count("\n", 0, error.args[1] or 0) + 1
                why = one_line(str(error.args[0]))[:150]
                found.add(_told(path, line, "syntax-error", why, "mend the statement"))
                continue
            told = list(query_faults(read))
            if not text.startswith(f"-- {path.stem}: "):
                why = "the first line is what pg_stat_activity shows of a query, and does not name it"
                found.add(_told(path, 1, "query-header", why, f"begin with `-- {path.stem}: `"))
            if not read:
                found.add(_told(path, 1, "syntax-error", "holds no statement", "write one, or remove the file"))
            if name == "queries":
                told += _examples(text, parameters(read))
                yield use_of(path.stem, read)
            found |= {_told(path, *each) for each in told}


def _examples(text: str, count: int) -> Iterator[tuple[int, str, str]]:
    """The `-- example WORDS: EXPR, ...` lines, each with an expression for each parameter."""
    from pglast.parser import ParseError

    examples = 0
    for number, line in enumerate(text.split("\n")[1:], 2):
        if not line.startswith("--"):
            break
        if match := re.fullmatch(r"--\s*example\b\s*([^:]*):(.*)", line):
            examples += 1
            try:
                given = _length(match[2])
            except ParseError:
                given = -1
            if not match[1]:
                yield number, "query-example", "the example does not say what is typical of it"
            elif given != count:
                says = "what cannot be parsed" if given < 0 else f"{given} of {count} expressions"
                yield number, "query-example", f"the example has {says}"
    if count and not examples:
        yield 1, "query-example", "without an example nobody can ask PostgreSQL for its plan"


def _length(expressions: str) -> int:
    from pglast import parse_sql

    statement: Any = parse_sql(f"SELECT {expressions}")[0].stmt
    return len(statement.targetList or ())


def _check_migrations(folder: Path, uses: list["Use"], texts: dict[Path, str], found: set[Finding]) -> None:
    from pglast.parser import ParseError

    from app.lint.catalog import Catalog
    from app.lint.migration_rules import Judge
    from app.lint.parser import statements

    catalog = Catalog()
    try:
        names = sorted(path.name for path in folder.iterdir() if NAME.fullmatch(path.name))
    except OSError:
        return
    read = {}
    for name in names:
        text = _read(folder / name, texts, found, say=False)  # faults() has said it
        try:
            read[name] = statements(text) if text is not None else []
        except ParseError:
            texts.pop(folder / name)
            read[name] = []
        for number, line in enumerate((text or "").split("\n"), 1):
            if re.search(r"(--|/\*).*squawk-ignore", line):
                why = "squawk's own way of silencing gives no reason"
                instead = "write `-- allow: RULE because REASON` above the line"
                found.add(_told(folder / name, number, "allow", why, instead))
    for name in names:
        if name.endswith(".rollback.sql"):
            continue
        before = catalog.copy()
        runs = transactional(folder / name) if (folder / name) in texts else True
        up = Judge(name, catalog, uses, transactional=runs)
        found |= {_told(folder / name, *each) for each in up.judge(read[name])}
        twin = name.removesuffix(".sql") + ".rollback.sql"
        if twin in read:
            down = Judge(twin, catalog.copy(), uses, before, runs)
            found |= {_told(folder / twin, *each) for each in down.judge(read[twin])}


def _silence(path: Path, text: str, found: set[Finding]) -> dict[Finding, str]:
    """Take out what `-- allow:` comments allow, and return it with the reasons; add what is wrong with the comments."""
    from app.lint.parser import allowed
    from app.lint.rules import RULES

    silenced: dict[Finding, str] = {}
    for each in allowed(text):
        there = {
            finding for finding in found if (finding.path, finding.line, finding.rule) == (path, each.target, each.rule)
        }
        fixed = each.rule in RULES and RULES[each.rule].fixed
        if each.rule not in RULES.keys() | KEPT.keys():
            why = f"there is no rule {each.rule!r}" if each.rule else "it names no rule"
        elif fixed:
            why = f"{each.rule} cannot be silenced"
        elif not each.reason:
            why = "it gives no reason"
        elif not there:
            why = f"it silences nothing: line {each.target} has no finding of {each.rule}"
        else:
            silenced |= dict.fromkeys(there, each.reason)
            continue
        found.add(
            _told(path, each.line, "allow", why, "write `-- allow: RULE because REASON` above the line, or take it out")
        )
    found.difference_update(silenced)
    return silenced
