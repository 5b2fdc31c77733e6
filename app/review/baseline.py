"""Baseline: one generated migration that makes the schema of all migrations up to it, so that their files can go.

It has the name of the last migration that it replaces. So a database that has all of them has the baseline, too, also
for stock yoyo. The migration after it still depends on an existing file.
"""

import re
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import psycopg
from pglast import ast
from pglast.parser import scan
from psycopg.sql import SQL, Identifier

from app.errors import CommandError, UsageError
from app.migrations.connection import Connection, run
from app.migrations.dump import run_pg_dump
from app.program import SCHEMA
from app.review import scratch
from app.review.measure import execute, execute_file
from app.schema.baseline import written
from app.schema.headers import transactional
from app.schema.statements import Statement, split_statements
from app.settings import ReviewSettings

PSQL = re.compile(r"^\\.*\n", re.MULTILINE)  # its commands in the output of pg_dump
TABLE = re.compile(r'CREATE (?:UNLOGGED )?TABLE ("(?:[^"]|"")+"|\S+) ')
COUNT = "(SELECT count(*) FROM {table})"
OUTSIDE = "create it before the first migration, or keep the migrations as they are"
ELSEWHERE = "elsewhere"  # the schema in which the generated file is tried

UP = """\
-- Create the schema of {count} migrations, from {first} up to this one.
--
-- What:  everything that they created, with comments and rights. `{command} baseline` wrote this file.
-- Why:   a new database starts here. A database that has the last of them has this file, too. Any other
--        database first needs the release below, which has the files that this one replaces.
-- Locks: none on an existing table.
-- Cost:  none: all tables are new.
-- baseline: {directive}

DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = quote_ident(current_schema())::regnamespace
            AND relname IN ({names})
    ) THEN
        RAISE EXCEPTION 'the database has tables of an earlier release, or of another program'
            USING HINT = 'If they are of an earlier release, first migrate with the release {release}.';
    END IF;
END
$$;

{statements}
"""

GRANTS = """\
-- A GRANT to a missing role would fail.
DO $$
BEGIN
    IF to_regrole({role}) IS NOT NULL THEN
        {grants}
    END IF;
END
$$;"""

DOWN = """\
-- Rolls back {name}: removes everything.
--
-- loses: all rows of all tables
-- rows to lose: SELECT {rows} AS rows
-- Locks: ACCESS EXCLUSIVE on every table.
-- Cost:  none.

DO $$
BEGIN
    IF EXISTS (SELECT FROM _yoyo_migration WHERE migration_id < '{name}') THEN
        RAISE EXCEPTION 'this database applied one by one the migrations that {name} replaces'
            USING HINT = 'Roll them back with the release {release}.';
    END IF;
END
$$;

{statements}
"""


@dataclass(frozen=True)
class Baseline:
    """A generated migration, its rollback, and the migrations that it replaces, itself included."""

    path: Path
    up: str
    down: str
    replaced: list[Path]

    @property
    def deleted(self) -> list[Path]:
        """Return the files that go: those of the migrations before it."""
        return [file for path in self.replaced[:-1] for file in (path, path.with_suffix(".rollback.sql"))]


def generate(settings: ReviewSettings, migrations: Sequence[Path], release: str) -> Baseline:
    """Return the baseline that replaces these migrations, which begin with the first one.

    It is applied to a scratch database in another schema, and compared. Raises CommandError if the schemas differ, and
    psycopg.Error.
    """
    with scratch.scratch(settings) as database:
        url = database.url
        with closing(scratch.connect(url)) as connection:
            run(connection, "make_history", "review")
            for path in migrations:
                execute_file(connection, path, transactional(path))
            if outside := run(connection, "find_outside", "review").fetchone():
                raise CommandError(f"a baseline cannot create the {outside[0]}.", OUTSIDE)
        wanted = _dumped(url, "public")
        baseline = _written(wanted, migrations, release)
        with closing(scratch.connect(url)) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(ELSEWHERE)))
            connection.execute(SQL("SET search_path = {}").format(Identifier(ELSEWHERE)))
            _try(connection, baseline.up)
        found = _dumped(url, ELSEWHERE)
    if found != wanted:
        lost = [line for line in wanted if line not in found] or [line for line in found if line not in wanted]
        shown = lost[0] if lost else "the order of the statements"
        raise CommandError(f"a baseline would make another schema: {' '.join(shown.split())[:300]}.")
    return baseline


