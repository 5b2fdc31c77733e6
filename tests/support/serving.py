"""Service in a forked process, for tests of its answers: 0.3 s of CPU. The entrypoint takes 2.7 s until it serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import environment
from tests.support.forked import Running


@contextmanager
def serving(url: str, port: int, objects: Path, **variables: str) -> Iterator[Running]:
    """Serve a migrated database with one worker, as the entrypoint does when the migrations are done."""
    (objects / "sha256").mkdir(parents=True, exist_ok=True)  # an empty store is rejected if the database has images
    usual = {
        "STORAGE_URL": f"file:{objects}",
        "AUTH": "none",
        "UVICORN_LOG_LEVEL": "error",
        "UVICORN_LOG_CONFIG": "app/logging.json",
        "UVICORN_PORT": str(port),
    }
    running = uvicorn("app.main:from_environment", DATABASE_URL=url, **usual | variables)
    try:
        yield running
    finally:
        running.kill()
        print(*running.communicate())  # which pytest shows where the test failed


def uvicorn(factory: str, **variables: str) -> Running:
    """Start uvicorn with an application of the service."""
    protocol = "app.web.server.protocol:HttpProtocol"
    return Running(environment(**variables), "uvicorn", "--http", protocol, "--factory", factory)
