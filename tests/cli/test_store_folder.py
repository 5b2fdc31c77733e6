"""Owner and mode of the object store folder, as `images wait` and the commands that write into it check them."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli import store_folder
from app.cli.store_folder import exists, warn_if_read_only, warn_if_root
from app.cli.wait import wait_for_database
from app.errors import UsageError
from tests.conftest import as_role

OTHER = pwd.getpwnam("nobody")


@contextmanager
def unprivileged() -> Iterator[str]:
    """Have the rights of an ordinary user in the block. Yields its name."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(OTHER.pw_uid)
    try:
        yield pwd.getpwuid(os.geteuid()).pw_name
    finally:
        os.seteuid(user)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A store that each user can read, with a folder of contents."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "sha256" / "ab").mkdir(parents=True)
        for each in (path, path / "sha256", path / "sha256" / "ab"):
            each.chmod(0o777)
        yield path


def test_a_folder_that_the_service_can_use_is_fine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with unprivileged():
        warn_if_read_only(folder)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("mode", [0o555, 0o333, 0o666, 0o000], ids=oct)
@pytest.mark.parametrize("place", [".", "sha256", "sha256/ab"])
def test_a_folder_in_which_uploads_would_fail_is_named(
    place: str, mode: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / place).chmod(mode)
    with unprivileged() as user:
        warn_if_read_only(folder)
    (folder / place).chmod(0o777)

    warning, hint = capsys.readouterr().err.splitlines()
    assert warning.startswith(
        f"warning: uploads fail: {user} may not write into the object store folder {folder / place}, which belongs to "
    )
    assert hint == f"hint: chown -R {user} {folder}"


def test_a_folder_that_the_user_may_not_enter_is_a_wrong_setting(folder: Path) -> None:
    folder.chmod(0o000)
    with unprivileged(), pytest.raises(UsageError, match=r"STORAGE_URL cannot be used: .*/objects: Permission denied"):
        exists(folder / "objects")
    folder.chmod(0o777)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_root_is_warned_before_it_writes_into_the_folder_of_another_user(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_root(f"file:{folder}")
    assert capsys.readouterr().err == ""

    os.chown(folder, OTHER.pw_uid, -1)
    warn_if_root(f"file:{folder}")

    assert capsys.readouterr().err == (
        f"warning: the object store folder {folder} belongs to nobody, and this command runs as root. nobody may not "
        "use the files that it writes.\n"
        f"hint: run it as nobody, or run this afterwards: chown -R nobody {folder}\n"
    )


async def test_a_start_checks_the_folder(
    database: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_folder, "_may", lambda path, mode: path.exists() and not (mode and path.name == "sha256"))
    variables = {"DATABASE_URL": as_role(database, "images_app"), "STORAGE_URL": f"file:{folder}", "MIGRATE": "false"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    await wait_for_database(30)

    assert f"may not write into the object store folder {folder / 'sha256'}, which" in capsys.readouterr().err
