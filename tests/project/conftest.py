"""The role that the tables of the second project are granted to."""

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture(scope="module")
def library_role(admin: psycopg.Connection) -> Iterator[str]:
    """Create the role, and drop it after the module: all databases of a server share their roles."""
    admin.execute("CREATE ROLE library_reader")
    yield "library_reader"
    admin.execute("DROP ROLE library_reader")
