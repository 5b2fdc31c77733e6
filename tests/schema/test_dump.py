from app.migrations.dump import dump
from app.settings import ROOT


def test_the_schema_file_is_what_the_migrations_make(database: str) -> None:
    assert dump(database) == (ROOT / "sql" / "schema.sql").read_text()