def _try(connection: Connection, text: str) -> None:
    try:
        execute(connection, text, transactional=True)
    except psycopg.Error as error:
        raise CommandError(f"the baseline cannot be applied: {' '.join(str(error).split())}.") from error


def _dumped(url: str, schema: str) -> list[str]:
    """Return the statements of pg_dump that remove and create everything in a schema, without its name."""
    text = run_pg_dump(url, "--clean", "--no-owner", "--column-inserts", f"--schema={schema}")
    found = []
    for each in split_statements(PSQL.sub("", text)):
        sql, node = each.text, each.parse()
        is_schema = isinstance(node, ast.CreateSchemaStmt) or sql.startswith(("DROP SCHEMA", "COMMENT ON SCHEMA"))
        is_session = isinstance(node, ast.VariableSetStmt) or "pg_catalog.set_config(" in sql
        is_unused = sql.startswith("SELECT pg_catalog.setval(") and sql.endswith(", 1, false)")
        if not is_schema and not is_session and not is_unused:
            found.append(_without_schema(sql, schema))
    return found


def _without_schema(sql: str, schema: str) -> str:
    """Return a statement in which names have no schema. The contents of strings stay, except for a regclass."""
    tokens = scan(sql)
    parts, end = [], 0
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        word = sql[token.start : token.end + 1]
        rest = sql[after.start :] if after else ""
        is_name = token.name == "SCONST" and rest.startswith("::regclass")
        if word == schema and rest.startswith("."):
            parts.append(sql[end : token.start])
            end = token.end + 2
        elif (is_name or sql.startswith("SELECT pg_catalog.setval(")) and word.startswith(f"'{schema}."):
            parts.append(sql[end : token.start] + "'")
            end = token.start + len(f"'{schema}.")
    return "".join([*parts, sql[end:]])


def _written(dumped: Sequence[str], migrations: Sequence[Path], release: str) -> Baseline:
    """Return the two files."""
    drops = list(takewhile(lambda sql: sql.startswith(("DROP ", "ALTER ")), dumped))
    statements, grants = [], dict[str, list[str]]()
    for sql in dumped[len(drops) :]:
        role = _granted_to(sql)
        if role:
            grants.setdefault(role, []).append(f"{sql};")
        else:
            statements.append(f"{sql};")
    tables = [match[1] for sql in statements if (match := TABLE.match(sql))]
    if not tables:
        raise CommandError("these migrations make no table.")
    for role, rights in grants.items():
        statements.append(GRANTS.format(role=_quoted(role), grants="\n        ".join(rights)))
    name = migrations[-1].stem
    up = UP.format(
        count=len(migrations),
        first=migrations[0].stem,
        command=SCHEMA,
        release=release,
        directive=written(release, [path.name[:4] for path in migrations]),
        names=", ".join(_quoted(table.strip('"').replace('""', '"')) for table in tables),
        statements="\n\n".join(statements),
    )
    down = DOWN.format(
        name=name,
        release=release,
        rows=" + ".join(COUNT.format(table=table) for table in tables),
        statements="\n".join(f"{sql};" for sql in drops),
    )
    return Baseline(migrations[-1], up, down, list(migrations))


def _granted_to(sql: str) -> str | None:
    """Return the role of a GRANT or REVOKE. Return None for PUBLIC, and for other statements."""
    node = Statement(sql, 1, 0).parse()
    if isinstance(node, ast.GrantStmt) and node.grantees:
        return node.grantees[0].rolename or None
    return None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def release_of(folder: Path) -> str:
    """Return the name of the commit of a folder, as git describes it.

    Raises UsageError if git does not know it, or if the folder has changes that are not in the commit.
    """
    try:
        changed = _git(folder, "status", "--porcelain", "--", ".")
        described = _git(folder, "describe", "--tags", "--always")
    except (OSError, subprocess.CalledProcessError):
        raise UsageError(
            "git does not know the release of these files.", f"name it: {SCHEMA} baseline NNNN --release NAME"
        ) from None
    if changed:
        raise UsageError("the folder of the migrations has changes that are not committed.", "commit them first")
    return described


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()
