"""Rights: objects of other roles, which PostgreSQL would not let a migration change or use.

Without this check, the migrations before it would be done, and it would fail at each attempt.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from app.migrations.connection import OWNER_HINT, Connection, find, run
from app.migrations.name_conflicts import cascades, gone_names
from app.migrations.needed_column_rights import used_columns
from app.migrations.needed_create_rights import given_to, language_of, made_in, needs_superuser, types
from app.migrations.needed_function_rights import called
from app.migrations.needed_rights import changed, schemas, truncated, used
from app.migrations.needed_role_rights import extension_of, granted, of_database, roles
from app.schema.statements import split_statements

# In a DO block: what may give the role other rights. The search ends there.
GIVES = re.compile(r"\b(OWNER\s+TO|REASSIGN|SET\s+(LOCAL\s+|SESSION\s+)?ROLE)\b", re.IGNORECASE)
CHANGES_ROLE = {"role", "session_authorization", "search_path"}
RIGHTS_ON_ROLES = {
    "SET": "may not become",
    "USAGE": "is no member of",
    "ADMIN": "may not grant or revoke",
    "ALTER": "may not change or drop",
    "OWN": "may not change",
}
# The things that need another right than CREATE: its place in find_database_rights.sql, and what the role may not do.
DATABASE_RIGHTS = {
    "temporary tables": (1, "create temporary tables in this database"),
    "roles": (2, "create or drop roles"),
}
NO_FORCE = "NO FORCE ROW LEVEL SECURITY"
NO_FORCE_HINT = (
    "run that ALTER TABLE, run the command again, and then force row security again. "
    "Or migrate as a role with BYPASSRLS: set MIGRATION_DATABASE_URL, or MIGRATION_ROLE"
)
VALUES = re.compile(r"INSERT\s+INTO\s+[\w.\"]+\s*(\([^()]*\))?\s*VALUES\b", re.IGNORECASE)


def lacking_rights(connection: Connection, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield the FILE:LINE of each statement that this role may not run, and why. Each object is yielded once.

    The search knows the objects that exist now. It leaves out those that an earlier statement drops or makes again. It
    ends at a statement that may change the role or the rights, or that may drop anything.
    """
    from pglast import ast

    seen: set[str] = set()  # also the beginnings of INSERTs, because a file can have 20,000
    free: set[str] = set()  # names without quotes
    for file in files:
        for each in split_statements(file.read_text(encoding="utf-8")):
            if (insert := VALUES.match(each.text)) and insert[0] in seen:
                continue
            seen |= {insert[0]} if insert else set()
            node = each.parse()
            for reason in _may_not_write_in(connection, node):
                if reason not in seen:
                    seen.add(reason)
                    yield f"{file.name}:{each.line}", reason
            if isinstance(node, ast.DoStmt) and not GIVES.search(each.text) and not cascades(node):
                free |= set(gone_names(node))
                continue
            for reason in _reasons(connection, node, free):
                if reason not in seen:
                    seen.add(reason)
                    yield f"{file.name}:{each.line}", reason
            if _may_change_rights(node) or cascades(node):
                return
            free |= set(gone_names(node)) | {name for _, name, _ in granted(node)}
            free |= {f"rows of {table}" for table in truncated(node)}


def hint_for_lacking(reasons: Iterable[str]) -> str:
    """Return what to do about these reasons of lacking_rights(). Forced row security filters for the owner too."""
    return ". ".join(dict.fromkeys(NO_FORCE_HINT if NO_FORCE in reason else OWNER_HINT for reason in reasons))


def _may_change_rights(node: Any) -> bool:
    from pglast import ast

    changes = (ast.DoStmt, ast.CallStmt, ast.GrantRoleStmt, ast.AlterOwnerStmt, ast.ReassignOwnedStmt)
    return isinstance(node, changes) or (isinstance(node, ast.VariableSetStmt) and node.name in CHANGES_ROLE)


