"""Changes of the catalog that need more than the statement: what CASCADE drops, and the names of types."""

from dataclasses import replace
from typing import Any

from pglast import ast
from pglast.enums import DropBehavior, ObjectType

from app.lint import dependents
from app.lint.catalog import ROUTINES, Catalog
from app.lint.nodes import RELATIONS, dropped_names, qualified, qualified_name

TYPES = {ObjectType.OBJECT_TYPE, ObjectType.OBJECT_DOMAIN}


def apply(catalog: Catalog, node: Any, created_by: str) -> None:
    """Apply a statement to the catalog."""
    match node:
        case ast.DropStmt(removeType=kind) if kind in TYPES:
            for name in dropped_names(node):
                for types in _types(catalog):
                    types.pop(name, None)
        case ast.DropStmt(removeType=kind, behavior=DropBehavior.DROP_CASCADE):
            _cascade(catalog, node, kind)
        case ast.RenameStmt(renameType=kind, object=[*parts]) if kind in TYPES:
            old = qualified_name(parts)
            _rename_type(catalog, old, qualified(old.rpartition(".")[0] or None, node.newname))
        case ast.AlterObjectSchemaStmt(objectType=kind, object=[*parts]) if kind in TYPES:
            old = qualified_name(parts)
            _rename_type(catalog, old, qualified(node.newschema, old.rpartition(".")[2]))
        case ast.RenameStmt(relation=ast.RangeVar(relname=str(name)), newname=str(new)) if name in catalog.indexes:
            table = catalog.tables.get(catalog.indexes[name].table)
            if table and name in table.constraints:  # PostgreSQL renames the constraint of an index, too
                table.constraints[new] = replace(table.constraints.pop(name), name=new)
        case _:
            pass
    catalog.apply(node, created_by)


def _cascade(catalog: Catalog, node: ast.DropStmt, kind: ObjectType | None) -> None:
    for name in dropped_names(node):
        if kind in RELATIONS:
            _drop_dependents(catalog, name)
        elif kind in ROUTINES:
            catalog.triggers = {key: each for key, each in catalog.triggers.items() if each.function != name}


def _drop_dependents(catalog: Catalog, name: str) -> None:
    """Remove the views that read a table or view, with those that read them, and the foreign keys that lead to it."""
    for view in dependents.views_of(catalog, name):
        _drop_dependents(catalog, view)
        catalog.forget(view)
    for table in catalog.tables.values():
        table.constraints = {key: each for key, each in table.constraints.items() if each.target != name}


def _rename_type(catalog: Catalog, old: str, new: str) -> None:
    for types in _types(catalog):
        if old in types:
            types[new] = types.pop(old)
    for table in catalog.tables.values():
        for name, column in table.columns.items():
            if column.type and column.type.name == old.rpartition(".")[2]:
                table.columns[name] = replace(column, type=replace(column.type, name=new.rpartition(".")[2]))


def _types(catalog: Catalog) -> tuple[dict[str, Any], ...]:
    return catalog.types, catalog.enums, catalog.domains, catalog.domain_defaults
