"""What is wrong with the files of sql/migrations, told before one of them reaches a database.

yoyo passes in silence over what it does not know: a file whose name ends otherwise, a directive in other words or at
another place, a statement that its splitter, sqlparse, cuts in two. Here PostgreSQL's own parser reads the files too.
The rules are those of sql/README.md, of yoyo/migrations.py 9.0.0, and of PostgreSQL for what runs in a transaction.
"""

import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any

import sqlparse

from app.schema.headers import DIRECTIVE, HEADER_LINE, KEYS, NOTHING
from app.settings import ROOT
from app.text import one_line

NAME = re.compile(r"[0-9]{4}(_[a-z0-9]+)+(\.rollback)?\.sql")
LIKE_A_NAME = re.compile(r"^[0-9]{4}|\.(p?g?sql|ddl|py)\b", re.IGNORECASE)
BACKUP = re.compile(r"[.#].*|_tmp_yoyonew.*|.*(~|\.(bak|orig|rej|sw[a-z]|tmp|pyc))")

MISPLACED = {False: ("loses", "rows to lose"), True: ("depends", "irreversible")}  # by whether it is a rollback
LIKE_A_DIRECTIVE = re.compile(r"[-/*#\s]*([a-z][a-z _-]*?)\s*[:=]\s*(.*)", re.IGNORECASE)

COPY_DATA = re.compile(r"\bCOPY\b[^;]*\bFROM\s+STDIN\b[^;]*;\s*\Z", re.IGNORECASE)
COPY = (
    "COPY FROM STDIN and COPY TO STDOUT are for psql: yoyo sends no data",
    "write INSERT ... VALUES, or take it out",
    "client-copy",
)
UNSURE = "after an interruption nobody could tell whether it took effect"
ALONE = (
    "cannot run in a transaction",
    "put it alone in a file that says `-- transactional: false`",
    "concurrently-alone",
)
BY_HAND = (f"cannot run in a transaction, and {UNSURE}", "run it by hand, outside the migrations", "by-hand")
NOT_ALONE = (
    f"{UNSURE}; only CREATE INDEX CONCURRENTLY, DROP INDEX CONCURRENTLY, VACUUM and a DO block with COMMIT may go "
    "without a transaction",
    "use one of them, or take `-- transactional: false` out",
    "concurrently-alone",
)


@dataclass(frozen=True, order=True)
class Fault:
    path: Path
    line: int  # from 1
    what: str
    todo: str
    rule: str = "syntax-error"  # its heading in sql/README.md

    def __str__(self) -> str:
        path = self.path.absolute()
        return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{self.line}: {self.what}: {self.todo}"


@dataclass
class _File:
    """A file as read: directives as key to (line, value), statements as (line, node), yoyo's steps by their lines."""

    path: Path
    text: str | None = None  # with \n for each line's end; None where it cannot be read
    directives: dict[str, tuple[int, str]] = field(default_factory=dict)
    statements: list[tuple[int, Any]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def transactional(self) -> bool:
        return self.directives.get("transactional", (1, "true"))[1] != "false"

    def add(self, rule: str, line: int, what: str, todo: str) -> None:
        self.faults.append(Fault(self.path, line, what, todo, rule))


def faults(folder: Path) -> list[Fault]:
    """Everything wrong with the migrations of a folder, sorted by file and line. It needs no database."""
    try:
        paths = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name) or not path.is_dir())
    except FileNotFoundError:
        paths = []
    except OSError as error:
        return [
            Fault(
                folder, 1, f"cannot be read: {error.strerror}", "let the migrator's user read the folder", "file-text"
            )
        ]
    found = [Fault(path, 1, *misnamed, "file-name") for path in paths if (misnamed := _misnamed(path.name))]
    named = [path for path in paths if NAME.fullmatch(path.name)]
    rollbacks = {path.name.removesuffix(".rollback.sql"): path for path in named if ".rollback" in path.name}
    migrations = {path.stem: path for path in named if ".rollback" not in path.name}
    if not migrations:
        found.append(Fault(folder, 1, "no migrations in this folder", "run yoyo in the project's folder", "file-name"))
    orphans = rollbacks.keys() - migrations.keys()
    found += [
        Fault(rollbacks[name], 1, f"there is no {name}.sql to undo", "rename it, or remove it", "file-name")
        for name in orphans
    ]

    before = None
    numbers: dict[str, str] = {}
    for name, path in migrations.items():
        up, down = _read(path), _read(rollbacks[name]) if name in rollbacks else None
        _check_statements(up, up.transactional)
        if down:
            _check_rollback(up, down)
        elif up.text is not None and "irreversible" not in up.directives:
            up.add(
                "rollback",
                1,
                f"has no {name}.rollback.sql",
                "write it, or say in the header `-- irreversible: ` and why",
            )
        first = numbers.setdefault(name[:4], name)
        if first != name:
            up.add(
                "file-name", 1, f"{first}.sql has the number {name[:4]} too", "give one of them the next free number"
            )
        else:
            _check_depends(up, before, migrations)
            before = name
        found += up.faults + (down.faults if down else [])
    return sorted(found)


