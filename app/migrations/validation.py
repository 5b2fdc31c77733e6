"""Validation of sql/migrations: names, order, rollbacks, directives, and statements, before one reaches a database.

yoyo ignores what it does not know without a message: a file with another ending, or a misspelt directive. The rules are
those of docs/reference/lint-rules.md, of yoyo/migrations.py 9.0.0, and of PostgreSQL.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from app.migrations.backfill_statement import WrongBackfillError, key_columns
from app.migrations.migration_file import Fault, MigrationFile, read_file, read_header
from app.migrations.statement_rules import rejection
from app.program import SCHEMA
from app.schema.baseline import baseline_of
from app.schema.files import NAME, unfinished
from app.schema.headers import NOTHING
from app.schema.statements import split_statements

LIKE_A_NAME = re.compile(r"^[0-9]{4}|\.(p?g?sql|ddl|py)\b", re.IGNORECASE)
ROWS = re.compile(r"(INSERT|UPDATE|DELETE|SELECT)\b", re.IGNORECASE)
DRAFT = "_tmp_yoyonew"  # of `yoyo new`
BACKUP = re.compile(rf"[.#].*|{DRAFT}.*|.*(~|\.(bak|orig|rej|sw[a-z]|tmp|pyc))")


def faults(folder: Path, known: Collection[str] = ()) -> list[Fault]:
    """Return the faults of a folder's migrations, sorted by file and line. This needs no database.

    `known` are IDs of migrations that were checked before: only their names and their order are checked again.
    """
    if found_journal := unfinished(folder):
        path, what, todo = found_journal
        return [Fault(path, 1, what, todo, "file-text")]
    try:
        paths = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name) or not path.is_dir())
    except FileNotFoundError:
        paths = []
    except OSError as error:
        todo = "let the migrator's user read the folder"
        return [Fault(folder, 1, f"cannot be read: {error.strerror}", todo, "file-text")]
    found = [Fault(path, 1, *misnamed, "file-name") for path in paths if (misnamed := _misnamed(path))]
    named = [path for path in paths if NAME.fullmatch(path.name)]
    rollbacks = {path.name.removesuffix(".rollback.sql"): path for path in named if ".rollback" in path.name}
    migrations = {path.stem: path for path in named if ".rollback" not in path.name}
    if not migrations:
        todo = "run yoyo in the project's folder"
        found.append(Fault(folder, 1, "no migrations in this folder", todo, "file-name"))
    found += [
        Fault(rollbacks[name], 1, f"there is no {name}.sql to roll back", "rename it, or remove it", "file-name")
        for name in rollbacks.keys() - migrations.keys()
    ]

    before: dict[str, str] = {}  # the phases of the migrations so far, by ID
    numbers: dict[str, str] = {}
    for name, path in migrations.items():
        up = read_header(path) if name in known else read_file(path)
        down = read_file(rollbacks[name]) if name in rollbacks and name not in known else None
        _check_statements(up, up.transactional)
        _check_backfill(up)
        if down:
            _check_rollback(up, down)
        elif up.text is not None and "irreversible" not in up.directives:
            todo = "write it, or give the reason in the header: `-- irreversible: REASON`"
            up.add("rollback", 1, f"has no {name}.rollback.sql", todo)
        first = numbers.setdefault(name[:4], name)
        if first != name:
            todo = f"give one of them the next free number: {SCHEMA} renumber {name}"
            up.add("file-name", 1, f"{first}.sql also has the number {name[:4]}", todo)
        else:
            _check_depends(up, before, migrations)
            _check_baseline(up, before)
            before[name] = up.directives.get("phase", (1, "expand"))[1]
        found += up.faults + (down.faults if down else [])
    return sorted(found)


def programs(folder: Path) -> list[Fault]:
    """Return a fault for each file of Python in a folder, which yoyo would run to read it."""
    found = sorted(path for path in folder.glob("*.py") if not path.name.startswith("."))
    return [Fault(path, 1, *misnamed, "file-name") for path in found if (misnamed := _misnamed(path))]


def _misnamed(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with a file's name, and the advice. Return None if nothing is wrong."""
    name = path.name
    if NAME.fullmatch(name) or not LIKE_A_NAME.search(name):
        return None
    if BACKUP.fullmatch(name) and (name.startswith(DRAFT) or path.suffix != ".sql" or not path.is_file()):
        return None
    if name.startswith("post-apply"):
        return "yoyo would run it after every apply, without a record", "make it a migration NNNN_verb_object.sql"
    if name.lower().endswith(".py"):
        return "migrations are plain SQL, not Python", "write it as NNNN_verb_object.sql"
    if match := re.fullmatch(r"(.+)\.(down|up)\.sql", name, re.IGNORECASE):
        right = f"{match[1]}.rollback.sql" if match[2].lower() == "down" else f"{match[1]}.sql"
        return "yoyo does not support .up.sql and .down.sql, and would apply both", f"rename it to {right}"
    would = "apply it as a migration" if name.endswith(".sql") else "ignore it"
    what = f"is not named NNNN_verb_object.sql or .rollback.sql, and yoyo would {would}"
    return what, f'rename it, or move it to another folder ({SCHEMA} new "Index orders customer" makes the right name)'


