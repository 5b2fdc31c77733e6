"""Progress reporter: a bar on a terminal, lines elsewhere, nothing with --quiet."""

import io
import sys
from collections.abc import Iterator

import pytest

from app import progress as app_progress
from app.progress import Progress
from app.verbosity import verbosity


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def default_verbosity() -> Iterator[None]:
    yield
    verbosity.reset()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_progress, "LINE_INTERVAL", 0)


@pytest.mark.usefixtures("always")
def test_without_a_terminal_it_prints_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("files", 3000) as progress:
        progress.advance()
        progress.advance(1000)
    with Progress("files", summary=lambda: "2 new") as progress:
        progress.advance()

    assert capsys.readouterr() == ("", "1 of 3,000 files so far\n1,001 of 3,000 files so far\n2 new so far\n")


def test_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(app_progress, "monotonic", lambda: now)
    with Progress("files") as progress:
        for _ in range(25):
            now += 1
            progress.advance()

    assert capsys.readouterr().err == "10 files so far\n20 files so far\n"


def test_on_a_terminal_it_shows_a_bar_and_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Progress("files", 2) as progress:
        progress.advance(label="a label")
        progress.message("a message")
        progress.expect(4)
        assert progress.has_bar

    assert " files" in terminal.getvalue()
    assert "a message\n" in terminal.getvalue()
    assert "so far" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


@pytest.mark.usefixtures("always")
def test_quiet_prints_only_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    verbosity.is_quiet = True
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with Progress("files", 2) as progress:
            progress.advance()
            progress.message("photo.png: rejected")
        assert stream.getvalue() == "photo.png: rejected\n"


def test_a_bar_is_hidden_if_the_data_goes_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Progress("B", is_bar_hidden=True) as progress:
        progress.advance(10)

    assert terminal.getvalue() == ""
