"""Changes of the catalog by a statement, also of the objects that it does not name: what CASCADE drops, and renames."""

from typing import Any

from pglast import ast
from pglast.enums import DropBehavior, ObjectType

from app.lint import dependents, renames
from app.lint.catalog import ROUTINES, Catalog
from app.lint.nodes import RELATIONS, dropped_names
from app.lint.renames import TYPES


def apply(catalog: Catalog, node: Any, created_by: str) -> None:
    """Apply a statement to the catalog."""
    match node:
        case ast.DropStmt(removeType=kind) if kind in TYPES:
            for name in dropped_names(node):
                for types in catalog.by_type:
                    types.pop(name, None)
        case ast.DropStmt(removeType=kind, behavior=DropBehavior.DROP_CASCADE):
            _cascade(catalog, node, kind)
        case ast.RenameStmt() | ast.AlterObjectSchemaStmt():
            renames.follow(catalog, node)
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
