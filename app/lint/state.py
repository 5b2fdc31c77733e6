"""State of the check of one migration: the schema so far, the locks and the writes, and the queries of the release."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from app.lint import routines
from app.lint.catalog import Catalog
from app.lint.findings import Fault
from app.lint.objects import Constraint, Routine
from app.lint.usage import Use


@dataclass(frozen=True)
class Write:
    """A statement that may write or read many rows of a table in use."""

    line: int
    verb: str
    table: str
    has_no_where: bool
    in_loop: bool = False  # in one transaction: each turn is small, and the loop does not commit
    into_new: bool = False  # a copy into a table that no other session uses yet


@dataclass(frozen=True)
class Dropped:
    """A function that this file drops, and perhaps creates again."""

    routine: Routine
    stored: list[str]  # the objects that keep its results
    users: list[str]  # triggers and queries


@dataclass
class MigrationState:
    """State of the check between two statements of one migration or rollback.

    `catalog` changes with each statement. For a rollback, `before` is the schema before its migration: a rollback may
    take away everything that is not in it.
    """

    file: str
    catalog: Catalog
    uses: list[Use]
    before: Catalog | None = None
    transactional: bool = True
    backfill: str | None = None  # the table of which the migrator writes one range of keys at a time
    locked: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    lock_order: dict[str, None] = field(default_factory=dict)  # the tables of `locked`, each at its first lock
    has_unlocked: bool = False  # an advisory lock of the session
    advisory: set[tuple[bool, str]] = field(default_factory=set)  # locks that the file took: shared, and the key
    cursors: dict[str, str] = field(default_factory=dict)  # by name: the table of which each reads many rows
    dropped: dict[str, Dropped] = field(default_factory=dict)  # functions, by name
    dropped_checks: dict[str, list[Constraint]] = field(default_factory=dict)  # by table
    transitions: tuple[str, ...] = ()  # transition tables of the trigger whose statement is checked
    closed_functions: set[str] = field(default_factory=set)  # from which this file takes EXECUTE for PUBLIC
    has_set_sequence: bool = False  # above the greatest number of a table
    enum_values: set[str] = field(default_factory=set)  # that this file has added
    searches: set[str] = field(default_factory=set)  # text search configurations and dictionaries of this file
    # Faults that a later statement of the file may correct, each with the condition under which it stays.
    pending: list[tuple[Fault, Callable[[], bool]]] = field(default_factory=list)

    def is_busy(self, table: str) -> bool:
        """Return whether other sessions may use the table.

        A table that this file creates, or that the migration of this rollback created, is not busy.
        """
        known = self.catalog.tables.get(table)
        if known is None:
            return table not in self.transitions
        is_new = self.before is not None and table not in self.before.tables
        return known.created_by != self.file and table not in self.catalog.temporary and not is_new

    @property
    def held(self) -> str:
        """Return the names of the tables that the statements so far have locked."""
        return ", ".join(dict.fromkeys(self.locked))

    def is_own(self, created_by: str, *, was_there: bool) -> bool:
        """Return whether this file created an object, or the migration of this rollback did.

        `was_there` tells whether the object was there before that migration.
        """
        return created_by == self.file or (self.before is not None and not was_there)

    def is_own_type(self, name: str) -> bool:
        """Return whether this file created a type, or the migration of this rollback did."""
        return self.catalog.types.get(name) == self.file or (self.before is not None and name not in self.before.types)

    def callers(self, function: str) -> list[str]:
        """Return the names of the queries that call a function, also through other functions."""
        return [use.name for use in self.uses if any(function in self._reached(each) for each in use.functions)]

    def inserts_with(self, table: str, column: str) -> list[str]:
        """Return the names of the queries, and of the functions of triggers, whose INSERT gives the column."""
        return [
            use.name
            for use in self.bodies()
            if any(into == table and column in columns for into, columns in use.insert_columns)
        ]

    def _reached(self, function: str) -> set[str]:
        return {function} | routines.reached(self.catalog, function)

    def bodies(self, *, texts_only: bool = False) -> Iterator[Use]:
        """Yield what the queries of the release use, and the functions that they call and that its triggers run.

        `texts_only`: without BEGIN ATOMIC and RETURN, in which PostgreSQL has looked up the names already.
        """
        yield from self.uses
        names = {name for each in self.catalog.triggers.values() for name in self._reached(each.function)}
        names |= {name for use in self.uses for each in use.functions for name in self._reached(each)}
        for name in sorted(names & self.catalog.routines.keys()):
            if not texts_only or self.catalog.routines[name].parsed is None:
                yield routines.use_of_routine(name, self.catalog.routines[name])

    def written_by_queries(self) -> Iterator[Use]:
        """Yield what the queries of the release use, and the functions that they call."""
        yield from self.uses
        names = {name for use in self.uses for each in use.functions for name in self._reached(each)}
        for name in sorted(names & self.catalog.routines.keys()):
            yield routines.use_of_routine(name, self.catalog.routines[name])

    def readers(self, table: str, column: str) -> list[str]:
        """Return the names of the queries that use a column."""
        return [use.name for use in self.uses if use.reads(table, column)]

    def tables_with(self, type: str) -> set[str]:
        """Return the tables in use that have a column of a type."""
        return {
            name
            for name, table in self.catalog.tables.items()
            if self.is_busy(name) and any(each.type and each.type.name == type for each in table.columns.values())
        }

    def users(self, table: str) -> list[str]:
        """Return the names of the queries that use a table."""
        return [use.name for use in self.uses if table in use.relations]

    def inserts_without(self, table: str, column: str) -> list[str]:
        """Return the names of the queries, and of the functions of triggers, whose INSERT leaves the column out."""
        return [
            use.name
            for use in self.bodies()
            if any(into == table and column not in columns for into, columns in use.insert_columns)
        ]