def _misnamed(name: str) -> tuple[str, str] | None:
    if NAME.fullmatch(name) or BACKUP.fullmatch(name) or not LIKE_A_NAME.search(name):
        return None
    if name.startswith("post-apply"):
        return "yoyo would run it after every apply, and record it nowhere", "make it a migration NNNN_verb_object.sql"
    if name.lower().endswith(".py"):
        return "migrations are plain SQL, not Python", "write it as NNNN_verb_object.sql"
    if match := re.fullmatch(r"(.+)\.(down|up)\.sql", name, re.IGNORECASE):
        right = f"{match[1]}.rollback.sql" if match[2].lower() == "down" else f"{match[1]}.sql"
        return "yoyo knows no .up.sql and .down.sql, and would apply both", f"call it {right}"
    would = "apply it as a migration" if name.endswith(".sql") else "ignore it"
    return f"is not named NNNN_verb_object.sql or .rollback.sql; yoyo would {would}", "rename it, or move it elsewhere"


def _read(path: Path) -> _File:
    """Read directives, statements and steps. What is no text has one fault; what does not parse, no statements."""
    file = _File(path)
    content = b""
    try:
        content = path.read_bytes()
        text = re.sub("\r\n?", "\n", content.decode())
    except OSError as error:
        file.add(
            "file-text",
            1,
            f"cannot be read: {error.strerror}",
            "put a file here that the migrator's user may read, or remove it",
        )
    except UnicodeDecodeError as error:
        line = _line(content[: error.start].decode().replace("\r\n", "\n").replace("\r", "\n"))
        file.add("file-text", line, f"byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8")
    else:
        if text.startswith("\ufeff"):
            file.add("file-text", 1, "begins with a byte order mark", "save the file as UTF-8 without one")
        elif "\0" in text:
            file.add("file-text", _line(text[: text.index("\0")]), "holds a NUL character", "take it out")
        else:
            file.text = text
            _parse(file, text)
    return file


def _line(before: str) -> int:
    return before.count("\n") + 1


def _parse(file: _File, text: str) -> None:
    from pglast import parse_sql  # here, and in the functions below: its import takes 50 ms
    from pglast.parser import ParseError, scan

    end, spans = len(text.rstrip()), []
    try:
        for raw in parse_sql(text):
            start = raw.stmt_location or 0
            spans.append((start, start + raw.stmt_len if raw.stmt_len else end))
            file.statements.append((_line(text[:start]), raw.stmt))
        if not spans:
            file.add("syntax-error", 1, "holds no statement", "write one, or remove the file")
    except ParseError as error:
        message, index = error.args
        end = end if index is None else index
        if data := COPY_DATA.search(text, 0, end):
            file.add("client-copy", _line(text[: data.start()]), *COPY[:2])
        elif text.startswith("\\", end):
            what = f"{text[end:].split()[0].rstrip(';')} is a command of psql, not SQL"
            file.add("syntax-error", _line(text[:end]), what, "take it out, or write it in SQL")
        else:
            file.add(
                "syntax-error",
                _line(text[:end]),
                one_line(message)[:150],
                "PostgreSQL's parser refuses it; mend the statement",
            )
    comments = [(token.start, token.end + 1) for token in scan(text[:end]) if token.name.endswith("_COMMENT")]
    _read_directives(file, text, comments)
    if spans:
        _compare_steps(file, text, spans, comments)


