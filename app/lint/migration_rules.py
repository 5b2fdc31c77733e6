"""Our own rules: what a statement of a migration does to a table in use, and to the release that runs on it.

sql/README.md says of each rule why it is there, with a bad and a good example; tests/support/corpus.py has the cases.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, DropBehavior, ObjectType, VariableSetKind

from app.lint import costs
from app.lint.catalog import RELATIONS, SERIALS, Catalog, dropped, key, names, type_name, type_of
from app.lint.parser import Statement
from app.lint.usage import Use

# ALTER TABLE subcommands under a lock that lets reads and writes go on.
LIGHT = {
    *(Alter.AT_ValidateConstraint, Alter.AT_SetStatistics, Alter.AT_SetRelOptions, Alter.AT_ResetRelOptions),
    *(Alter.AT_ClusterOn, Alter.AT_DropCluster, Alter.AT_SetOptions, Alter.AT_ResetOptions, Alter.AT_AttachPartition),
}
REWRITING = {
    Alter.AT_SetLogged: "SET LOGGED",
    Alter.AT_SetUnLogged: "SET UNLOGGED",
    Alter.AT_SetAccessMethod: "SET ACCESS METHOD",
    Alter.AT_SetTableSpace: "SET TABLESPACE",
}
FIRST = {Alter.AT_DropConstraint: 0, Alter.AT_DropColumn: 0, Alter.AT_AlterColumnType: 1}  # PostgreSQL's own order
NO_DDL = (
    *(ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.CallStmt, ast.DoStmt),
    *(ast.VariableSetStmt, ast.VariableShowStmt, ast.LockStmt, ast.CopyStmt, ast.ExplainStmt, ast.NotifyStmt),
    *(ast.TransactionStmt, ast.ConstraintsSetStmt, ast.DiscardStmt, ast.CheckPointStmt, ast.VacuumStmt),
)
SHARE = 5  # the weakest lock that keeps writes out, as LockStmt numbers them
Told = Iterator[tuple[int, str, str]]  # line, rule, why


@dataclass
class Judge:
    """Goes through one migration or rollback, statement by statement, and changes `catalog` as PostgreSQL would.

    `before` is, for a rollback, the schema that its own migration found: to go back to that is what it is there for.
    """

    made: str
    catalog: Catalog
    uses: list[Use]
    before: Catalog | None = None
    transactional: bool = True
    locked: list[str] = field(default_factory=list)
    written: list[tuple[int, str, str, bool]] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)

    def judge(self, statements: list[Statement]) -> Told:
        for statement in statements:
            yield from self._settings(statement)
            if isinstance(statement.node, ast.AlterTableStmt):
                yield from self._alter_table(statement)
            elif not statement.unreadable:
                yield from self._statement(statement)
                self.catalog.apply(statement.node, self.made)
            yield from self._hidden(statement)
        for line, table, does, all_rows in self.written:
            if self.locked and self.transactional:
                held = ", ".join(dict.fromkeys(self.locked))
                why = f"{does} {table} in the transaction that locks {held}, for as long as it takes"
                yield line, "unbatched-backfill", why
            elif all_rows:
                yield line, "whole-table-write", f"{does} every row of {table} in one transaction"

    def busy(self, table: str) -> bool:
        """Whether somebody may be using it: it was there before this file, and does not go with its migration."""
        known = self.catalog.tables.get(table)
        if known is None:
            return True
        brought = self.before is not None and table not in self.before.tables
        return known.made != self.made and table not in self.catalog.temporary and not brought

    def _settings(self, statement: Statement) -> Told:
        for node in statement.nodes if not statement.unreadable else ():
            match node:
                case ast.FuncCall(funcname=[*_, ast.String(sval="set_config")], args=[name, value, local]):
                    setting, off = _text(name), _text(value)
                    if _text(local) in {"f", "false", "off", "no", "0"}:
                        why = f"{setting or 'it'} would hold for the migrations after this one too"
                        yield statement.line, "session-setting", why
                    if setting.lower() == "lock_timeout" and _zero(off):
                        yield statement.line, "lock-timeout-off", "without a time-out traffic piles up behind a lock"
                case ast.VariableSetStmt(name="lock_timeout"):
                    default = node.kind in {VariableSetKind.VAR_SET_DEFAULT, VariableSetKind.VAR_RESET}
                    zero = any(_zero(_text(each)) for each in node.args or ())
                    if zero or (default and (node.is_local or node is not statement.node)):
                        yield statement.line, "lock-timeout-off", "without a time-out traffic piles up behind a lock"
                case _:
                    pass

    def _hidden(self, statement: Statement) -> Told:
        node, line = statement.node, statement.block or statement.line
        does = ""
        if statement.unreadable:
            does = "runs what is put together as it runs: nobody can tell beforehand what it does"
        elif statement.block and not isinstance(node, NO_DDL) and not _into_temporary(node):
            does = "changes the schema inside DO: only its run tells which of it is done"
        elif isinstance(node, NO_DDL) and any(self._own_volatile(each) for each in statement.nodes):
            does = "calls a routine of our own, which may change anything: it is not read here"
        if does and line not in self.hidden:
            self.hidden.add(line)
            yield line, "hidden-ddl", does

    def _own_volatile(self, node: Any) -> bool:
        """A CALL of a procedure, or a call of a function that may change something."""
        known = self.catalog.routines.get(names(node.funcname)) if isinstance(node, ast.FuncCall) else None
        return isinstance(node, ast.CallStmt) or (known is not None and known.volatility == "volatile")

    def _statement(self, statement: Statement) -> Told:
        node, line = statement.node, statement.line
        match node:
            case ast.CreateStmt():
                yield from self._create(statement)
            case ast.IndexStmt(relation=ast.RangeVar() as relation) if not node.concurrent and self.busy(key(relation)):
                known = self.catalog.tables.get(key(relation))
                if not (known and known.kind == "partitioned" and not relation.inh):
                    self.locked.append(key(relation))
                    yield line, "blocking-index", f"writes to {key(relation)} wait until the index is built"
            case ast.DropStmt():
                yield from self._drop(statement)
            case ast.RenameStmt() | ast.AlterObjectSchemaStmt():
                yield from self._rename(statement)
            case ast.TruncateStmt(relations=[*relations]):
                for relation in relations:
                    if self.busy(key(relation)):
                        self.locked.append(key(relation))
                        why = f"every row of {key(relation)} is gone, and the release meets an empty table"
                        yield line, "whole-table-write", why
            case ast.ClusterStmt(relation=relation) if relation is None or self.busy(key(relation)):
                yield line, "table-rewrite", "CLUSTER writes the table anew; reads and writes wait"
            case ast.VacuumStmt(is_vacuumcmd=True) if any(
                option.defname == "full" and _text(option.arg) not in {"false", "off", "0"}
                for option in node.options or ()
            ):
                yield line, "table-rewrite", "VACUUM FULL writes the table anew; reads and writes wait"
            case ast.ReindexStmt(relation=ast.RangeVar()) if not any(
                each.defname == "concurrently" for each in node.params or ()
            ):
                name = key(node.relation)
                index = self.catalog.indexes.get(name)
                if self.busy(index.table if index else name):
                    why = f"writes wait until {name} is built anew, and so do queries that would use it"
                    yield line, "blocking-reindex", why
            case ast.RefreshMatViewStmt(relation=relation) if not node.concurrent and self.busy(key(relation)):
                yield line, "blocking-refresh", f"reads of {key(relation)} wait until it is filled anew"
            case ast.LockStmt(relations=[*relations], mode=int(mode)) if mode >= SHARE:
                for relation in relations:
                    if self.busy(key(relation)):
                        self.locked.append(key(relation))
                        yield line, "lock-table", f"{key(relation)} is locked until the migration ends"
            case ast.CreateTrigStmt(relation=relation) | ast.RuleStmt(relation=relation) if self.busy(key(relation)):
                self.locked.append(key(relation))
                why = f"writes to {key(relation)} wait for it, and each one pays for it from now on"
                yield line, "new-trigger", why
            case _:
                pass
        self._writes(statement)

    def _writes(self, statement: Statement) -> None:
        """Notes what is written or copied without a limit; the end of the file tells what stands beside it."""
        looping = statement.block is not None
        for node in statement.nodes:
            if isinstance(statement.node, ast.CreateFunctionStmt | ast.RuleStmt | ast.ViewStmt):
                break
            match node:
                case (
                    ast.UpdateStmt(relation=relation)
                    | ast.DeleteStmt(relation=relation)
                    | ast.MergeStmt(relation=relation)
                ):
                    table = key(relation)
                    where = getattr(node, "whereClause", None)
                    whole = not isinstance(node, ast.MergeStmt) and costs.without_where(where)
                    joined = getattr(node, "fromClause", None) or getattr(node, "usingClause", None)
                    does = "deletes from" if isinstance(node, ast.DeleteStmt) else "writes"
                    if self.busy(table) and (looping or not costs.few_rows(self.catalog, table, node, where)):
                        self.written.append((statement.line, table, does, whole and not joined))
                case ast.InsertStmt(selectStmt=ast.SelectStmt(fromClause=[*_]) as select):
                    self._copies(statement, select)
                case ast.CreateTableAsStmt(query=ast.SelectStmt(fromClause=[*_]) as select):
                    self._copies(statement, select)
                case ast.SelectStmt(intoClause=ast.IntoClause(), fromClause=[*_]):
                    self._copies(statement, node)
                case _:
                    pass

    def _copies(self, statement: Statement, select: Any) -> None:
        for table in sorted(costs.tables_read(select)):
            known = self.catalog.tables.get(table)
            catalogued = known is None and table.startswith(("pg_", "information_schema."))
            few = statement.block is None and costs.few_rows(self.catalog, table, select, select.whereClause)
            if self.busy(table) and not catalogued and not few:
                self.written.append((statement.line, table, "copies the rows of", False))
                break

    def _create(self, statement: Statement) -> Told:
        node, table = statement.node, key(statement.node.relation)
        known = self.catalog.tables.get(table)
        if known is not None:
            if node.if_not_exists and not self._same(node, known):
                why = f"{known.made} made {table} otherwise: this would take that table for the wanted one, in silence"
                yield statement.line, "create-if-not-exists", why
            return
        for element in node.tableElts or ():
            constraints = (
                [element] if isinstance(element, ast.Constraint) else getattr(element, "constraints", None) or ()
            )
            for constraint in constraints:
                if constraint.contype == ConstrType.CONSTR_FOREIGN:
                    target = key(constraint.pktable)
                    if target != table and self.busy(target):
                        self.locked.append(target)
                        why = f"writes to {target} wait from here until the migration ends"
                        yield statement.line_of(constraint), "foreign-key-locks", why
        if node.partbound:
            for parent in node.inhRelations or ():
                if self.busy(key(parent)):
                    self.locked.append(key(parent))
                    why = f"reads and writes of {key(parent)} wait, and its DEFAULT partition is scanned"
                    yield statement.line, "partition-locks", why

    def _same(self, node: Any, known: Any) -> bool:
        other = Catalog(routines=self.catalog.routines)
        other.apply(node, self.made)
        wanted = other.tables[key(node.relation)]
        constraints = [
            {(each.kind, each.columns, repr(each.expression), each.target) for each in table.constraints.values()}
            for table in (known, wanted)
        ]
        whole = known.whole and wanted.whole and known.kind == wanted.kind
        return whole and constraints[0] == constraints[1] and costs.same_columns(known.columns, wanted.columns)

    def _drop(self, statement: Statement) -> Told:
        node, line = statement.node, statement.line
        if node.behavior == DropBehavior.DROP_CASCADE:
            yield line, "drop-cascade", "what goes along depends on the database, and is not to be read here"
        for name in dropped(node):
            if node.removeType == ObjectType.OBJECT_INDEX:
                index = self.catalog.indexes.get(name.rpartition(".")[2])
                if not node.concurrent and (index is None or self.busy(index.table)):
                    self.locked.append(index.table if index else name)
                    why = f"reads and writes of {index.table if index else 'its table'} wait for it"
                    yield line, "blocking-index-drop", why
                yield from self._arbiter(line, name.rpartition(".")[2])
            elif node.removeType in RELATIONS:
                yield from self._drop_relation(line, name, table=node.removeType == ObjectType.OBJECT_TABLE)
            elif node.removeType in {ObjectType.OBJECT_FUNCTION, ObjectType.OBJECT_PROCEDURE}:
                users = [use.name for use in self.uses if name in use.functions]
                if users and not self._brought(self.before is not None and name not in self.before.routines):
                    yield line, "drop-breaks", f"{', '.join(users)} calls {name}"
            elif node.removeType == ObjectType.OBJECT_TRIGGER:
                self.locked.append(name.rpartition(".")[0] or name)

    def _drop_relation(self, line: int, name: str, *, table: bool) -> Told:
        known = self.catalog.tables.get(name)
        if known is not None and not self.busy(name):
            return
        self.locked.append(name)
        users = [use.name for use in self.uses if name in use.relations]
        if users:
            yield line, "drop-breaks", f"{', '.join(users)} uses {name}"
        elif table:
            yield line, "drop-loses", f"the rows of {name} are lost; a rollback cannot bring them back"

    def _brought(self, absent: bool) -> bool:
        return self.before is not None and absent

    def _arbiter(self, line: int, name: str) -> Told:
        """A unique index that an ON CONFLICT stands on: without it the INSERT fails."""
        index = self.catalog.indexes.get(name)
        if (
            index is None
            or not index.unique
            or self._brought(self.before is not None and name not in self.before.indexes)
        ):
            return
        others = [
            each
            for each in self.catalog.indexes_of(index.table)
            if each.name != name and each.unique and each.simple and set(each.columns) == set(index.columns)
        ]
        users = [use.name for use in self.uses if (index.table, frozenset(index.columns)) in use.conflicts]
        if users and not others:
            yield line, "drop-breaks", f"ON CONFLICT of {', '.join(users)} needs {name}"

    def _rename(self, statement: Statement) -> Told:
        node = statement.node
        kind = node.renameType if isinstance(node, ast.RenameStmt) else node.objectType
        relation: Any = getattr(node, "relation", None)
        table = key(relation) if relation else ""
        if kind == ObjectType.OBJECT_COLUMN and self.busy(table):
            self.locked.append(table)
            column = self.catalog.column(table, node.subname)
            back = (
                self.before and self.before.column(table, node.newname) and not self.before.column(table, node.subname)
            )
            if not back and not (column and column.made == self.made):
                why = f"the release that runs now knows {table}.{node.newname} as {node.subname}"
                yield statement.line, "rename-breaks", why
        elif kind in RELATIONS and table not in self.catalog.indexes and self.busy(table):
            self.locked.append(table)
            new = node.newname if isinstance(node, ast.RenameStmt) else f"{node.newschema}.{relation.relname}"
            if not (self.before and new in self.before.tables):
                yield statement.line, "rename-breaks", f"the release that runs now knows {new} as {table}"
        elif kind == ObjectType.OBJECT_SCHEMA:
            why = f"the release that runs now knows schema {node.newname} as {node.subname}"
            yield statement.line, "rename-breaks", why
        elif kind == ObjectType.OBJECT_FUNCTION:
            name = names(node.object.objname)
            users = [use.name for use in self.uses if name in use.functions]
            if users and not (self.before and name not in self.before.routines):
                yield statement.line, "rename-breaks", f"{', '.join(users)} calls {name}"

    def _alter_table(self, statement: Statement) -> Told:
        node, table = statement.node, key(statement.node.relation)
        commands = list(node.cmds or ())
        if node.objtype == ObjectType.OBJECT_INDEX:
            moved = [
                line for line, command in zip(statement.lines, commands, strict=True) if command.subtype in REWRITING
            ]
            if moved:
                yield moved[0], "table-rewrite", f"the index {table} is copied; what would use it waits"
            return
        if node.objtype not in {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_MATVIEW, ObjectType.OBJECT_FOREIGN_TABLE}:
            return
        busy = self.busy(table)
        light = all(command.subtype in LIGHT for command in commands)
        if busy and not light:
            self.locked.append(table)
        typed: list[tuple[int, str]] = []
        pairs = sorted(zip(statement.lines, commands, strict=True), key=lambda pair: FIRST.get(pair[1].subtype, 2))
        added = {command.def_.colname for command in commands if command.subtype == Alter.AT_AddColumn}
        for line, command in pairs:
            if busy and command.subtype == Alter.AT_AlterColumnType:
                cost = costs.type_change(self.catalog, table, command.name, command.def_)
                typed += [(line, f"{command.name}: {cost}")] if cost else []
                yield from self._type_breaks(line, table, command)
            elif command.subtype == Alter.AT_AddColumn:
                yield from self._add_column(line, table, command)
            elif command.subtype == Alter.AT_AddConstraint:
                yield from self._add_constraint(line, table, command.def_, added)
            elif busy:
                yield from self._command(line, table, command, added)
            self.catalog.alter(table, command, self.made)
        if typed:  # PostgreSQL writes the table once for all of them
            why = f"under ACCESS EXCLUSIVE on {table}, {'; '.join(why for _, why in sorted(typed))}"
            yield min(typed)[0], "type-rewrite", why

    def _type_breaks(self, line: int, table: str, command: Any) -> Told:
        column = self.catalog.column(table, command.name)
        old, new = column.type if column else None, type_of(command.def_.typeName)
        former = self.before.column(table, command.name) if self.before else None
        users = [use.name for use in self.uses if use.reads(table, command.name)]
        if users and costs.breaks_clients(old, new) and not (former and new and former.type == new):
            change = f"{costs.spelled(old)} becomes {costs.spelled(new)}"
            yield line, "type-breaks", f"{command.name} is of {', '.join(users)}, and {change}"

    def _add_column(self, line: int, table: str, command: Any) -> Told:
        definition = command.def_
        name, busy = definition.colname, self.busy(table)
        known = self.catalog.column(table, name)
        if known and command.missing_ok:
            other = Catalog(routines=self.catalog.routines)
            other.apply(ast.CreateStmt(relation=ast.RangeVar(relname="t"), tableElts=(definition,)), self.made)
            if not costs.same_columns({name: known}, other.tables["t"].columns):
                yield line, "create-if-not-exists", f"{known.made or 'another file'} made {table}.{name} otherwise"
            return
        constraints = {constraint.contype: constraint for constraint in definition.constraints or ()}
        default = constraints[ConstrType.CONSTR_DEFAULT].raw_expr if ConstrType.CONSTR_DEFAULT in constraints else None
        generated = constraints.get(ConstrType.CONSTR_GENERATED)
        virtual = generated is not None and generated.generated_kind == "v"
        given = (
            not costs.is_null(default)
            or generated is not None
            or ConstrType.CONSTR_IDENTITY in constraints
            or type_name(definition.typeName) in SERIALS
        )
        required = bool({ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_PRIMARY} & constraints.keys())
        if busy:
            cause = self._writes_rows(definition, constraints, default, virtual=virtual)
            if cause:
                yield line, "default-rewrite", f"{cause}: under ACCESS EXCLUSIVE each row of {table} is written anew"
            if required and not given:
                why = f"{name} has no DEFAULT: it fails where {table} has rows, and so does an INSERT without it"
                yield line, "insert-breaks", why
            elif required and virtual:
                yield line, "not-null-scan", f"{table} is scanned under ACCESS EXCLUSIVE"
            if {ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY} & constraints.keys():
                yield line, "constraint-index", f"its index is built under ACCESS EXCLUSIVE on {table}"
            if ConstrType.CONSTR_CHECK in constraints and ConstrType.CONSTR_ATTR_NOT_ENFORCED not in constraints:
                yield line, "check-scan", f"{table} is scanned under ACCESS EXCLUSIVE"
        foreign = constraints.get(ConstrType.CONSTR_FOREIGN)
        if foreign:
            yield from self._foreign_column(line, table, key(foreign.pktable), given=given)

    def _foreign_column(self, line: int, table: str, target: str, *, given: bool) -> Told:
        if given and self.busy(table):
            yield line, "foreign-key-scan", f"{table} is scanned under ACCESS EXCLUSIVE, and writes to {target} wait"
        elif target != table and self.busy(target):
            self.locked.append(target)
            yield line, "foreign-key-locks", f"writes to {target} wait from here until the migration ends"

    def _writes_rows(self, definition: Any, constraints: Any, default: Any, *, virtual: bool) -> str:
        if type_name(definition.typeName) in SERIALS or ConstrType.CONSTR_IDENTITY in constraints:
            return "a sequence gives each row a number"
        if ConstrType.CONSTR_GENERATED in constraints and not virtual:
            return "a stored column is computed for each row"
        if costs.volatile(self.catalog, default):
            return "the default is volatile, or may be"
        if self.catalog.domains.get(names(definition.typeName.names)):
            return "the domain has constraints"
        return ""

    def _add_constraint(self, line: int, table: str, node: Any, added: set[str]) -> Told:
        busy = self.busy(table)
        if node.contype == ConstrType.CONSTR_FOREIGN:
            target = key(node.pktable)
            if not busy and target != table and self.busy(target):
                self.locked.append(target)
                yield line, "foreign-key-locks", f"writes to {target} wait from here until the migration ends"
            elif busy and not node.skip_validation:
                yield line, "foreign-key-scan", f"{table} is scanned while writes to it and to {target} wait"
        if busy and node.contype == ConstrType.CONSTR_CHECK:
            for name in sorted(costs.required(node.raw_expr)):
                yield from self._required(line, table, name)
        if busy and node.contype == ConstrType.CONSTR_CHECK and not node.skip_validation:
            yield line, "check-scan", f"{table} is scanned under ACCESS EXCLUSIVE"
        elif busy and node.contype == ConstrType.CONSTR_NOTNULL:
            yield from self._not_null(line, table, node.keys[0].sval, scans=not node.skip_validation)
        elif busy and node.contype in {
            ConstrType.CONSTR_UNIQUE,
            ConstrType.CONSTR_PRIMARY,
            ConstrType.CONSTR_EXCLUSION,
        }:
            if not node.indexname:
                instead = (
                    " (PostgreSQL has no other way to add an EXCLUDE)"
                    if node.contype == ConstrType.CONSTR_EXCLUSION
                    else ""
                )
                yield line, "constraint-index", f"its index is built under ACCESS EXCLUSIVE on {table}{instead}"
            elif node.contype == ConstrType.CONSTR_PRIMARY:
                index = self.catalog.indexes.get(node.indexname)
                nullable = (
                    [each for each in index.columns if not costs.never_null(self.catalog, table, each)]
                    if index
                    else ["a column"]
                )
                if nullable:
                    why = f"{table} is scanned under ACCESS EXCLUSIVE: {', '.join(nullable)} may be NULL"
                    yield line, "not-null-scan", why

    def _not_null(self, line: int, table: str, name: str, *, scans: bool) -> Told:
        column = self.catalog.column(table, name)
        if column and column.not_null:
            return
        if scans and not costs.never_null(self.catalog, table, name):
            why = f"{table} is scanned under ACCESS EXCLUSIVE: no valid CHECK has {name} IS NOT NULL"
            yield line, "not-null-scan", why
        yield from self._required(line, table, name)

    def _required(self, line: int, table: str, name: str) -> Told:
        """A column may not be NULL from now on: an INSERT that leaves it out needs a DEFAULT."""
        column = self.catalog.column(table, name)
        former = self.before.column(table, name) if self.before else None
        given = column and (column.filled or not costs.is_null(column.default))
        users = self._left_out_by(table, name)
        if users and not given and not (former and former.not_null):
            yield line, "insert-breaks", f"{', '.join(users)} leaves {name} out, and it has no DEFAULT"

    def _left_out_by(self, table: str, name: str) -> list[str]:
        return [
            use.name for use in self.uses if any(into == table and name not in columns for into, columns in use.inserts)
        ]

    def _command(self, line: int, table: str, command: Any, added: set[str]) -> Told:
        kind, name = command.subtype, command.name
        if kind in {Alter.AT_DropColumn, Alter.AT_DropConstraint} and command.behavior == DropBehavior.DROP_CASCADE:
            yield line, "drop-cascade", "what goes along depends on the database, and is not to be read here"
        if kind == Alter.AT_DropColumn:
            yield from self._drop_column(line, table, name, missing_ok=command.missing_ok)
        elif kind == Alter.AT_DropConstraint:
            yield from self._arbiter(line, name)
        elif kind == Alter.AT_SetNotNull and name not in added:
            yield from self._not_null(line, table, name, scans=True)
        elif kind == Alter.AT_ColumnDefault and command.def_ is None:
            column = self.catalog.column(table, name)
            former = self.before.column(table, name) if self.before else None
            users = self._left_out_by(table, name)
            back = self.before and table in self.before.tables and not (former and former.default is not None)
            if users and not (column and column.default is None) and not back:
                yield line, "insert-breaks", f"{', '.join(users)} leaves {name} out, and counts on its DEFAULT"
        elif kind == Alter.AT_ValidateConstraint:
            known = next((each for each in self.catalog.constraints(table) if each.name == name), None)
            if self.transactional and self.locked and not (known and known.valid):
                held = ", ".join(dict.fromkeys(self.locked))
                yield line, "validate-apart", f"{table} is scanned in the transaction that locks {held}"
        elif kind in REWRITING:
            yield line, "table-rewrite", f"{REWRITING[kind]} writes {table} anew; reads and writes wait"
        elif kind == Alter.AT_SetExpression:
            column = self.catalog.column(table, name)
            if not (column and column.virtual):
                yield line, "default-rewrite", f"{name} is computed anew for each row of {table}"
        elif kind in {Alter.AT_AttachPartition, Alter.AT_DetachPartition}:
            does = (
                "ATTACH scans the partition, unless a CHECK says it fits"
                if kind == Alter.AT_AttachPartition
                else "DETACH locks"
            )
            yield line, "partition-locks", f"{does}; {table} and its DEFAULT partition may wait"

    def _drop_column(self, line: int, table: str, name: str, *, missing_ok: bool) -> Told:
        column = self.catalog.column(table, name)
        known = self.catalog.tables.get(table)
        if (column and column.made == self.made) or (missing_ok and known and known.whole and not column):
            return
        if (
            self.before
            and table in self.before.tables
            and not self.before.column(table, name)
            and self.before.tables[table].whole
        ):
            return
        users = [use.name for use in self.uses if use.reads(table, name)]
        if users:
            yield line, "drop-breaks", f"{', '.join(users)} uses {table}.{name}"
        else:
            yield line, "drop-loses", f"the values of {table}.{name} are lost; a rollback cannot bring them back"


def _into_temporary(node: Any) -> bool:
    return isinstance(node, ast.CreateStmt) and getattr(node.relation, "relpersistence", "") == "t"


def _text(node: Any) -> str:
    """A constant as text; "" for what is none."""
    while isinstance(node, ast.TypeCast):
        node = node.arg
    value = node.val if isinstance(node, ast.A_Const) else node
    match value:
        case ast.String(sval=text) | ast.Float(fval=text):
            return str(text)
        case ast.Integer(ival=number):
            return str(number)
        case ast.Boolean(boolval=true):
            return "true" if true else "false"
        case _:
            return ""


def _zero(text: str) -> bool:
    digits = text.strip().rstrip("usmindh ")
    return bool(digits) and not digits.strip("0.+-")
