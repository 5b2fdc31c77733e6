"""Renames: new names and schemas of tables, columns, constraints, indexes, views, triggers, policies, routines, types.

PostgreSQL refers to an object by its number. So a view, a constraint, an index, a generated column, and BEGIN ATOMIC
follow a new name. The text of another function does not.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pglast import ast
from pglast.enums import ObjectType

from app.lint.catalog import ROUTINES, Catalog
from app.lint.nodes import RELATIONS, qualified, qualified_name, relation_name, rename_keys, replaced, walk
from app.lint.objects import argument_types

TYPES = {ObjectType.OBJECT_TYPE, ObjectType.OBJECT_DOMAIN}
Change = Callable[[Any], None]  # of one node of a parse tree


def follow(catalog: Catalog, node: Any) -> None:
    """Apply a RENAME or a SET SCHEMA to the catalog."""
    match node:
        case ast.RenameStmt(renameType=ObjectType.OBJECT_COLUMN, relation=ast.RangeVar() as relation):
            _rename_column(catalog, relation_name(relation), node.subname or "", node.newname or "")
        case ast.RenameStmt(renameType=ObjectType.OBJECT_TABCONSTRAINT, relation=ast.RangeVar() as relation):
            _rename_constraint(catalog, relation_name(relation), node.subname or "", node.newname or "")
        case ast.RenameStmt(renameType=ObjectType.OBJECT_TRIGGER, relation=ast.RangeVar() as relation):
            key = (relation_name(relation), node.subname or "")
            if key in catalog.triggers:
                new = node.newname or ""
                catalog.triggers[key[0], new] = replace(catalog.triggers.pop(key), name=new)
        case ast.RenameStmt(renameType=ObjectType.OBJECT_POLICY, relation=ast.RangeVar() as relation):
            key = (relation_name(relation), node.subname or "")
            if key in catalog.policies:
                catalog.policies[key[0], node.newname or ""] = catalog.policies.pop(key)
        case ast.RenameStmt(relation=ast.RangeVar() as relation) if (
            node.renameType == ObjectType.OBJECT_INDEX or relation_name(relation) in catalog.indexes
        ):
            _rename_index(catalog, relation.relname or "", node.newname or "")
        case ast.RenameStmt(renameType=kind, relation=ast.RangeVar() as relation) if kind in RELATIONS:
            _move(catalog, relation_name(relation), qualified(relation.schemaname, node.newname or ""))
        case ast.RenameStmt(renameType=kind, object=ast.ObjectWithArgs() as routine) if kind in ROUTINES:
            old = qualified_name(routine.objname)
            _rename_routine(catalog, routine, qualified(old.rpartition(".")[0] or None, node.newname or ""))
        case ast.RenameStmt(renameType=kind, object=[*parts]) if kind in TYPES:
            old = qualified_name(parts)
            _rename_type(catalog, old, qualified(old.rpartition(".")[0] or None, node.newname or ""))
        case ast.RenameStmt(renameType=ObjectType.OBJECT_SCHEMA):
            _rename_schema(catalog, node.subname or "", node.newname or "")
        case ast.AlterObjectSchemaStmt(relation=ast.RangeVar() as relation):
            _move(catalog, relation_name(relation), qualified(node.newschema, relation.relname or ""))
        case ast.AlterObjectSchemaStmt(objectType=kind, object=ast.ObjectWithArgs() as routine) if kind in ROUTINES:
            short = qualified_name(routine.objname).rpartition(".")[2]
            _rename_routine(catalog, routine, qualified(node.newschema, short))
        case ast.AlterObjectSchemaStmt(objectType=kind, object=[*parts]) if kind in TYPES:
            old = qualified_name(parts)
            _rename_type(catalog, old, qualified(node.newschema, old.rpartition(".")[2]))
        case _:
            pass


def _rename_column(catalog: Catalog, table: str, old: str, new: str) -> None:
    known = catalog.tables.get(table)
    if known is None or old not in known.columns:
        return

    def change(node: Any) -> None:
        if isinstance(node, ast.ColumnRef) and node.fields and getattr(node.fields[-1], "sval", "") == old:
            node.fields = (*node.fields[:-1], ast.String(sval=new))

    known.columns = {new if name == old else name: each for name, each in known.columns.items()}
    for name, column in known.columns.items():
        expression = _changed(column.expression, change)
        known.columns[name] = replace(column, name=name, expression=expression)
    for name, constraint in known.constraints.items():
        columns, expression = replaced(constraint.columns, old, new), _changed(constraint.expression, change)
        known.constraints[name] = replace(constraint, columns=columns, expression=expression)
    for index in catalog.indexes_of(table):
        mentioned = frozenset(replaced(tuple(index.mentioned), old, new))
        catalog.indexes[index.name] = replace(
            index,
            columns=replaced(index.columns, old, new),
            mentioned=mentioned,
            predicate=_changed(index.predicate, change),
            keys=tuple(replace(each, expression=_changed(each.expression, change)) for each in index.keys),
            included=frozenset(replaced(tuple(index.included), old, new)),
        )
    for key, trigger in catalog.triggers.items():
        if trigger.table == table:
            names = [frozenset(replaced(tuple(each), old, new)) for each in (trigger.columns, trigger.update_of)]
            catalog.triggers[key] = replace(trigger, columns=names[0], update_of=names[1])
    known.partition_key = replaced(known.partition_key, old, new)
    for name, other in catalog.tables.items():
        if table in other.parents:
            _rename_column(catalog, name, old, new)
        for own, each in other.constraints.items():
            if each.target == table:
                other.constraints[own] = replace(each, target_columns=replaced(each.target_columns, old, new))


def _rename_constraint(catalog: Catalog, table: str, old: str, new: str) -> None:
    known = catalog.tables.get(table)
    if known and old in known.constraints:
        known.constraints[new] = replace(known.constraints.pop(old), name=new)
        if old in catalog.indexes:
            catalog.indexes[new] = replace(catalog.indexes.pop(old), name=new)


def _rename_index(catalog: Catalog, old: str, new: str) -> None:
    if old not in catalog.indexes:
        return
    index = catalog.indexes[new] = replace(catalog.indexes.pop(old), name=new)
    table = catalog.tables.get(index.table)
    if table and old in table.constraints:  # PostgreSQL renames the constraint of an index, too
        table.constraints[new] = replace(table.constraints.pop(old), name=new)


def _move(catalog: Catalog, old: str, new: str) -> None:
    """Give a table or a view another name or schema."""
    if old not in catalog.tables:
        return
    catalog.tables[new] = catalog.tables.pop(old)
    for objects in (catalog.rights, catalog.policies, catalog.revoked):
        rename_keys(objects, old, new)
    for names in (catalog.row_security, catalog.temporary):
        if old in names:
            names.remove(old)
            names.add(new)
    for index in catalog.indexes_of(old):
        catalog.indexes[index.name] = replace(index, table=new)
    for key in [key for key in catalog.triggers if key[0] == old]:
        catalog.triggers[new, key[1]] = replace(catalog.triggers.pop(key), table=new)
    for table in catalog.tables.values():
        table.parents = replaced(table.parents, old, new)
        for name, constraint in table.constraints.items():
            if constraint.target == old:
                table.constraints[name] = replace(constraint, target=new)

    def change(node: Any) -> None:
        if isinstance(node, ast.RangeVar) and relation_name(node) == old:
            if node.alias is None and new.rpartition(".")[2] != node.relname:
                node.alias = ast.Alias(aliasname=node.relname)  # the columns name it
            schema, _, node.relname = new.rpartition(".")
            node.schemaname = schema or None

    _change_stored(catalog, change)


def _rename_routine(catalog: Catalog, routine: Any, new: str) -> None:
    old = qualified_name(routine.objname)
    key = old if routine.args_unspecified else catalog.routine_key(old, argument_types(routine.objargs))
    if key not in catalog.routines:
        return
    is_only = not any(other != key and other.partition("(")[0] == old for other in catalog.routines)
    moved = replace(catalog.routines.pop(key), uses={})
    catalog.routines[catalog.routine_key(new, moved.arguments)] = moved
    if not is_only:  # the calls are not told apart
        if old not in catalog.routines:
            other = next(each for each in catalog.routines if each.partition("(")[0] == old)
            catalog.routines[old] = catalog.routines.pop(other)
        return

    def change(node: Any) -> None:
        if isinstance(node, ast.FuncCall) and qualified_name(node.funcname) == old:
            node.funcname = tuple(ast.String(sval=part) for part in new.split("."))

    for place, trigger in catalog.triggers.items():
        if trigger.function == old:
            catalog.triggers[place] = replace(trigger, function=new)
    for name, index in catalog.indexes.items():
        if old in index.functions:
            functions = index.functions - {old} | {new}
            catalog.indexes[name] = replace(
                index,
                functions=functions,
                predicate=_changed(index.predicate, change),
                keys=tuple(replace(each, expression=_changed(each.expression, change)) for each in index.keys),
            )
    for table in catalog.tables.values():
        for name, constraint in table.constraints.items():
            table.constraints[name] = replace(constraint, expression=_changed(constraint.expression, change))
        for name, column in table.columns.items():
            expression, default = _changed(column.expression, change), _changed(column.default, change)
            table.columns[name] = replace(column, expression=expression, default=default)
    _change_stored(catalog, change)


def _rename_type(catalog: Catalog, old: str, new: str) -> None:
    for types in catalog.by_type:
        if old in types:
            types[new] = types.pop(old)
    for table in catalog.tables.values():
        for name, column in table.columns.items():
            if column.type and column.type.name == old.rpartition(".")[2]:
                table.columns[name] = replace(column, type=replace(column.type, name=new.rpartition(".")[2]))


def _rename_schema(catalog: Catalog, old: str, new: str) -> None:
    for name in [name for name in catalog.tables if name.startswith(f"{old}.")]:
        _move(catalog, name, qualified(new, name.removeprefix(f"{old}.")))
    for objects in (catalog.routines, *catalog.by_type):
        for name in [name for name in objects if name.startswith(f"{old}.")]:
            objects[qualified(new, name.removeprefix(f"{old}."))] = objects.pop(name)
    for key, trigger in catalog.triggers.items():
        if trigger.function.startswith(f"{old}."):
            function = qualified(new, trigger.function.removeprefix(f"{old}."))
            catalog.triggers[key] = replace(trigger, function=function)


def _change_stored(catalog: Catalog, change: Change) -> None:
    """Change the parse trees of views and of routines with BEGIN ATOMIC or RETURN."""
    for table in catalog.tables.values():
        table.query = _changed(table.query, change)
    for name, routine in catalog.routines.items():
        if routine.parsed is not None:
            catalog.routines[name] = replace(routine, parsed=_changed(routine.parsed, change), uses={})


def _changed(tree: Any, change: Change) -> Any:
    """Return a parse tree with changed nodes: a copy, because the earlier states of the catalog have the former one."""
    if tree is None:
        return None
    new = deepcopy(tree)
    for node in walk(new):
        change(node)
    return new
