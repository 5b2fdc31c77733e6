"""The entrypoint as a container runs it: real processes, real HTTP, real signals."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app import worker
from app.embedded_postgres import Server
from app.settings import ROOT
from tests.conftest import VERSION, environment
from tests.conftest import free_port as free_port  # for others, too
from tests.migrations.test_backend import applied, wait_until
from tests.schema.test_migrations import IDS
from tests.support import forked
from tests.support.data_folders import start_copy
from tests.support.deployed import is_healthy
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.pictures import picture
from tests.support.serving import serving


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def service(url: str, port: int, objects: Path, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    (objects / "sha256").mkdir(parents=True, exist_ok=True)  # an empty store is rejected if the database has images
    usual = {"STORAGE_URL": f"file:{objects}", "AUTH": "none", "UVICORN_LOG_LEVEL": "error"}
    process = subprocess.Popen(
        [ROOT / "entrypoint.sh"],
        env=environment(DATABASE_URL=url, UVICORN_PORT=str(port), **usual | variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # nothing of it is left, as it should be
            os.killpg(process.pid, signal.SIGKILL)
        print(*process.communicate())  # which pytest shows where the test failed


def test_several_at_once_on_an_empty_database_all_become_ready(empty_database: str, tmp_path: Path) -> None:
    """The first one has several workers, serves requests, and stops after SIGTERM."""
    port, *ports = [free_port() for _ in range(4 if EXHAUSTIVE else 2)]
    content = picture()
    with ExitStack() as started:
        process = started.enter_context(service(empty_database, port, tmp_path, WEB_CONCURRENCY="2"))
        for other in ports:
            started.enter_context(service(empty_database, other, tmp_path))
        wait_until(lambda: all(map(ready, [port, *ports])))
        assert applied(empty_database) == IDS
        stored = httpx.post(
            f"http://127.0.0.1:{port}/v1/images", content=content, headers={"Content-Type": "image/jpeg"}
        )
        assert stored.status_code == 201
        location = f"http://127.0.0.1:{port}{stored.headers['location']}"
        assert httpx.get(f"{location}/content").content == content
        assert is_healthy(port)

        process.terminate()

        assert process.wait(timeout=10) == 0
        assert not is_healthy(port)
        assert all(map(ready, ports))


def test_ctrl_c_lets_an_upload_finish_and_leaves_no_process(database: str, tmp_path: Path) -> None:
    """A terminal sends it to each process of the group, at a moment when an image is decoded.

    An empty number of workers means one, so the only child is the decoder.
    """
    port = free_port()
    with service(database, port, tmp_path, WEB_CONCURRENCY="") as process, ThreadPoolExecutor(1) as threads:
        wait_until(lambda: ready(port))
        upload = threads.submit(
            httpx.post,
            f"http://127.0.0.1:{port}/v1/images",
            content=picture("PNG", (6000, 6000)),
            headers={"Content-Type": "image/png"},
            timeout=60,
        )
        wait_until(lambda: psutil.Process(process.pid).children())
        [decoder] = psutil.Process(process.pid).children()
        wait_until(lambda: os.getpgid(decoder.pid) == decoder.pid)  # which it sets itself, a moment after its start

        os.killpg(process.pid, signal.SIGINT)

        assert upload.result().status_code == 201
        assert process.wait(timeout=10) in {0, -signal.SIGINT}
        assert not decoder.is_running()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_request_whose_head_does_not_end_is_cut_off(database: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(database, port, tmp_path):
        wait_until(lambda: ready(port))
        for beginning in (b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(beginning)
                with suppress(ConnectionError):
                    for _ in range(1000):
                        client.sendall(b"a" * 10_000)
                    pytest.fail("ten megabytes of head were taken")
        long = "a" * 30_000
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", headers={"X": long}).status_code == 200


def test_other_arguments_are_run_in_its_place() -> None:
    done = subprocess.run(
        [ROOT / "entrypoint.sh", "sh", "-c", "echo $0 $PPID; exit 7"], env=environment(), capture_output=True, text=True
    )

    assert done.returncode == 7
    assert done.stdout.startswith("sh ")


def test_without_its_commands_in_the_path_it_says_so() -> None:
    done = subprocess.run(
        [ROOT / "entrypoint.sh"], env=environment() | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: the command images is not in PATH.\nhint: in a checkout: PATH=$PWD/.venv/bin:$PATH ./entrypoint.sh\n"
    )


def test_without_postgresql_it_gives_up(tmp_path: Path) -> None:
    port = free_port()
    url = f"postgresql://someone:hunter2@127.0.0.1:{port}/images"
    variables = environment(DATABASE_URL=url, STORAGE_URL=f"file:{tmp_path}")
    done = forked.run(variables, "images", "wait", "--timeout", "0.5")

    assert done.returncode == 3
    assert done.stderr == (
        f"error: cannot connect to PostgreSQL at 127.0.0.1:{port} (DATABASE_URL): connection refused.\n"
        "hint: waited 0.5 s; check that the server runs, and the network\n"
    )


def test_it_waits_for_a_postgresql_that_is_not_there_yet(memory: Path, tmp_path: Path) -> None:
    port = free_port()
    late = Server(memory / "late", VERSION, f"-c fsync=off -c listen_addresses=127.0.0.1 -c port={port}")
    waiting = subprocess.Popen(
        ["images", "wait", "--timeout", "30"],
        env=environment(
            DATABASE_URL=f"postgresql://postgres@127.0.0.1:{port}/postgres", STORAGE_URL=f"file:{tmp_path / 'objects'}"
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=1)

    start_copy(late)

    try:
        assert waiting.wait(timeout=30) == 0, waiting.communicate()[1]
        assert waiting.communicate()[1] == f"created the object store folder {tmp_path / 'objects'}\n"
    finally:
        late.release()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("STORAGE_URL", "nonsense", "error: STORAGE_URL has no scheme."),
        (
            "DATABASE_URL",
            "mysql://localhost/images",
            "error: DATABASE_URL must start with postgresql:// or embedded:.",
        ),
        ("DATABASE_POOL_SIZE", "0", 'error: DATABASE_POOL_SIZE must be from 1 to 1000, not "0".'),
    ],
)
def test_a_wrong_setting_ends_it_with_one_error(
    database: str, tmp_path: Path, variable: str, value: str, said: str
) -> None:
    (tmp_path / "temporary").mkdir()
    variables = {"DATABASE_URL": database, "STORAGE_URL": f"file:{tmp_path}", "TMPDIR": f"{tmp_path}/temporary"}
    done = subprocess.run(
        [ROOT / "entrypoint.sh"], env=environment(**variables | {variable: value}), capture_output=True, text=True
    )

    assert list((tmp_path / "temporary").iterdir()) == []  # a supervisor repeats the start again and again
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("error: ") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_after_the_check_is_told_by_uvicorn(workers: str, database: str, tmp_path: Path) -> None:
    """The runbook has uvicorn's line. The exit code is that of a failure."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        variables = {"UVICORN_PORT": str(server.getsockname()[1]), "UVICORN_LOG_CONFIG": "app/logging.json"}
        done = forked.run(
            environment(DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path}", WEB_CONCURRENCY=workers, **variables),
            *("uvicorn", "--factory", "app.main:from_environment"),
        )

    assert done.returncode == 3
    assert re.search(r"\[Errno 98\] .*address already in use", done.stderr, re.IGNORECASE)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_that_cannot_start_end_the_service_with_the_reason(workers: str, database: str, tmp_path: Path) -> None:
    """uvicorn would start them again for ever, each time with a traceback."""
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "metrics")
    with service(database, free_port(), tmp_path, WEB_CONCURRENCY=workers, PROMETHEUS_MULTIPROC_DIR=folder) as process:
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 3
    assert f"error: the metrics cannot be written into the folder {folder}: Not a directory." in stderr
    assert "hint: each worker needs 5 MiB there." in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("has_served", "status", "pauses"), [(False, 3, []), (True, 1, [worker.PAUSE])])
def test_a_worker_that_cannot_start_later_ends_only_itself(
    has_served: bool, status: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others continue to serve, and uvicorn starts it again."""
    slept: list[float] = []
    monkeypatch.setattr(worker, "take_over", lambda: not has_served)
    monkeypatch.setattr(worker, "sleep", slept.append)
    monkeypatch.setattr(worker, "from_environment", lambda: sys.exit(2))

    with pytest.raises(SystemExit) as ended:
        worker.create()

    assert (ended.value.code, slept) == (status, pauses)


def test_a_signal_while_it_migrates_ends_it(empty_database: str, tmp_path: Path) -> None:
    with psycopg.connect(empty_database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('yoyo_lock', 0))")
        with service(empty_database, free_port(), tmp_path) as process:
            migrator = (
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'yoyo%'"
            )
            wait_until(lambda: other.execute(migrator).fetchall())

            process.terminate()

            assert process.wait(timeout=10) != 0
            wait_until(lambda: not other.execute(migrator).fetchall())
