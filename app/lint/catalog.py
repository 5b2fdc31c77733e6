"""A model of the schema, made by replaying migrations: what PostgreSQL would know, as far as the files tell it.

What is not known here (a table of an extension, a column of a CREATE TABLE AS) is None or absent, never a guess: the
rules then stay on the careful side.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, ObjectType

SERIALS = {"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8"}
SERIALS |= {"smallserial": "int2", "serial2": "int2"}
KINDS = {
    ConstrType.CONSTR_PRIMARY: "pkey",
    ConstrType.CONSTR_UNIQUE: "key",
    ConstrType.CONSTR_CHECK: "check",
    ConstrType.CONSTR_FOREIGN: "fkey",
    ConstrType.CONSTR_EXCLUSION: "excl",
    ConstrType.CONSTR_NOTNULL: "not_null",
}
RELATIONS = {
    ObjectType.OBJECT_TABLE,
    ObjectType.OBJECT_VIEW,
    ObjectType.OBJECT_MATVIEW,
    ObjectType.OBJECT_FOREIGN_TABLE,
}


@dataclass(frozen=True)
class Type:
    name: str  # as in pg_type: int4, varchar, timestamptz
    mods: tuple[int | None, ...] = ()
    array: bool = False
    collation: str = ""


@dataclass(frozen=True)
class Column:
    name: str
    type: Type | None
    not_null: bool = False
    default: Any = None  # a node
    filled: bool = False  # GENERATED or serial: PostgreSQL gives the value
    virtual: bool = False
    made: str = ""  # by which file; so below


@dataclass(frozen=True)
class Constraint:
    name: str
    kind: str  # a value of KINDS
    columns: tuple[str, ...]
    valid: bool
    expression: Any = None  # a node
    target: str = ""  # the other table of a foreign key
    made: str = ""


@dataclass(frozen=True)
class Index:
    name: str
    table: str
    columns: tuple[str, ...]  # "" for an expression
    mentioned: frozenset[str]  # by expressions and the predicate too
    unique: bool
    simple: bool  # neither expressions nor a predicate
    made: str = ""


@dataclass
class Table:
    kind: str  # table, partitioned, view
    made: str
    whole: bool = True  # all columns are known
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)


@dataclass(frozen=True)
class Routine:
    volatility: str
    language: str
    body: str | None
    made: str


@dataclass
class Catalog:
    """Keyed by name; a schema other than public stands before it, with a full stop."""

    tables: dict[str, Table] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    routines: dict[str, Routine] = field(default_factory=dict)
    domains: dict[str, bool] = field(default_factory=dict)  # whether it has constraints
    temporary: set[str] = field(default_factory=set)

    def copy(self) -> "Catalog":
        tables = {
            name: replace(table, columns=dict(table.columns), constraints=dict(table.constraints))
            for name, table in self.tables.items()
        }
        return Catalog(tables, dict(self.indexes), dict(self.routines), dict(self.domains), set(self.temporary))

    def column(self, table: str, name: str | None) -> Column | None:
        return self.tables[table].columns.get(name or "") if table in self.tables else None

    def constraints(self, table: str) -> list[Constraint]:
        return list(self.tables[table].constraints.values()) if table in self.tables else []

    def indexes_of(self, table: str) -> list[Index]:
        return [index for index in self.indexes.values() if index.table == table]

    def apply(self, node: Any, made: str) -> None:
        """Take in what one statement does; what it does elsewhere than to the model is passed over."""
        match node:
            case ast.CreateStmt():
                self._create(node, made)
            case (
                ast.CreateTableAsStmt(into=ast.IntoClause(rel=relation))
                | ast.SelectStmt(intoClause=ast.IntoClause(rel=relation))
            ):
                self.tables.setdefault(key(relation), Table("table", made, whole=False))
            case ast.ViewStmt(view=relation):
                self.tables[key(relation)] = Table("view", made, whole=False)
            case ast.IndexStmt():
                self._index(node, made)
            case ast.AlterTableStmt(relation=relation):
                for command in node.cmds or ():
                    self.alter(key(relation), command, made)
            case ast.RenameStmt():
                self._rename(node)
            case ast.AlterObjectSchemaStmt(relation=ast.RangeVar(relname=str(name)) as relation):
                self._move(key(relation), join(node.newschema, name))
            case ast.DropStmt():
                self._drop(node)
            case ast.CreateFunctionStmt():
                options = {option.defname: option.arg for option in node.options or ()}
                volatility = getattr(options.get("volatility"), "sval", "volatile")
                language = getattr(options.get("language"), "sval", "sql")
                body = options.get("as")
                text = getattr(body[0], "sval", None) if body else None
                self.routines[names(node.funcname)] = Routine(volatility, language, text, made)
            case ast.CreateDomainStmt():
                kinds = {constraint.contype for constraint in node.constraints or ()}
                self.domains[names(node.domainname)] = bool(kinds & KINDS.keys())
            case ast.AlterDomainStmt(subtype="C"):  # ADD CONSTRAINT
                self.domains[names(node.typeName)] = True
            case _:
                pass

    def _create(self, node: Any, made: str) -> None:
        name = key(node.relation)
        if name in self.tables:  # IF NOT EXISTS, or an error that PostgreSQL will tell
            return
        table = self.tables[name] = Table("partitioned" if node.partspec else "table", made, whole=not node.ofTypename)
        if node.relation.relpersistence == "t":
            self.temporary.add(name)
        for parent in node.inhRelations or ():
            above = self.tables.get(key(parent))
            table.whole = table.whole and above is not None and above.whole
            table.columns |= {each.name: replace(each, made=made) for each in above.columns.values()} if above else {}
        for element in node.tableElts or ():
            match element:
                case ast.ColumnDef():
                    self._add_column(name, element, made)
                case ast.Constraint():
                    self._add_constraint(name, element, (), made, new=True)
                case _:  # LIKE
                    table.whole = False

    def _add_column(self, table: str, node: Any, made: str) -> None:
        if table not in self.tables or node.colname in self.tables[table].columns:
            return
        constraints = {constraint.contype: constraint for constraint in node.constraints or ()}
        default = constraints.get(ConstrType.CONSTR_DEFAULT)
        filled = bool({ConstrType.CONSTR_IDENTITY, ConstrType.CONSTR_GENERATED} & constraints.keys())
        required = {ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_IDENTITY}
        serial = type_name(node.typeName) in SERIALS
        self.tables[table].columns[node.colname] = Column(
            node.colname,
            type_of(node.typeName, node.collClause),
            serial or bool(required & constraints.keys()),
            default and default.raw_expr,
            filled or serial,
            is_virtual(constraints),
            made,
        )
        for constraint in node.constraints or ():
            if constraint.contype != ConstrType.CONSTR_NOTNULL:
                self._add_constraint(table, constraint, (node.colname,), made, new=True)

    def _add_constraint(self, table: str, node: Any, columns: tuple[str, ...], made: str, *, new: bool = False) -> None:
        kind = KINDS.get(node.contype)
        if kind is None or table not in self.tables:
            return
        columns = columns or constraint_columns(node)
        if node.indexname in self.indexes:
            columns = self.indexes[node.indexname].columns
        short = table.rpartition(".")[2]
        stem = "_".join(
            [short, *columns, kind] if kind != "pkey" and (kind != "check" or len(columns) == 1) else [short, kind]
        )
        taken = self.tables[table].constraints.keys() | self.indexes.keys()
        name = node.conname or next(each for each in [stem, *(f"{stem}{n}" for n in range(1, 99))] if each not in taken)
        target = key(node.pktable) if node.pktable else ""
        valid = new or not node.skip_validation
        self.tables[table].constraints[name] = Constraint(name, kind, columns, valid, node.raw_expr, target, made)
        if kind in {"pkey", "key", "excl"}:
            if node.indexname:
                self.indexes.pop(node.indexname, None)
            self.indexes[name] = Index(name, table, columns, frozenset(columns), kind != "excl", True, made)
        for column in columns if kind in {"pkey", "not_null"} and valid else ():
            self._change(table, column, not_null=True)

    def _index(self, node: Any, made: str) -> None:
        table = key(node.relation)
        columns = tuple(each.name or "" for each in node.indexParams or ())
        parts = [each.name or "expr" for each in node.indexParams or ()]
        name = node.idxname or "_".join([table.rpartition(".")[2], *parts, "idx"])
        mentioned = columns_in(node.whereClause) | {c for each in node.indexParams or () for c in columns_in(each.expr)}
        simple = "" not in columns and node.whereClause is None
        if name not in self.indexes:
            every = frozenset(mentioned | set(columns) - {""})
            self.indexes[name] = Index(name, table, columns, every, bool(node.unique), simple, made)

    def alter(self, table: str, command: Any, made: str) -> None:
        """Take in one subcommand of an ALTER TABLE."""
        kind, name, definition = command.subtype, command.name, command.def_
        known = self.tables.get(table)
        if known is None:
            return
        if kind == Alter.AT_AddColumn:
            self._add_column(table, definition, made)
        elif kind == Alter.AT_DropColumn:
            known.columns.pop(name, None)
            known.constraints = {key: each for key, each in known.constraints.items() if name not in each.columns}
            gone = [each.name for each in self.indexes_of(table) if name in each.mentioned]
            self.indexes = {key: each for key, each in self.indexes.items() if key not in gone}
        elif kind == Alter.AT_AddConstraint:
            self._add_constraint(table, definition, (), made)
        elif kind == Alter.AT_DropConstraint:
            known.constraints.pop(name, None)
            self.indexes.pop(name, None)
        elif kind == Alter.AT_ValidateConstraint and name in known.constraints:
            known.constraints[name] = replace(known.constraints[name], valid=True)
            if known.constraints[name].kind == "not_null":
                for column in known.constraints[name].columns:
                    self._change(table, column, not_null=True)
        elif kind == Alter.AT_ColumnDefault:
            self._change(table, name, default=definition)
        elif kind in {Alter.AT_SetNotNull, Alter.AT_DropNotNull}:
            self._change(table, name, not_null=kind == Alter.AT_SetNotNull)
        elif kind == Alter.AT_AlterColumnType:
            self._change(table, name, type=type_of(definition.typeName, definition.collClause))
        elif kind in {Alter.AT_AddIdentity, Alter.AT_DropIdentity}:
            self._change(table, name, filled=kind == Alter.AT_AddIdentity)

    def _change(self, table: str, column: str, **changes: Any) -> None:
        known = self.column(table, column)
        if known:
            self.tables[table].columns[column] = replace(known, **changes)

    def _rename(self, node: Any) -> None:
        old, new = node.subname, node.newname
        table = key(node.relation) if node.relation else ""
        known = self.tables.get(table)
        if node.renameType == ObjectType.OBJECT_COLUMN and known and old in known.columns:
            known.columns = {new if k == old else k: v for k, v in known.columns.items()}
            known.columns[new] = replace(known.columns[new], name=new)
            for name, each in list(known.constraints.items()):
                known.constraints[name] = replace(each, columns=swap(each.columns, old, new))
            for index in self.indexes_of(table):
                mentioned = frozenset(swap(tuple(index.mentioned), old, new))
                renamed = replace(index, columns=swap(index.columns, old, new), mentioned=mentioned)
                self.indexes[index.name] = renamed
        elif node.renameType == ObjectType.OBJECT_TABCONSTRAINT and known and old in known.constraints:
            known.constraints[new] = replace(known.constraints.pop(old), name=new)
            if old in self.indexes:
                self.indexes[new] = replace(self.indexes.pop(old), name=new)
        elif node.renameType == ObjectType.OBJECT_INDEX or table in self.indexes:
            index_name = node.relation.relname if node.relation else ""
            if index_name in self.indexes:
                self.indexes[new] = replace(self.indexes.pop(index_name), name=new)
        elif node.renameType in RELATIONS:
            self._move(table, join(node.relation.schemaname, new))

    def _move(self, old: str, new: str) -> None:
        if old in self.tables:
            self.tables[new] = self.tables.pop(old)
            for index in self.indexes_of(old):
                self.indexes[index.name] = replace(index, table=new)

    def _drop(self, node: Any) -> None:
        for name in dropped(node):
            if node.removeType in RELATIONS:
                self.tables.pop(name, None)
                self.indexes = {key: each for key, each in self.indexes.items() if each.table != name}
            elif node.removeType == ObjectType.OBJECT_INDEX:
                self.indexes.pop(name.rpartition(".")[2], None)
            elif node.removeType in {ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE}:
                self.routines.pop(name, None)


def walk(node: Any) -> Iterator[Any]:
    """A node and all under it, in the order of the text; however deep it is."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Node):
            yield node
            stack += [getattr(node, name) for name in reversed(list(node))]
        elif isinstance(node, tuple | list):
            stack += reversed(node)