def _read_directives(file: _File, text: str, comments: list[tuple[int, int]]) -> None:
    """Take in what is, or was meant as, a directive. What yoyo or `_header` would not read the same way is a fault."""
    rollback = ".rollback" in file.path.name
    lines = text.split("\n")
    header = len(list(takewhile(HEADER_LINE.fullmatch, lines)))
    numbered = [pair for start, end in comments for pair in enumerate(text[start:end].split("\n"), _line(text[:start]))]
    for line, comment in numbered:
        match = LIKE_A_DIRECTIVE.match(comment)
        key = match and _meant(match[1], match[2])
        if not match or not key:
            continue
        exact = DIRECTIVE.fullmatch(lines[line - 1])
        value = exact[2] if exact else match[2].rstrip("*/ ")
        if key in MISPLACED[rollback]:
            where, other = ("a rollback", "the migration") if rollback else ("a migration", "its rollback")
            file.add(
                "directive",
                line,
                f"`{match[1]}` means nothing in {where}",
                f"move `-- {key}: ...` to {other}, or take it out",
            )
        elif line > header:
            todo = f"move `-- {key}: ...` up, among the -- lines before all else"
            file.add("directive", line, f"`{match[1]}` is ignored here", todo)
        elif not exact:
            file.add(
                "directive", line, f"`{one_line(comment)[:60]}` is ignored", f"write `-- {key}: ...`, in lower case"
            )
        elif key in file.directives:
            file.add("directive", line, f"`-- {key}:` is given twice", "leave one")
        elif key == "transactional" and value not in {"true", "false"}:
            file.add(
                "directive",
                line,
                f"transactional is {value!r}",
                "write `-- transactional: false`, and nothing after it",
            )
        elif key in {"irreversible", "loses"} and not value.strip():
            file.add(
                "directive",
                line,
                f"`-- {key}:` is empty",
                "say what is lost, or nothing" if key == "loses" else "say why",
            )
        file.directives.setdefault(key, (line, value.strip()))


def _meant(word: str, value: str) -> str | None:
    """The directive that a word before a colon stands for, if it does."""
    word = re.sub(r"[\s_-]+", " ", word.lower())
    near = word if word in KEYS else next(iter(get_close_matches(word, KEYS, 1, 0.82)), "")
    likely = near[:1] == word[:1] and re.match(KEYS.get(near, ""), value, re.IGNORECASE)
    return near if near == word or likely else None


def _compare_steps(file: _File, text: str, spans: list[tuple[int, int]], comments: list[tuple[int, int]]) -> None:
    """Hold what yoyo would run, step by step, against PostgreSQL's statements and comments."""
    end = 0
    for step in filter(None, sqlparse.split(text)):
        start = text.index(step, end)
        end = start + len(step)
        file.steps.append(_line(text[:start]))
        begun = [span for span in spans if start <= span[0] < end]
        cut = [span for span in [*begun, *comments] if span[0] < end < span[1]]
        if cut:
            todo = "write it without nested comments" if "/*" in step else "write it in another way"
            file.add("splitting", _line(text[: min(cut)[0]]), "yoyo's splitter would cut this statement in two", todo)
        elif len(begun) > 1:
            what = "yoyo's splitter would run this statement and the one before it as one"
            file.add(
                "splitting",
                _line(text[: begun[1][0]]),
                what,
                "quote the names before it that are keywords, or split the file",
            )


def _check_statements(file: _File, transactional: bool) -> None:
    file.faults += [
        Fault(file.path, line, *fault)
        for line, node in file.statements
        if (fault := _statement_fault(node, transactional))
    ]
    if not transactional and len(file.statements) > 1:
        what = "is a second statement in a file without a transaction"
        file.add("concurrently-alone", file.statements[1][0], what, "give each a file of its own")
    elif not transactional and len(file.steps) > 1:
        what = "yoyo would run what stands beside the one statement as a second one"
        file.add("concurrently-alone", file.steps[1], what, "move comments above it, and leave one semicolon")


