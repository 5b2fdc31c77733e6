"""Objects of the schema, as the check knows them: tables and their parts, indexes, routines, triggers, policies."""

from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pglast.enums import ConstrType, FunctionParameterMode, SortByDir, SortByNulls, VariableSetKind

from app.lint.nodes import (
    SERIALS,
    Type,
    ands,
    columns_in,
    is_virtual,
    qualified_name,
    relation_name,
    type_name,
    type_of,
)

HEAP, DEFAULT_SPACE = "heap", "pg_default"  # the access method and the tablespace of a table without others
OUTPUTS = {FunctionParameterMode.FUNC_PARAM_OUT, FunctionParameterMode.FUNC_PARAM_TABLE}


@dataclass(frozen=True)
class Column:
    """Column of a table."""

    name: str
    type: Type | None
    not_null: bool = False
    default: Any = None  # a node
    is_generated: bool = False  # GENERATED or serial, so PostgreSQL sets the value
    virtual: bool = False
    created_by: str = ""  # name of the migration file
    expression: Any = None  # a node, of GENERATED ALWAYS AS
    is_always: bool = False  # GENERATED ALWAYS: an INSERT may not give it
    is_identity: bool = False
    is_empty: bool = False  # of a table with rows: no file has given the rows of before a value


@dataclass(frozen=True)
class Constraint:
    """Constraint of a table."""

    name: str
    kind: str  # a value of KINDS
    columns: tuple[str, ...]
    valid: bool
    expression: Any = None  # a node
    target: str = ""  # the other table of a foreign key
    created_by: str = ""
    target_columns: tuple[str, ...] = ()  # none: those of its primary key


@dataclass(frozen=True)
class Key:
    """Definition of one column of an index, without its name."""

    expression: Any = None  # a node
    collation: str = ""  # "": that of the column
    operators: str = ""  # the operator class, "": that of the type
    is_descending: bool = False
    is_nulls_first: bool = False


@dataclass(frozen=True)
class Index:
    """Index of a table."""

    name: str
    table: str
    columns: tuple[str, ...]  # "" for an expression
    mentioned: frozenset[str]  # columns, including those in expressions and in the predicate
    unique: bool
    is_plain: bool  # without expressions and predicate
    functions: frozenset[str] = frozenset()  # in its expressions and its predicate
    created_by: str = ""
    predicate: Any = None  # a node
    operators: frozenset[str] = frozenset()  # operator classes that the statement names
    can_wait: bool = False  # of a DEFERRABLE constraint
    tablespace: str = DEFAULT_SPACE
    keys: tuple[Key, ...] = ()  # none: plain columns in ascending order
    included: frozenset[str] = frozenset()  # columns in INCLUDE
    method: str = "btree"
    same_nulls: bool = False  # NULLS NOT DISTINCT

    def implied_by(self, conditions: list[Any]) -> bool:
        """Return whether the conditions of a statement are those of the predicate, and perhaps more."""
        return all(part in conditions for part in ands(self.predicate)) if self.predicate is not None else True


@dataclass
class Table:
    """Table or view."""

    kind: str  # table, partitioned, view
    created_by: str
    is_complete: bool = True  # all columns are known
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, Constraint] = field(default_factory=dict)
    query: Any = None  # a node, of a view or a materialized view
    is_updatable: bool = True  # a view over one table, without aggregates and LIMIT
    partition_key: tuple[str, ...] = ()  # "" for an expression
    strategy: str = ""  # of partitioning: r for range, l for list, h for hash
    has_default: bool = False  # a DEFAULT partition
    parents: tuple[str, ...] = ()  # of a partition, or in INHERITS
    bound: Any = None  # a node: the values of a partition
    is_unlogged: bool = False
    access_method: str = HEAP
    tablespace: str = DEFAULT_SPACE


@dataclass(frozen=True)
class Routine:
    """Function or procedure. `body` is None if it is not a string, and then `parsed` has its statements."""

    volatility: str
    language: str
    body: str | None
    created_by: str
    parsed: Any = None  # a node of BEGIN ATOMIC or RETURN
    is_definer: bool = False  # SECURITY DEFINER
    uses: dict[str, Any] = field(default_factory=dict, compare=False)  # the Use by its name: see use_of_routine
    arguments: tuple[str, ...] = ()  # the types of its input parameters
    names: tuple[str, ...] = ()  # of the input parameters, "" for one without a name
    returns: str = ""  # a type, "" for TABLE and OUT
    is_procedure: bool = False
    has_path: bool = False  # SET search_path
    defaults: int = 0  # the number of its last input parameters that have a DEFAULT


@dataclass(frozen=True)
class Trigger:
    """Trigger of a table."""

    name: str
    table: str
    function: str
    transition_tables: tuple[str, ...]  # REFERENCING NEW TABLE AS inserted
    columns: frozenset[str]  # in UPDATE OF and WHEN
    created_by: str
    events: int = 0  # bits of pg_trigger.tgtype: INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32
    update_of: frozenset[str] = frozenset()  # empty: each UPDATE
    has_condition: bool = False  # WHEN
    for_each_row: bool = False
    timing: int = 0  # bits of pg_trigger.tgtype: BEFORE 2, INSTEAD OF 64


