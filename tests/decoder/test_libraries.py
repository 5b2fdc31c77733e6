"""The recorded versions of the libraries inside the wheel of libvips: they are those of the locked wheel's binary."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest

from app.decoder import libraries
from app.settings import ROOT

# Texts of the binary with a version. libheif, libwebp and others have no such text.
SAID = {
    "libaom": rb"AV1 Decoder v(\d+\.\d+\.\d+)",
    "libarchive": rb"libarchive (\d+\.\d+\.\d+)",
    "glib": rb"GDBus (2[0-9.]+) ",
    "libpng": rb"\0(1\.6\.\d+)\0",
    "libultrahdr": rb"\0(2\.0\.\d+)\0",
    "mozjpeg": rb"mozjpeg version (\d+\.\d+\.\d+)",
}
RECORD = json.loads(libraries.RECORD.read_bytes())


def test_the_record_is_of_the_locked_wheel() -> None:
    """If this fails after `make lock`, renew libraries.json: CONTRIBUTING.md says how."""
    lock = (ROOT / "requirements" / "service.txt").read_text()

    assert f"\npyvips-binary=={RECORD['wheel']} " in lock


def test_the_record_agrees_with_the_binary() -> None:
    files = distribution("pyvips-binary").files or []
    [binary] = [Path(str(file.locate())) for file in files if re.search(r"libs/libvips.*\.so", str(file))]
    content = binary.read_bytes()

    said = {name: {found.decode() for found in re.findall(pattern, content)} for name, pattern in SAID.items()}

    assert said == {name: {RECORD["versions"][name]} for name in SAID}


def test_libraries_are_described() -> None:
    said = libraries.describe(RECORD["wheel"])

    assert said[0] == f"libvips {RECORD['wheel']}"
    assert len(said) == 1 + len(libraries.READERS)


@pytest.mark.parametrize("wheel", [None, "8.18.6"])
def test_versions_of_another_wheel_are_unknown(
    wheel: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libraries.json").write_text(json.dumps(RECORD | {"wheel": wheel}))
    monkeypatch.setattr(libraries, "RECORD", tmp_path / "libraries.json")

    assert libraries.describe("8.18.7") == ["libvips 8.18.7", "libraries of unknown versions"]
    assert libraries.versions_inside_wheel("8.18.6") == {}