def _reasons(connection: Connection, node: Any, free: set[str]) -> Iterator[str]:
    """Yield why PostgreSQL would reject a statement. A name in a schema that is closed to the role is not looked up."""
    closed = [name for name in dict.fromkeys(schemas(node)) if name not in free]
    closed = [name for name in closed if run(connection, "find_closed", name=name).fetchone()]
    if closed:
        yield from (f"this role lacks the right USAGE on the schema {name}" for name in closed)
        return
    for kind, name, is_drop in changed(node):
        row = next(iter(find(connection, "find_foreign", kind=kind, name=name, is_drop=is_drop)), None)
        if row and not _is_free(name, free):
            yield f"{row[0]} belongs to {row[1]}"
    named: set[tuple[str, str]] = set()  # tables that lack the right on all columns
    for table, right in used(node):
        row = run(connection, "find_unusable", name=table, right=right).fetchone()
        if row and not _is_free(table, free):
            lacks = f"{row[0]} belongs to {row[1]}, and this role lacks the right {right.replace(', ', ' or ')}"
            filters = f"row security would filter {row[0]}"
            way = f": first ALTER TABLE {table} {NO_FORCE}" if row[3] else f", which belongs to {row[1]}"
            named.add((table, right))
            yield filters + way if row[2] else lacks
    for table, right, columns, number in used_columns(node):
        if (table, right) in named:
            continue
        row = run(
            connection, "find_unusable_column", name=table, right=right, columns=columns, number=number
        ).fetchone()
        if row and not _is_free(table, free):
            yield f"{row[0]} belongs to {row[1]}, and this role lacks the right {right} on the column"
    for kind, name, is_of_columns in granted(node):
        row = next(iter(find(connection, "find_ungrantable", kind=kind, name=name, is_of_columns=is_of_columns)), None)
        if row and not _is_free(name, free):
            yield f"{row[0]} belongs to {row[1]}, and this role has no right on it that it could grant or revoke"
    for table in truncated(node, is_cascade=True):
        for object, owner, names in run(connection, "find_untruncatable", name=table).fetchall():
            if free.isdisjoint(names) and not _is_free(table, free):
                yield f"{object} belongs to {owner}, and this role lacks the right TRUNCATE"
    for schema, name, of, is_index in called(node):
        row = run(connection, "find_uncallable", schema=schema, name=name, table=of, is_index=is_index).fetchone()
        if row and name not in free and not (of and (_is_free(of, free) or f"rows of {of}" in free)):
            yield f"{row[0]} belongs to {row[1]}, and this role lacks the right EXECUTE"
    for name, right in roles(node):
        if run(connection, "find_foreign_role", name=name, right=right).fetchone():
            yield f"this role {RIGHTS_ON_ROLES[right]} the role {name}"
    yield from _may_not_make(connection, node, free)


def _may_not_make(connection: Connection, node: Any, free: set[str]) -> Iterator[str]:
    """Yield why the role may not make what a statement makes."""
    places = [(kind, name, None) for kind, name in made_in(node)]
    for kind, place, owner in (*places, *given_to(node)):
        row = next(iter(find(connection, "find_uncreatable", kind=kind, name=place, owner=owner)), None)
        if row and not _is_free(place or "", free) and not _is_free(row[1], free):
            yield f"the role {row[0]} may not create objects in the schema {row[1]}"
    for name in types(node):
        row = run(connection, "find_unusable_type", name=name).fetchone()
        if row and not _is_free(name, free):
            yield f"{row[0]} belongs to {row[1]}, and this role lacks the right USAGE"
    if extension := extension_of(node):
        name, version = extension
        row = run(connection, "find_closed_extension", name=name, version=version).fetchone()
        if row:
            yield f"the role {row[0]} may not create the extension {name}: {row[1]}"
    if what := needs_superuser(node):
        role, *_, is_superuser = run(connection, "find_database_rights").fetchone() or ("", True)
        if not is_superuser:
            yield f"the role {role} may not create {what}: only a superuser may"
    elif what := of_database(node):
        role, *may = run(connection, "find_database_rights").fetchone() or ("", True, True, True)
        index, doing = DATABASE_RIGHTS.get(what, (0, f"create {what} in this database"))
        if not may[index]:
            yield f"the role {role} may not {doing}"


def _may_not_write_in(connection: Connection, node: Any) -> Iterator[str]:
    """Yield why the role may not use the language of a function or of a DO block."""
    if language := language_of(node):
        row = run(connection, "find_unusable_language", name=language).fetchone()
        if row:
            yield f"the role {row[0]} may not use the language {language}: {row[1]}"


def _is_free(name: str, free: set[str]) -> bool:
    return not free.isdisjoint(re.findall(r"\w+", name.partition("(")[0]))
