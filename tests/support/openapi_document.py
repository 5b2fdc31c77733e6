"""OpenAPI document: write it to a file. Usage: python -m tests.support.openapi_document FILE."""

import sys
from pathlib import Path

from app.main import OPERATIONS
from app.settings import Settings
from app.web.openapi import Document


def write(path: Path) -> None:
    """Write the document of a service with tokens and the default settings."""
    settings = Settings(_env_file=None, database_url="postgresql://images@localhost/images")
    path.write_bytes(Document(OPERATIONS, settings).at("http://127.0.0.1:8000"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