def is_virtual(constraints: dict[Any, Any]) -> bool:
    generated = constraints.get(ConstrType.CONSTR_GENERATED)
    return generated is not None and generated.generated_kind == "v"


def join(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema and schema != "public" else name


def key(relation: Any) -> str:
    return join(relation.schemaname, relation.relname)


def names(parts: Any) -> str:
    strings = [part.sval or "" for part in parts or () if isinstance(part, ast.String)]
    return join(strings[-2] if len(strings) > 1 else None, strings[-1]) if strings else ""


def dropped(node: Any) -> list[str]:
    """The names that a DROP takes away."""
    found = []
    for each in node.objects or ():
        if isinstance(each, ast.ObjectWithArgs):
            found.append(names(each.objname))
        elif isinstance(each, tuple):
            found.append(names(each))
        elif isinstance(each, ast.TypeName):
            found.append(names(each.names))
        elif isinstance(each, ast.String):
            found.append(each.sval or "")
    return found


def swap(columns: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if column == old else column for column in columns)


def columns_in(node: Any) -> set[str]:
    """The columns that an expression names, whatever stands before them."""
    fields = [each.fields[-1] for each in walk(node) if isinstance(each, ast.ColumnRef) and each.fields]
    return {each.sval or "" for each in fields if isinstance(each, ast.String)}


def constraint_columns(node: Any) -> tuple[str, ...]:
    if node.contype == ConstrType.CONSTR_CHECK:
        return tuple(sorted(columns_in(node.raw_expr)))
    if node.contype == ConstrType.CONSTR_EXCLUSION:
        return tuple(each[0].name or "" for each in node.exclusions or ())
    return tuple(each.sval for each in node.keys or node.fk_attrs or ())


def type_name(node: Any) -> str:
    return node.names[-1].sval if node and node.names else ""


def type_of(node: Any, collation: Any = None) -> Type | None:
    name = type_name(node)
    if not name or node.pct_type:
        return None
    mods = tuple(
        getattr(getattr(mod, "val", None), "ival", None) if isinstance(mod, ast.A_Const) else None
        for mod in node.typmods or ()
    )
    collated = names(collation.collname) if collation else ""
    return Type(SERIALS.get(name, name), mods, bool(node.arrayBounds), collated)
