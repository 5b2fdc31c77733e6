from collections.abc import Iterator

import psycopg
import pytest

from app.errors import CommandError
from app.migrations.dump import dump
from app.settings import ROOT
from tests.conftest import as_role


@pytest.fixture
def dumper(admin: psycopg.Connection, empty_database: str) -> Iterator[str]:
    """The URL of a role that owns a table, beside the schemas of another role."""
    admin.execute("CREATE ROLE dumper LOGIN")
    with psycopg.connect(empty_database) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO dumper; SET ROLE dumper; CREATE TABLE own (n int)")
        connection.execute('RESET ROLE; CREATE SCHEMA theirs; CREATE SCHEMA "The Irs*"')
        connection.execute('CREATE TABLE theirs.secrets (n int); CREATE TABLE "The Irs*".rows (n int)')
        connection.execute("GRANT USAGE ON SCHEMA theirs TO dumper; GRANT SELECT ON theirs.secrets TO dumper")
    yield as_role(empty_database, "dumper")
    with psycopg.connect(empty_database) as connection:
        connection.execute("DROP OWNED BY dumper")
    admin.execute("DROP ROLE dumper")


def test_the_schema_file_is_what_the_migrations_make(database: str) -> None:
    assert dump(database) == (ROOT / "sql" / "schema.sql").read_text()


def test_the_schemas_of_another_owner_are_left_out(dumper: str) -> None:
    text = dump(dumper)

    assert "CREATE TABLE own " in text
    assert "secrets" not in text
    assert "Irs" not in text


@pytest.mark.parametrize("path", ["nowhere", "pg_catalog"])
def test_a_search_path_that_leads_elsewhere_is_an_error(path: str, database: str) -> None:
    """A dump of the things of another schema would replace schema.sql."""
    with pytest.raises(CommandError, match="the search_path leads to "):
        dump(f"{database}&options=-csearch_path%3D{path}")