def _statement_fault(node: Any, transactional: bool) -> tuple[str, str, str] | None:
    """What is wrong, what to do, and the rule."""
    from pglast import ast

    match node:
        case ast.TransactionStmt():
            return "yoyo begins and ends the transaction itself", "take this statement out", "transaction-control"
        case ast.VariableSetStmt(is_local=True) if not transactional:
            return "SET LOCAL has no effect outside a transaction", "take it out", "session-setting"
        case ast.VariableSetStmt(is_local=False, name=name) if not (name or "").startswith("TRANSACTION"):
            return (
                "would hold for the migrations after this one too",
                "write SET LOCAL (SET LOCAL ... TO DEFAULT)",
                "session-setting",
            )
        case ast.DiscardStmt():
            return "would change the session that the migrator works in", "take it out", "session-setting"
        case ast.CopyStmt(filename=None):
            return COPY
        case ast.IndexStmt(concurrent=True, idxname=None):
            return "gives the index no name to find it by after an interruption", "name it", "concurrently-whole"
        case ast.IndexStmt(concurrent=True, if_not_exists=True):
            return (
                "IF NOT EXISTS would take an INVALID index for the whole one",
                "take IF NOT EXISTS out",
                "concurrently-whole",
            )
        case ast.IndexStmt(concurrent=True, relation=ast.RangeVar(inh=False)):
            return "ONLY leaves an INVALID index, as an interruption does", "take ONLY out", "concurrently-whole"
        case ast.DropStmt(concurrent=True, objects=[_, _, *_]):
            return "drops more than one index", "give each a file of its own", "concurrently-alone"
        case ast.IndexStmt(concurrent=True) | ast.DropStmt(concurrent=True) | ast.VacuumStmt(is_vacuumcmd=True):
            return ALONE if transactional else None
        case ast.DoStmt(args=[*arguments]) if any(
            option.defname == "as" and re.search(r"\bCOMMIT\b", option.arg.sval, re.IGNORECASE) for option in arguments
        ):  # a backfill in batches: after an interruption it is run again from its beginning, and must bear that
            return None
        case ast.CreatedbStmt() | ast.DropdbStmt() | ast.CreateTableSpaceStmt() | ast.DropTableSpaceStmt():
            return BY_HAND
        case ast.AlterSystemStmt() | ast.ReindexStmt(relation=None):  # a schema, a database
            return BY_HAND
        case ast.ReindexStmt(params=options) if any(option.defname == "concurrently" for option in options or ()):
            return BY_HAND
        case ast.AlterTableStmt(cmds=[ast.AlterTableCmd(def_=ast.PartitionCmd(concurrent=True))]):
            return BY_HAND
        case _:
            return None if transactional else NOT_ALONE


def _check_depends(file: _File, before: str | None, names: dict[str, Path]) -> None:
    """Each depends on the one before it, the first on none: then `yoyo rollback -r` means what it says."""
    line, value = file.directives.get("depends", (1, ""))
    given = value.split()
    if file.text is None or given == ([before] if before else []):
        return
    other = next((name for name in given if name != before), None)
    if not given:
        what = "does not say which migration it follows"
    elif other is None:
        what = "names the migration before it twice"
    elif other == file.path.stem:
        what = "depends on itself"
    elif other not in names:
        what = f"depends on {other}, which does not exist"
    else:
        what = f"depends on {other}, which {'comes after it' if other > file.path.stem else 'is not right before it'}"
    file.add(
        "depends",
        line,
        what,
        f"write `-- depends: {before}` in its header" if before else "take it out: this is the first",
    )


def _check_rollback(up: _File, down: _File) -> None:
    transactional = (down if up.text is None else up).transactional
    _check_statements(down, transactional)
    if "irreversible" in up.directives:
        down.add("rollback", 1, f"is there, though {up.path.name} says irreversible", "remove it, or that line")
    if down.text is None:
        return
    if down.transactional != transactional:
        line, _ = down.directives.get("transactional", (1, ""))
        what = f"yoyo takes `transactional` from {up.path.name} alone, which says otherwise"
        down.add("rollback", line, what, f"write `-- transactional: {str(transactional).lower()}` here")
    line, loses = down.directives.get("loses", (1, None))
    rows = down.directives.get("rows to lose")
    if loses is None:
        down.add("rollback", line, "does not say what it loses", "add `-- loses: nothing`, or what is lost")
    elif rows and NOTHING.fullmatch(loses):
        down.add(
            "rollback", rows[0], "`-- rows to lose:` where nothing is lost", "take the line out, or say what is lost"
        )
    elif loses and not NOTHING.fullmatch(loses):
        if not transactional:
            down.add(
                "rollback",
                line,
                "a rollback that loses something needs a transaction",
                "use a statement that runs in one",
            )
        if not rows:
            todo = "add `-- rows to lose: SELECT count(*) FROM ...`, or write `nothing` or `nothing (why)`"
            down.add("rollback", line, "does not say how to count what it loses", todo)
        elif not _counts(rows[1]) or re.match(r"--\s\s+\S", down.text.split("\n", rows[0])[-1]):
            what = "`-- rows to lose:` is not one SELECT of one number, on one line"
            down.add("rollback", rows[0], what, "write `SELECT count(*) FROM ...`")


def _counts(sql: str) -> bool:
    from pglast import ast, parse_sql
    from pglast.parser import ParseError

    try:
        match [raw.stmt for raw in parse_sql(sql)]:
            case [ast.SelectStmt(targetList=[_], intoClause=None)]:
                return True
    except ParseError:
        pass
    return False