class Policy(NamedTuple):
    """Policy of row level security."""

    command: str  # all, select, insert, update or delete
    is_open: bool  # it lets each row through
    roles: frozenset[str] = frozenset()  # empty: PUBLIC


def index_of_constraint(node: Any, name: str, table: str, columns: tuple[str, ...], created_by: str) -> Index:
    """Return the index of a unique, primary key or EXCLUDE constraint."""
    included = frozenset(each.sval for each in node.including or ())
    return Index(
        name,
        table,
        columns,
        frozenset(columns) | included,
        node.contype != ConstrType.CONSTR_EXCLUSION,
        True,
        created_by=created_by,
        can_wait=bool(node.deferrable),
        included=included,
        method=node.access_method or "btree",
        same_nulls=bool(node.nulls_not_distinct),
    )


def key_of(part: Any) -> Key:
    """Return what a CREATE INDEX says of one of its columns or expressions."""
    is_descending = part.ordering == SortByDir.SORTBY_DESC
    is_default = part.nulls_ordering == SortByNulls.SORTBY_NULLS_DEFAULT
    return Key(
        part.expr,
        qualified_name(part.collation),
        qualified_name(part.opclass),
        is_descending,
        is_descending if is_default else part.nulls_ordering == SortByNulls.SORTBY_NULLS_FIRST,
    )


def constraints_of(column: Any) -> list[Any]:
    """Return the constraints of a column. PostgreSQL's parser has the DEFERRABLE of one after it, as another one."""
    found: list[Any] = []
    for each in column.constraints or ():
        if each.contype == ConstrType.CONSTR_ATTR_DEFERRABLE and found:
            found[-1] = copy(found[-1])
            found[-1].deferrable = True
        else:
            found.append(each)
    return found


def column_of(node: Any, created_by: str) -> Column:
    """Return the column that a column definition makes."""
    constraints = {constraint.contype: constraint for constraint in node.constraints or ()}
    default = constraints.get(ConstrType.CONSTR_DEFAULT)
    is_generated = bool({ConstrType.CONSTR_IDENTITY, ConstrType.CONSTR_GENERATED} & constraints.keys())
    required = {ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_IDENTITY}
    serial = type_name(node.typeName) in SERIALS
    return Column(
        node.colname,
        type_of(node.typeName, node.collClause),
        serial or bool(required & constraints.keys()),
        default and default.raw_expr,
        is_generated or serial,
        is_virtual(constraints),
        created_by,
        getattr(constraints.get(ConstrType.CONSTR_GENERATED), "raw_expr", None),
        any(getattr(each, "generated_when", None) == "a" for each in constraints.values()),
        ConstrType.CONSTR_IDENTITY in constraints,
    )


def routine_of(node: Any, created_by: str) -> Routine:
    """Return the routine that a CREATE FUNCTION or CREATE PROCEDURE makes."""
    options = {option.defname: option.arg for option in node.options or ()}
    volatility = getattr(options.get("volatility"), "sval", "volatile")
    language = getattr(options.get("language"), "sval", "sql")
    body = options.get("as")
    text = getattr(body[0], "sval", None) if body else None
    is_definer = getattr(options.get("security"), "boolval", False)
    inputs = [each for each in node.parameters or () if each.mode not in OUTPUTS]
    return Routine(
        volatility,
        language,
        text,
        created_by,
        node.sql_body,
        is_definer,
        arguments=argument_types(each.argType for each in inputs),
        names=tuple(each.name or "" for each in inputs),
        returns="".join(argument_types([node.returnType])) if node.returnType else "",
        is_procedure=bool(node.is_procedure),
        has_path=any(option.defname == "set" and sets_path(option.arg) for option in node.options or ()),
        defaults=sum(each.defexpr is not None for each in inputs),
    )


def takes(routine: Routine, count: int) -> bool:
    """Return whether a call with this number of arguments fits a routine."""
    return len(routine.arguments) - routine.defaults <= count <= len(routine.arguments)


def sets_path(setting: Any) -> bool:
    """Return whether a SET of a function gives it a search_path."""
    kinds = {VariableSetKind.VAR_SET_VALUE, VariableSetKind.VAR_SET_CURRENT}
    return setting.name == "search_path" and setting.kind in kinds


def trigger_of(node: Any, created_by: str) -> Trigger:
    """Return the trigger that a CREATE TRIGGER makes."""
    return Trigger(
        node.trigname or "",
        relation_name(node.relation),
        qualified_name(node.funcname),
        tuple(each.name for each in node.transitionRels or ()),
        frozenset(columns_in(node.whenClause) | {each.sval for each in node.columns or ()}),
        created_by,
        node.events or 0,
        frozenset(each.sval for each in node.columns or ()),
        node.whenClause is not None,
        bool(node.row),
        node.timing or 0,
    )


def argument_types(nodes: Any) -> tuple[str, ...]:
    """Return the types of parameters as text."""
    return tuple(f"{type_name(each)}{'[]' if each.arrayBounds else ''}" for each in nodes or ())