def _check_statements(file: MigrationFile, transactional: bool) -> None:
    file.faults += [
        Fault(file.path, each.line, *rejected)
        for each in file.statements
        if not (transactional and ROWS.match(each.text))  # parse trees of 20,000 INSERTs take two seconds
        if (rejected := rejection(each.parse(), transactional))
    ]
    if not transactional and len(file.statements) > 1:
        what = "is a second statement in a file without a transaction"
        file.add("concurrently-alone", file.statements[1].line, what, "move each to its own file")
    elif not transactional and len(file.steps) > 1:
        what = "is text after the statement, which yoyo would run as a second statement"
        file.add("concurrently-alone", file.steps[1], what, "move comments above the statement, and keep one semicolon")


def _check_backfill(file: MigrationFile) -> None:
    """Check that a backfill is one statement with the range of a key, and that only a backfill runs in background."""
    line, phase = file.directives.get("phase", (1, ""))
    if "backfill" not in file.directives:
        if phase == "background":
            file.add("backfill", line, "is not a backfill, and cannot run in the background", "remove the line")
        return
    if file.transactional and len(file.statements) > 1:
        what = "is a second statement in a backfill"
        file.add("backfill", file.statements[1].line, what, "move each to its own file")
    for each in file.statements[:1]:
        try:
            key_columns(each.parse())
        except WrongBackfillError as error:
            file.add("backfill", each.line, error.what, error.todo)


def _check_depends(file: MigrationFile, before: dict[str, str], names: Mapping[str, Path]) -> None:
    """Check that each migration depends on the one before it. Otherwise `yoyo rollback -r` would miss some.

    A migration of another phase than expand may be left out: then this one does not wait for it. `before` has the
    phases of the migrations before this one.
    """
    line, value = file.directives.get("depends", (1, ""))
    given = value.split()
    last = next(reversed(before), None)
    main = next((name for name in reversed(before) if before[name] == "expand"), None)
    apart = [name for name, phase in before.items() if phase != "expand"]
    is_tied = main is None or any(name >= main for name in given)
    if file.text is None or ({*given} <= {main, *apart} and len({*given}) == len(given) and is_tied):
        return
    other = next((name for name in given if name != main and name not in apart), None)
    if not given:
        what = "does not say which migration it follows"
    elif other is None:
        what = "names the migration before it twice" if is_tied else f"does not depend on {main}"
    elif other == file.path.stem:
        what = "depends on itself"
    elif other not in names:
        what = f"depends on {other}, which does not exist"
    else:
        what = f"depends on {other}, which {'comes after it' if other > file.path.stem else 'is not right before it'}"
    todo = f"write `-- depends: {main or last}` in its header" if last else "remove it: this is the first migration"
    file.add("depends", line, what, todo)


def _check_baseline(file: MigrationFile, before: dict[str, str]) -> None:
    """Check that a baseline is the first migration, and says what it replaces."""
    line, value = file.directives.get("baseline", (1, ""))
    if value and before:
        todo = "delete the files before it: the baseline replaces them"
        file.add("depends", line, f"is a baseline, but {min(before)}.sql is there", todo)
    elif "baseline" in file.directives and baseline_of({"baseline": value}) is None:
        file.add("directive", line, "does not say what the baseline replaces", f"generate it: {SCHEMA} baseline NNNN")


def _check_rollback(up: MigrationFile, down: MigrationFile) -> None:
    transactional = (down if up.text is None else up).transactional
    _check_statements(down, transactional)
    if "irreversible" in up.directives:
        down.add("rollback", 1, f"exists, but {up.path.name} says irreversible", "remove it, or remove that line")
    if down.text is None:
        return
    if down.transactional != transactional:
        line, _ = down.directives.get("transactional", (1, ""))
        what = f"yoyo reads `transactional` only from {up.path.name}, which has another value"
        down.add("rollback", line, what, f"write `-- transactional: {str(transactional).lower()}` here")
    _check_loss(down, down.text, transactional)


def _check_loss(down: MigrationFile, text: str, transactional: bool) -> None:
    """Check that a rollback says what it loses, and how to count it."""
    line, loses = down.directives.get("loses", (1, None))
    rows = down.directives.get("rows to lose")
    if loses is None:
        down.add("rollback", line, "does not say what it loses", "add `-- loses: nothing`, or name the loss")
    elif rows and NOTHING.fullmatch(loses):
        todo = "remove the line, or name the loss"
        down.add("rollback", rows[0], "`-- rows to lose:` is there, but nothing is lost", todo)
    elif loses and not NOTHING.fullmatch(loses):
        if not transactional:
            todo = "use a statement that can run in one"
            down.add("rollback", line, "a rollback that loses something needs a transaction", todo)
        if not rows:
            todo = "add `-- rows to lose: SELECT count(*) FROM ...`, or write `nothing` or `nothing (reason)`"
            down.add("rollback", line, "does not say how to count what it loses", todo)
        elif not _counts(rows[1]) or re.match(r"--\s\s+\S", text.split("\n", rows[0])[-1]):
            what = "`-- rows to lose:` is not one SELECT of one number, on one line"
            down.add("rollback", rows[0], what, "write `SELECT count(*) FROM ...`")


def _counts(sql: str) -> bool:
    """Return whether this is one SELECT of one column, without GROUP BY, which can return several rows."""
    from pglast import ast  # here, because the import takes 65 ms
    from pglast.parser import ParseError

    try:
        match [each.parse() for each in split_statements(sql)]:
            case [ast.SelectStmt(targetList=[_], intoClause=None, groupClause=None)]:
                return True
    except ParseError:
        pass
    return False
