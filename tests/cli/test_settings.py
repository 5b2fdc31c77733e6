import subprocess
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from app import settings
from app.database.connect import asyncpg_url
from app.settings import Settings, read_settings
from tests.conftest import environment


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setattr(settings, "SECRETS", tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_database_nothing_starts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings()

    said = "settings: DATABASE_URL is not set (see .env.example and the README's table)\n"
    assert capsys.readouterr().err == said


def test_each_wrong_setting_is_named_and_no_value_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://someone:hunter2@localhost")
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "hunter2")

    with pytest.raises(SystemExit):
        read_settings()

    said = capsys.readouterr().err
    assert "DATABASE_URL must start with postgresql:// or embedded:" in said
    assert "MAX_UPLOAD_BYTES could not" in said
    assert "hunter2" not in said
    assert said.count("\n") == 1


def test_the_migrator_has_the_applications_url_unless_it_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@localhost/images")
    assert read_settings().migrator_url == read_settings().database_url

    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://owner@localhost/images")
    assert read_settings().migrator_url.get_secret_value() == "postgresql://owner@localhost/images"


def test_a_password_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@localhost/images")

    read = read_settings()

    assert "hunter2" not in f"{read!r} {read} {read.model_dump()} {read.model_dump_json()}"


def test_sizes_may_be_written_with_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@localhost/images")
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "10 MiB")

    assert read_settings().max_upload_bytes == 10_485_760


def test_the_example_names_known_settings_alone() -> None:
    lines = (settings.ROOT / ".env.example").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}

    assert names <= {name.upper() for name in Settings.model_fields}
    assert names >= {"DATABASE_URL", "STORAGE_URL"}


def test_a_url_may_have_options_that_libpq_alone_knows() -> None:
    url = "postgresql://app:p%40ss#1@one:5432,two:5433/images?connect_timeout=5&sslmode=require&channel_binding=prefer"

    assert conninfo_to_dict(asyncpg_url(url)) == {
        "user": "app",
        "password": "p@ss#1",
        "host": "one,two",
        "port": "5432,5433",
        "dbname": "images",
        "sslmode": "require",
    }


URLS = {
    "postgresql://localhost": True,
    "postgres://app:p%40ss@[::1]:5432,two/images?sslmode=require": True,
    "postgresql:///images?host=/var/run/postgresql&port=5433": True,
    "postgresql://%2Fvar%2Frun%2Fpostgresql/images": True,
    "postgresql://app:hunter2#@localhost/images": True,
    "postgresql://app:hunter@2@localhost/images": True,
    "postgresql://app:hunter2/x@localhost/images": False,
    "postgresql://app:hunter2 x@localhost/images": False,
    "postgresql://app:hunter2%zz@localhost/images": False,
    "postgresql://app:hunter2%00@localhost/images": False,
    "postgresql://app@localhost:port/images": False,
    "postgresql://app@localhost:65536/images": False,
    "postgresql://app@localhost/images?port=a": False,
    "postgresql://app@[::1/images": False,
    "postgresql://app@localhost/images?sslmode": False,
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_refused_that_libpq_would_not_take(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    if URLS[url]:
        assert read_settings().database_url.get_secret_value() == url
        assert conninfo_to_dict(asyncpg_url(url)) == conninfo_to_dict(url)
        return

    with pytest.raises(SystemExit):
        read_settings()

    said = capsys.readouterr().err
    assert "DATABASE_URL is no URL that libpq understands" in said
    assert "hunter2" not in said


def test_a_secret_comes_from_a_file_named_as_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Docker and Kubernetes lay them down: in either case, with a newline, by way of a link within the folder."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "database_url").write_text("postgresql://app:hunter2@file/images\n")
    (tmp_path / "database_url").symlink_to("..data/database_url")
    (tmp_path / "MIGRATION_DATABASE_URL").write_text("postgresql://owner@file/images")
    (tmp_path / "kubernetes.io").mkdir()

    read = read_settings()

    assert read.database_url.get_secret_value() == "postgresql://app:hunter2@file/images"
    assert read.migrator_url.get_secret_value() == "postgresql://owner@file/images"
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@environment/images")
    assert read_settings().database_url.get_secret_value() == "postgresql://app@environment/images"


def test_secrets_come_from_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "database_url").write_text("postgresql://app@elsewhere/images")
    (tmp_path / "database_url").write_text("postgresql://app@run/images")
    monkeypatch.setenv("SECRETS_DIR", str(folder))

    assert read_settings().database_url.get_secret_value() == "postgresql://app@elsewhere/images"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "settings: DATABASE_URL must start with postgresql:// or embedded: "),
        (b"\xff", "settings: .env, or the file of a secret, is no UTF-8: "),
        (None, "settings: SECRETS_DIR: attempted to load secret file "),
    ],
    ids=["empty", "bytes", "a folder"],
)
def test_a_secret_that_is_none_ends_the_command_with_one_line(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        (tmp_path / "database_url").mkdir()
    else:
        (tmp_path / "database_url").write_bytes(content)

    with pytest.raises(SystemExit):
        read_settings()

    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_a_secret_that_may_not_be_read_ends_the_command_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, **_: object) -> str:  # root may read what any mode forbids
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "database_url").write_text("postgresql://app@run/images")
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(SystemExit):
        read_settings()

    assert capsys.readouterr().err == f"settings: {tmp_path}/database_url cannot be read: Permission denied\n"


def test_a_folder_of_secrets_that_is_not_there_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "none"))

    with pytest.raises(SystemExit):
        read_settings()

    assert capsys.readouterr().err == f'settings: SECRETS_DIR: directory "{tmp_path}/none" does not exist\n'


def test_yoyo_reads_secrets_too(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("mysql://nobody")
    done = subprocess.run(
        ["yoyo", "list"], cwd=settings.ROOT, env=environment(SECRETS_DIR=str(tmp_path)), capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "DATABASE_URL must start with postgresql://" in done.stderr
