"""Catalog: a model of the schema, built by applying the statements of the migrations to it.

A part that the files do not have (a table of an extension, a column of CREATE TABLE AS) is None or
missing. The rules then assume the worse case.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, GrantTargetType, ObjectType
from pglast.enums import TableLikeOption as Like

from app.lint.nodes import (
    RELATIONS,
    Type,
    columns_in,
    constraint_columns,
    dropped_names,
    functions_in,
    is_always,
    is_temporary,
    qualified_name,
    relation_name,
    replaced,
    split_name,
    type_of,
    walk,
)
from app.lint.objects import (
    DEFAULT_SPACE,
    HEAP,
    Column,
    Constraint,
    Index,
    Policy,
    Routine,
    Table,
    Trigger,
    argument_types,
    column_of,
    constraints_of,
    index_of_constraint,
    key_of,
    routine_of,
    sets_path,
    trigger_of,
)
from app.lint.rights import PUBLIC, Right, policy_of, rights_of, roles_of
from app.lint.views import view_of

KINDS = {
    ConstrType.CONSTR_PRIMARY: "pkey",
    ConstrType.CONSTR_UNIQUE: "key",
    ConstrType.CONSTR_CHECK: "check",
    ConstrType.CONSTR_FOREIGN: "fkey",
    ConstrType.CONSTR_EXCLUSION: "excl",
    ConstrType.CONSTR_NOTNULL: "not_null",
}
ROUTINES = {ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE, ObjectType.OBJECT_ROUTINE}


@dataclass
class Catalog:
    """Schema, by name. A name has its schema in front if that is not public: audit.events."""

    tables: dict[str, Table] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)
    routines: dict[str, Routine] = field(default_factory=dict)
    domains: dict[str, Type | None] = field(default_factory=dict)  # the type below, or None if it has constraints
    domain_defaults: dict[str, Any] = field(default_factory=dict)  # nodes
    domain_types: dict[str, Type | None] = field(default_factory=dict)  # the type below, also with constraints
    domain_checks: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # nodes
    temporary: set[str] = field(default_factory=set)
    triggers: dict[tuple[str, str], Trigger] = field(default_factory=dict)  # by table and name
    policies: dict[tuple[str, str], Policy] = field(default_factory=dict)  # by table and name
    row_security: set[str] = field(default_factory=set)  # tables with row level security
    types: dict[str, str] = field(default_factory=dict)  # enums and domains, with the file that creates them
    rights: dict[str, frozenset[Right]] = field(default_factory=dict)  # of tables and views
    extensions: set[str] = field(default_factory=set)
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)  # values, by type
    revoked: dict[tuple[str, Right], str] = field(default_factory=dict)  # by table: the file that takes the right away
    roles: set[str] = field(default_factory=set)  # that the files create
    closed: set[str] = field(default_factory=set)  # functions that PUBLIC may not call

    def copy(self) -> "Catalog":
        """Return a copy that can change independently."""
        tables = {
            name: replace(table, columns=dict(table.columns), constraints=dict(table.constraints))
            for name, table in self.tables.items()
        }
        return Catalog(
            tables,
            dict(self.indexes),
            dict(self.routines),
            dict(self.domains),
            dict(self.domain_defaults),
            dict(self.domain_types),
            dict(self.domain_checks),
            set(self.temporary),
            dict(self.triggers),
            dict(self.policies),
            set(self.row_security),
            dict(self.types),
            dict(self.rights),
            set(self.extensions),
            dict(self.enums),
            dict(self.revoked),
            set(self.roles),
            set(self.closed),
        )

    @property
    def by_type(self) -> tuple[dict[str, Any], ...]:
        """Return what is known of enums and domains, each by the name of the type."""
        return self.types, self.enums, self.domains, self.domain_defaults, self.domain_types, self.domain_checks

    def routine_key(self, name: str, arguments: tuple[str, ...]) -> str:
        """Return the key of a routine. A second one of its name, with other parameters, has them in its key."""
        known = self.routines.get(name)
        return name if known is None or known.arguments == arguments else f"{name}({', '.join(arguments)})"

    def service_roles(self) -> set[str]:
        """Return the roles that have rights on a table, without PUBLIC."""
        return {right.role for rights in self.rights.values() for right in rights} - {PUBLIC}

    def column(self, table: str, name: str | None) -> Column | None:
        """Return a column, or None if the table or the column is not known."""
        return self.tables[table].columns.get(name or "") if table in self.tables else None

    def constraints(self, table: str) -> list[Constraint]:
        """Return the constraints of a table."""
        return list(self.tables[table].constraints.values()) if table in self.tables else []

    def indexes_of(self, table: str) -> list[Index]:
        """Return the indexes of a table."""
        return [index for index in self.indexes.values() if index.table == table]

    def apply(self, node: Any, created_by: str) -> None:
        """Apply a statement to the model. A statement that changes nothing in it is ignored.

        app.lint.changes.apply() also applies those that change other objects too.
        """
        match node:
            case ast.CreateStmt():
                self._create(node, created_by)
            case (
                ast.CreateTableAsStmt(into=ast.IntoClause(rel=relation))
                | ast.SelectStmt(intoClause=ast.IntoClause(rel=relation))
            ):
                copy = Table("table", created_by, is_complete=False)
                into: Any = node.into if isinstance(node, ast.CreateTableAsStmt) else node.intoClause
                _place(copy, into.accessMethod, into.tableSpaceName)
                if isinstance(node, ast.CreateTableAsStmt) and node.objtype == ObjectType.OBJECT_MATVIEW:
                    copy.query = node.query
                self.tables.setdefault(relation_name(relation), copy)
            case ast.ViewStmt(view=relation):
                name = relation_name(relation)
                self.tables[name] = view_of(node.query, node.aliases, self.tables, created_by)
            case ast.IndexStmt():
                self._index(node, created_by)
            case ast.AlterTableStmt(relation=relation):
                for command in node.cmds or ():
                    self.alter(relation_name(relation), command, created_by)
            case ast.DropStmt():
                self._drop(node)
            case ast.CreateFunctionStmt():
                routine = routine_of(node, created_by)
                self.routines[self.routine_key(qualified_name(node.funcname), routine.arguments)] = routine
            case ast.AlterFunctionStmt(func=ast.ObjectWithArgs(objname=name, objargs=arguments)):
                self._alter_routine(qualified_name(name), argument_types(arguments), node.actions or ())
            case ast.CreateTrigStmt(relation=relation):
                trigger = trigger_of(node, created_by)
                self.triggers[relation_name(relation), trigger.name] = trigger
            case ast.CreateExtensionStmt(extname=str(name)):
                self.extensions.add(name)
            case ast.CreatePolicyStmt(table=relation):
                self.policies[relation_name(relation), node.policy_name or ""] = policy_of(node)
            case ast.GrantStmt(targtype=GrantTargetType.ACL_TARGET_OBJECT, objtype=ObjectType.OBJECT_TABLE):
                for each in node.objects or ():
                    self._grant(relation_name(each), node, created_by)
            case ast.UpdateStmt() | ast.InsertStmt() | ast.MergeStmt() | ast.SelectStmt(withClause=ast.WithClause()):
                self._fill(node)
            case ast.GrantStmt(targtype=GrantTargetType.ACL_TARGET_OBJECT, objtype=kind) if kind in ROUTINES:
                if PUBLIC in roles_of(node.grantees):
                    names = {qualified_name(each.objname) for each in node.objects or ()}
                    self.closed = self.closed - names if node.is_grant else self.closed | names
            case ast.CreateRoleStmt(role=str(name)):
                self.roles.add(name)
            case ast.CreateEnumStmt():
                self.types[qualified_name(node.typeName)] = created_by
                self.enums[qualified_name(node.typeName)] = tuple(each.sval for each in node.vals or ())
            case ast.AlterEnumStmt(typeName=name, newVal=str(value), oldVal=old) if qualified_name(name) in self.enums:
                values = self.enums[qualified_name(name)]
                self.enums[qualified_name(name)] = replaced(values, old, value) if old else (*values, value)
            case ast.CreateDomainStmt():
                self.types[qualified_name(node.domainname)] = created_by
                kinds = {constraint.contype for constraint in node.constraints or ()}
                below = type_of(node.typeName, node.collClause)
                self.domain_types[qualified_name(node.domainname)] = below
                self.domains[qualified_name(node.domainname)] = None if kinds & KINDS.keys() else below
                checks = [each.raw_expr for each in node.constraints or () if each.contype == ConstrType.CONSTR_CHECK]
                self.domain_checks[qualified_name(node.domainname)] = tuple(checks)
                for each in node.constraints or ():
                    if each.contype == ConstrType.CONSTR_DEFAULT:
                        self.domain_defaults[qualified_name(node.domainname)] = each.raw_expr
            case ast.AlterDomainStmt(subtype="T"):  # SET or DROP DEFAULT
                self.domain_defaults[qualified_name(node.typeName)] = node.def_
            case ast.AlterDomainStmt(subtype="C", def_=ast.Constraint(raw_expr=check)):  # ADD CONSTRAINT
                name = qualified_name(node.typeName)
                self.domains[name] = None
                self.domain_checks[name] = (*self.domain_checks.get(name, ()), check)
            case _:
                pass

    def _grant(self, table: str, node: Any, created_by: str) -> None:
        former, rights = self.rights.get(table, frozenset()), rights_of(node)
        self.rights[table] = former | rights if node.is_grant else former - rights
        for each in rights:
            self.revoked.pop((table, each), None)
            if not node.is_grant and not node.grant_option:
                self.revoked[table, each] = created_by

    def _create(self, node: Any, created_by: str) -> None:
        if (name := relation_name(node.relation)) in self.tables:  # IF NOT EXISTS, or an error of PostgreSQL
            return
        table = self.tables[name] = Table(
            "partitioned" if node.partspec else "table", created_by, is_complete=not node.ofTypename
        )
        if node.partspec:
            table.partition_key = tuple(each.name or "" for each in node.partspec.partParams or ())
            table.strategy = node.partspec.strategy.value
        self.temporary.update([name] if is_temporary(node.relation) else [])
        table.is_unlogged = node.relation.relpersistence == "u"
        _place(table, node.accessMethod, node.tablespacename)
        table.bound = node.partbound
        table.parents = tuple(relation_name(each) for each in node.inhRelations or ())
        for parent in node.inhRelations or ():
            above = self.tables.get(relation_name(parent))
            if above and node.partbound and node.partbound.is_default:
                above.has_default = True
            table.is_complete = table.is_complete and above is not None and above.is_complete
            table.columns |= (
                {each.name: replace(each, created_by=created_by) for each in above.columns.values()} if above else {}
            )
        for element in node.tableElts or ():
            match element:
                case ast.ColumnDef():
                    self._add_column(name, element, created_by)
                case ast.Constraint():
                    self._add_constraint(name, element, (), created_by, new=True)
                case ast.TableLikeClause():
                    self._like(name, element, created_by)
                case _:
                    table.is_complete = False

    def _like(self, name: str, node: Any, created_by: str) -> None:
        """Copy the columns of the pattern in LIKE, and what else of it the options include."""
        table, pattern = self.tables[name], self.tables.get(relation_name(node.relation))
        table.is_complete = table.is_complete and pattern is not None and pattern.is_complete
        if pattern is None:
            return
        for each in pattern.columns.values():
            is_copied = node.options & (
                Like.CREATE_TABLE_LIKE_IDENTITY
                if each.is_identity
                else Like.CREATE_TABLE_LIKE_GENERATED
                if each.expression is not None
                else Like.CREATE_TABLE_LIKE_DEFAULTS
            )
            column = Column(each.name, each.type, each.not_null, created_by=created_by)
            table.columns[each.name] = replace(each, created_by=created_by) if is_copied else column
        short = name.rpartition(".")[2]
        for constraint in pattern.constraints.values():
            if constraint.kind == "check" and node.options & Like.CREATE_TABLE_LIKE_CONSTRAINTS:
                table.constraints[constraint.name] = replace(constraint, created_by=created_by)
        if node.options & Like.CREATE_TABLE_LIKE_INDEXES:
            for index in self.indexes_of(relation_name(node.relation)):
                known = pattern.constraints.get(index.name)
                kind = known.kind if known else "idx"
                parts = [] if kind == "pkey" else [each or "expr" for each in index.columns]
                own = "_".join([short, *parts, kind])
                self.indexes[own] = replace(index, name=own, table=name, created_by=created_by)
                if known:
                    table.constraints[own] = replace(known, name=own, created_by=created_by)

    def _add_column(self, table: str, node: Any, created_by: str) -> None:
        if table not in self.tables or node.colname in self.tables[table].columns:
            return
        self.tables[table].columns[node.colname] = column_of(node, created_by)
        for constraint in constraints_of(node):
            if constraint.contype != ConstrType.CONSTR_NOTNULL:
                self._add_constraint(table, constraint, (node.colname,), created_by, new=True)

    def _add_constraint(
        self, table: str, node: Any, columns: tuple[str, ...], created_by: str, *, new: bool = False
    ) -> None:
        kind = KINDS.get(node.contype)
        if kind is None or table not in self.tables:
            return
        columns = columns or constraint_columns(node)
        used = self.indexes.get(node.indexname or "")
        columns = used.columns if used else columns
        short = table.rpartition(".")[2]
        stem = "_".join(
            [short, *columns, kind] if kind != "pkey" and (kind != "check" or len(columns) == 1) else [short, kind]
        )
        taken = self.tables[table].constraints.keys() | self.indexes.keys()
        free = (each for each in [stem, *(f"{stem}{n}" for n in range(1, 99))] if each not in taken)
        name = node.conname or node.indexname or next(free)
        target = relation_name(node.pktable) if node.pktable else ""
        valid = new or not node.skip_validation
        referenced = tuple(each.sval for each in node.pk_attrs or ())
        self.tables[table].constraints[name] = Constraint(
            name, kind, columns, valid, node.raw_expr, target, created_by, referenced
        )
        if kind in {"pkey", "key", "excl"}:
            if node.indexname:
                self.indexes.pop(node.indexname, None)
            own = index_of_constraint(node, name, table, columns, created_by)
            self.indexes[name] = replace(used, name=name, can_wait=own.can_wait, created_by=created_by) if used else own
        for column in columns if kind in {"pkey", "not_null"} and valid else ():
            self._change(table, column, not_null=True)

    def _index(self, node: Any, created_by: str) -> None:
        table = relation_name(node.relation)
        columns = tuple(each.name or "" for each in node.indexParams or ())
        parts = [each.name or "expr" for each in node.indexParams or ()]
        name = node.idxname or "_".join([table.rpartition(".")[2], *parts, "idx"])
        others = [node.whereClause, *(each.expr for each in node.indexParams or ())]
        mentioned = columns_in(others) | {each.name for each in node.indexIncludingParams or ()}
        is_plain = "" not in columns and node.whereClause is None
        if name not in self.indexes:
            every = frozenset(mentioned | set(columns) - {""})
            self.indexes[name] = Index(
                name,
                table,
                columns,
                every,
                bool(node.unique),
                is_plain,
                functions_in(others),
                created_by,
                node.whereClause,
                frozenset(qualified_name(each.opclass) for each in node.indexParams or () if each.opclass),
                tablespace=node.tableSpace or DEFAULT_SPACE,
                keys=tuple(map(key_of, node.indexParams or ())),
                included=frozenset(each.name or "" for each in node.indexIncludingParams or ()),
                method=node.accessMethod or "btree",
                same_nulls=bool(node.nulls_not_distinct),
            )

    def alter(self, table: str, command: Any, created_by: str) -> None:
        """Apply one subcommand of an ALTER TABLE."""
        kind, name, definition = command.subtype, command.name, command.def_
        known = self.tables.get(table)
        if known is None and kind == Alter.AT_SetTableSpace and table in self.indexes:
            self.indexes[table] = replace(self.indexes[table], tablespace=name)
        if known is None:
            return
        if kind == Alter.AT_AddColumn:
            for each in [table, *(name for name, other in self.tables.items() if table in other.parents)]:
                self._add_column(each, definition, created_by)
            column = known.columns.get(definition.colname)
            if column and known.created_by != created_by and self._has_no_value(column):
                self._change(table, column.name, is_empty=True)
        elif kind == Alter.AT_DropColumn:
            for own in [known, *(other for other in self.tables.values() if table in other.parents)]:
                own.columns.pop(name, None)
            known.constraints = {key: each for key, each in known.constraints.items() if name not in each.columns}
            gone = [each.name for each in self.indexes_of(table) if name in each.mentioned]
            self.indexes = {key: each for key, each in self.indexes.items() if key not in gone}
        elif kind == Alter.AT_AddConstraint:
            self._add_constraint(table, definition, (), created_by)
        elif kind == Alter.AT_DropConstraint:
            known.constraints.pop(name, None)
            self.indexes.pop(name, None)
        elif kind == Alter.AT_ValidateConstraint and name in known.constraints:
            known.constraints[name] = replace(known.constraints[name], valid=True)
            if known.constraints[name].kind == "not_null":
                for each in known.constraints[name].columns:
                    self._change(table, each, not_null=True)
        elif kind == Alter.AT_ColumnDefault:
            self._change(table, name, default=definition)
        elif kind in {Alter.AT_SetNotNull, Alter.AT_DropNotNull}:
            self._change(table, name, not_null=kind == Alter.AT_SetNotNull)
        elif kind == Alter.AT_AlterColumnType:
            self._change(table, name, type=type_of(definition.typeName, definition.collClause))
        elif kind in {Alter.AT_EnableRowSecurity, Alter.AT_DisableRowSecurity}:
            (self.row_security.add if kind == Alter.AT_EnableRowSecurity else self.row_security.discard)(table)
        elif kind in {Alter.AT_SetLogged, Alter.AT_SetUnLogged}:
            known.is_unlogged = kind == Alter.AT_SetUnLogged
        elif kind == Alter.AT_SetAccessMethod:
            known.access_method = name or HEAP
        elif kind == Alter.AT_SetTableSpace:
            known.tablespace = name
        elif kind in {Alter.AT_AddIdentity, Alter.AT_DropIdentity}:
            added = kind == Alter.AT_AddIdentity
            self._change(table, name, is_generated=added, is_identity=added, is_always=added and is_always(definition))
        elif kind == Alter.AT_SetIdentity and any(each.defname == "generated" for each in definition):
            self._change(table, name, is_always=is_always(definition))
        elif kind == Alter.AT_DropExpression:
            self._change(table, name, is_generated=False, is_always=False, expression=None)
        elif kind == Alter.AT_AttachPartition:
            self._attach(table, definition)
        elif kind == Alter.AT_DetachPartition and (partition := self.tables.get(relation_name(definition.name))):
            partition.parents, partition.bound = (), None
        elif kind == Alter.AT_DropInherit:
            known.parents = tuple(each for each in known.parents if each != relation_name(definition))

    def _attach(self, parent: str, node: Any) -> None:
        partition = self.tables.get(relation_name(node.name))
        if partition and node.bound:
            partition.parents, partition.bound = (parent,), node.bound
            self.tables[parent].has_default = self.tables[parent].has_default or bool(node.bound.is_default)

    def _has_no_value(self, column: Column) -> bool:
        """Return whether a new column has no DEFAULT, and PostgreSQL does not compute it."""
        has_default = column.default is not None or (column.type and column.type.name in self.domain_defaults)
        return not has_default and not column.is_generated and column.expression is None

    def _fill(self, node: Any) -> None:
        """Note the columns that a statement gives a value, at any depth."""
        for each in walk(node):
            conflict = getattr(each, "onConflictClause", None) if isinstance(each, ast.InsertStmt) else None
            if isinstance(each, ast.UpdateStmt) or conflict:
                targets = conflict.targetList if conflict else each.targetList
                for target in targets or ():
                    self._change(relation_name(each.relation), target.name, is_empty=False)
            elif isinstance(each, ast.MergeStmt):
                for target in (part for when in each.mergeWhenClauses or () for part in when.targetList or ()):
                    self._change(relation_name(each.relation), target.name, is_empty=False)

    def _change(self, table: str, column: str, **changes: Any) -> None:
        known = self.column(table, column)
        if known:
            self.tables[table].columns[column] = replace(known, **changes)

    def _alter_routine(self, name: str, arguments: tuple[str, ...], actions: Any) -> None:
        key = self.routine_key(name, arguments)
        known = self.routines.get(key if key in self.routines else name)
        if known is None:
            return
        for each in actions:
            if each.defname == "volatility":
                known = replace(known, volatility=each.arg.sval)
            elif each.defname == "security":
                known = replace(known, is_definer=bool(each.arg.boolval))
            elif each.defname == "set" and (each.arg.name in {None, "search_path"}):  # None: RESET ALL
                known = replace(known, has_path=sets_path(each.arg))
        self.routines[key if key in self.routines else name] = known

    def _drop_routine(self, node: Any) -> None:
        name, arguments = qualified_name(node.objname), argument_types(node.objargs)
        self.closed.discard(name)
        others = sorted(key for key in self.routines if key.startswith(f"{name}("))
        if others and not node.args_unspecified and self.routine_key(name, arguments) in others:
            self.routines.pop(self.routine_key(name, arguments))
            return
        self.routines.pop(name, None)
        if others:
            self.routines[name] = self.routines.pop(others[0])

    def forget(self, name: str) -> None:
        """Remove a table or a view with all that belongs to it."""
        self.tables.pop(name, None)
        for each in [key for key, table in self.tables.items() if name in table.parents and table.bound is not None]:
            self.forget(each)  # a partition goes with its table
        self.rights.pop(name, None)
        self.revoked = {key: each for key, each in self.revoked.items() if key[0] != name}
        self.policies = {key: each for key, each in self.policies.items() if key[0] != name}
        self.row_security.discard(name)
        self.indexes = {key: each for key, each in self.indexes.items() if each.table != name}
        self.triggers = {key: each for key, each in self.triggers.items() if each.table != name}

    def _drop(self, node: Any) -> None:
        for each in node.objects or ():
            if node.removeType in ROUTINES and isinstance(each, ast.ObjectWithArgs):
                self._drop_routine(each)
        for name in dropped_names(node):
            if node.removeType in RELATIONS:
                self.forget(name)
            elif node.removeType == ObjectType.OBJECT_INDEX:
                self.indexes.pop(name.rpartition(".")[2], None)
            elif node.removeType == ObjectType.OBJECT_TRIGGER:
                self.triggers.pop(split_name(name), None)
            elif node.removeType == ObjectType.OBJECT_POLICY:
                self.policies.pop(split_name(name), None)


def _place(table: Table, access_method: str | None, tablespace: str | None) -> None:
    """Give a new table the access method and the tablespace that its statement names."""
    table.access_method, table.tablespace = access_method or HEAP, tablespace or DEFAULT_SPACE
