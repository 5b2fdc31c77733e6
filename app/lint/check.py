"""Check of sql/ without a database: the findings of `schema check`, file by file.

The findings have three sources: the faults for which the migrator rejects a file (app/migrations/validation.py), the
rules of this package, and squawk.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pglast.parser import ParseError

from app.lint import parser
from app.lint.backfill_rules import backfill_faults, table_of
from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults, Finding
from app.lint.migration_rules import migration_faults
from app.lint.query_rules import parameter_count, query_faults
from app.lint.rollback_rules import loss_faults, repeat_faults, rollback_faults
from app.lint.rules import RULES, SQUAWK_RULES, UNSAFE
from app.lint.squawk import squawk_findings
from app.lint.state import MigrationState
from app.lint.usage import Use, header_words, use_of
from app.migrations.validation import faults
from app.project import current
from app.schema import files
from app.schema.headers import directives, example_lines, transactional
from app.schema.statements import split_statements
from app.text import one_line

OTHERS = ("pooler", "migrator", "inspect", "review", "verify")  # folders beside the migrations and the queries
ALLOW_HINT = "write `-- allow: RULE because REASON` above the line, or remove the comment"


def findings(sql: Path | None = None) -> list[Finding]:
    """Return the findings in the project, or in another folder like its sql/, by file and line.

    Raises CannotCheckError if squawk does not run.
    """
    return Check(sql).run()[0]


def findings_and_allowed(sql: Path | None = None) -> tuple[list[Finding], dict[Finding, str]]:
    """Return the findings, and those that an `-- allow:` comment silences, with its reason. Raises CannotCheckError."""
    return Check(sql).run()


def folders() -> list[Path]:
    """Return the folders that the check reads in the project."""
    return [current().migrations, *Check().folders]


def reads(path: Path) -> bool:
    """Return whether the check reads this file."""
    read = {folder.resolve() for folder in folders()}
    path = path.resolve()
    return path.suffix == ".sql" and path.parent in read and path.is_file()


class Check:
    """One check of the project, or of another folder like its sql/."""

    def __init__(self, sql: Path | None = None) -> None:
        project = current()
        sql = sql or project.sql
        self.migrations = sql / project.migrations.name
        self.queries = sql / project.queries if project.queries else None  # it must exist
        self.folders = [*filter(None, [self.queries]), *(sql / name for name in OTHERS)]
        self.texts: dict[Path, str] = {}  # of the files that can be read
        self.findings: set[Finding] = set()

    def run(self) -> tuple[list[Finding], dict[Finding, str]]:
        """Return the findings, and the allowed ones with their reasons."""
        self.findings = {
            Finding(each.path, each.line, each.rule, UNSAFE, each.what, each.todo) for each in faults(self.migrations)
        }
        uses = list(self._check_queries())
        self._check_migrations(uses)
        migrations = [path for path in self.texts if path.parent == self.migrations]
        self.findings |= set(squawk_findings([path for path in migrations if not _restores(path)]))
        allowed: dict[Finding, str] = {}
        for path, text in self.texts.items():
            allowed |= self._silence(path, text)
        return sorted(self.findings), allowed

    def _add(self, path: Path, fault: Fault) -> None:
        rule = RULES[fault.rule]
        level, hint = fault.level or rule.level, fault.hint or rule.hint
        self.findings.add(Finding(path, fault.line, fault.rule, level, fault.why, hint))

    def _read(self, path: Path) -> Fault | None:
        """Read a file into `texts`, with \\n as line end. Return the fault if it is not plain UTF-8 text."""
        try:
            text = files.read_text(path)
        except OSError as error:
            return Fault(1, "file-text", f"it cannot be read: {error.strerror}", "make it readable, or remove it")
        except UnicodeDecodeError as error:
            why = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
            return Fault(1, "file-text", why, "save the file as UTF-8")
        if text.startswith("\ufeff") or "\0" in text:
            why = "it begins with a byte order mark or contains a NUL character"
            return Fault(1, "file-text", why, "remove the character")
        self.texts[path] = text
        return None

    def _check_queries(self) -> Iterator[Use]:
        """Check the files beside the migrations. Yield what each query of the service uses."""
        for folder in self.folders:
            try:
                paths = sorted(path for path in folder.iterdir() if path.suffix == ".sql")
            except OSError as error:
                if folder == self.queries or not isinstance(error, FileNotFoundError):
                    why = f"it cannot be read: {error.strerror}"
                    self._add(folder, Fault(1, "file-text", why, "restore the folder, or make it readable"))
                continue
            for path in paths:
                if fault := self._read(path):
                    self._add(path, fault)
                elif (parsed := self._parse_query(path)) is not None:
                    self._check_query(path, parsed)
                    if folder == self.queries:
                        use = use_of(path.stem, parsed)
                        use.text = self.texts[path]
                        use.header = header_words(use.text)
                        yield use

    def _parse_query(self, path: Path) -> list[parser.Statement] | None:
        text = self.texts[path]
        try:
            return list(parser.statements(text if path.parent == self.queries else parser.numbered(text)))
        except ParseError as error:
            line = text.count("\n", 0, error.args[1] or 0) + 1
            why = one_line(str(error.args[0]))[:150]
            self._add(path, Fault(line, "syntax-error", why, "correct the statement"))
            return None

    def _check_query(self, path: Path, parsed: list[parser.Statement]) -> None:
        text = self.texts[path]
        for fault in query_faults(parsed):
            self._add(path, fault)
        if not text.startswith(f"-- {path.stem}: "):
            why = "pg_stat_activity shows the first line of a query, and this one does not contain its name"
            self._add(path, Fault(1, "query-header", why, f"begin the file with `-- {path.stem}: `"))
        if not parsed:
            self._add(path, Fault(1, "syntax-error", "it contains no statement", "add one, or remove the file"))
        if path.parent == self.queries:
            for fault in _example_faults(text, parameter_count(parsed)):
                self._add(path, fault)

    def _check_migrations(self, uses: list[Use]) -> None:
        try:
            names = sorted(path.name for path in self.migrations.iterdir() if files.NAME.fullmatch(path.name))
        except OSError:
            return  # faults() reports it
        parsed = {name: self._parse_migration(self.migrations / name) for name in names}
        catalog = Catalog()
        for name in names:
            if name.endswith(".rollback.sql"):
                continue
            path = self.migrations / name
            before = catalog.copy()
            in_transaction = transactional(path) if path in self.texts else True
            directive = directives(path).get("backfill") if path in self.texts else None
            table = table_of(directive) if directive else None
            up = MigrationState(name, catalog, uses, transactional=in_transaction, backfill=table)
            statements = list(parsed[name])
            if directive:
                for fault in backfill_faults(up, directive, statements):
                    self._add(path, fault)
            for fault in migration_faults(up, statements):
                if not _restores(path):
                    self._add(path, fault)
            catalog = up.catalog
            twin = f"{path.stem}.rollback.sql"
            if twin in parsed:
                undoing = list(parsed[twin])
                down = MigrationState(twin, catalog.copy(), uses, before, in_transaction)
                found = [*migration_faults(down, undoing)]
                if path in self.texts and path.with_name(twin) in self.texts:
                    found += loss_faults(directives(path.with_name(twin)).get("loses", ""), catalog, undoing)
                    found += rollback_faults(statements, undoing, before, down.catalog, name)
                    found += repeat_faults(statements, undoing, catalog, down.catalog)
                for fault in found:
                    self._add(path.with_name(twin), fault)

    def _parse_migration(self, path: Path) -> Iterable[parser.Statement]:
        """Return the statements of a migration. It has none if it cannot be read or parsed, which faults() reports."""
        if self._read(path):
            return []
        text = self.texts[path]
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(r"(--|/\*).*squawk-ignore", line):
                why = "squawk's own comment for this gives no reason"
                self._add(path, Fault(number, "allow", why, "write `-- allow: RULE because REASON` above the line"))
        try:
            return parser.statements(text)
        except ParseError:
            del self.texts[path]
            return []

    def _silence(self, path: Path, text: str) -> dict[Finding, str]:
        """Remove the findings that comments allow from `findings`, and return them with their reasons.

        A comment that allows nothing is a finding itself.
        """
        silenced: dict[Finding, str] = {}
        for comment in parser.allowed(text):
            place = (path, comment.target, comment.rule)
            matches = {each for each in self.findings if (each.path, each.line, each.rule) == place}
            why = _why_not_allowed(comment, has_matches=bool(matches))
            if why:
                self._add(path, Fault(comment.line, "allow", why, ALLOW_HINT))
            else:
                silenced |= dict.fromkeys(matches, comment.reason)
        self.findings.difference_update(silenced)
        return silenced


def _restores(path: Path) -> bool:
    """Return whether a file only makes again what other migrations decided: a rollback, or a baseline."""
    return path.name.endswith(".rollback.sql") or "baseline" in directives(path)


def _why_not_allowed(comment: parser.Allowed, *, has_matches: bool) -> str:
    if comment.rule not in RULES.keys() | SQUAWK_RULES.keys():
        return f"there is no rule {comment.rule!r}" if comment.rule else "it names no rule"
    if comment.rule in RULES and not RULES[comment.rule].can_be_allowed:
        return f"{comment.rule} cannot be silenced"
    if not comment.reason:
        return "it gives no reason"
    return "" if has_matches else f"it silences nothing: line {comment.target} has no finding of {comment.rule}"


def _example_faults(text: str, parameters: int) -> Faults:
    """Yield the faults of the `-- example WORDS: EXPRESSION, ...` lines, which need an expression per parameter."""
    examples = example_lines(text)
    for example in examples:
        count = _expression_count(example.expressions)
        if not example.words:
            why = "the example does not say which case it is"
        elif count is None:
            why = "the expressions of the example cannot be parsed"
        elif count != parameters:
            why = f"the example has {count} expressions for {parameters} parameters"
        else:
            continue
        yield Fault(example.line, "query-example", why)
    if parameters and not examples:
        yield Fault(1, "query-example", "without an example, PostgreSQL cannot be asked for the plan of this query")


def _expression_count(expressions: str) -> int | None:
    try:
        [select] = split_statements(f"SELECT {expressions}")
    except (ParseError, ValueError):  # not one statement
        return None
    return len(getattr(select.parse(), "targetList", None) or ())
