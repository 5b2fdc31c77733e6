"""State of the check of one migration: the schema so far, the locks and the writes, and the queries of the release."""

from dataclasses import dataclass, field

from app.lint.catalog import Catalog
from app.lint.usage import Use


@dataclass(frozen=True)
class Write:
    """A statement that may write or read many rows of a table in use."""

    line: int
    verb: str
    table: str
    has_no_where: bool


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
    locked: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)

    def is_busy(self, table: str) -> bool:
        """Return whether other sessions may use the table.

        A table that this file creates, or that the migration of this rollback created, is not busy.
        """
        known = self.catalog.tables.get(table)
        if known is None:
            return True
        is_new = self.before is not None and table not in self.before.tables
        return known.created_by != self.file and table not in self.catalog.temporary and not is_new

    @property
    def held(self) -> str:
        """Return the names of the tables that the statements so far have locked."""
        return ", ".join(dict.fromkeys(self.locked))

    def callers(self, function: str) -> list[str]:
        """Return the names of the queries that call a function."""
        return [use.name for use in self.uses if function in use.functions]

    def readers(self, table: str, column: str) -> list[str]:
        """Return the names of the queries that use a column."""
        return [use.name for use in self.uses if use.reads(table, column)]

    def users(self, table: str) -> list[str]:
        """Return the names of the queries that use a table."""
        return [use.name for use in self.uses if table in use.relations]

    def inserts_without(self, table: str, column: str) -> list[str]:
        """Return the names of the queries whose INSERT leaves the column out."""
        return [
            use.name
            for use in self.uses
            if any(into == table and column not in columns for into, columns in use.insert_columns)
        ]
