"""`make sbom` and `make audit`: the bill of materials of the image, and known vulnerabilities of its packages."""

import json
import re
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from app.decoder.libraries import READERS
from deploy import audit, sbom

# Wheels whose binaries have nothing of other projects inside.
NOTHING_INSIDE = {"asyncpg"}
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n'
DPKG_STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: GNU C Library
 Version: 1 of this line belongs to the description

Package: old
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""


@pytest.fixture(scope="module")
def bom() -> Bom:
    return sbom.bill(sbom.find(None))


@pytest.fixture(scope="module")
def listed(bom: Bom) -> dict[str, dict[str, Any]]:
    """Return the components of the written bill of materials by name."""
    return {one["name"]: one for one in json.loads(JsonV1Dot6(bom).output_as_string())["components"]}


def test_the_bill_of_materials_is_valid_cyclonedx(bom: Bom) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    text = JsonV1Dot6(bom).output_as_string()

    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"type": "library"', '"type": "book"', 1)) is not None


def test_each_package_of_the_image_has_the_hashes_of_the_lock(listed: dict[str, dict[str, Any]]) -> None:
    lock = "\n".join(file.read_text() for file in sbom.LOCKS)
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    elsewhere = set(re.findall(r"^([a-z0-9-]+)==\S+ ; sys_platform == 'win32'", lock, re.MULTILINE))

    packages = {name: one for name, one in listed.items() if one["purl"].startswith("pkg:pypi/")}

    assert {name: one["version"] for name, one in packages.items()} == {
        name: version for name, version in locked.items() if name not in elsewhere
    }
    hashes = {
        found["content"]
        for one in packages.values()
        for reference in one["externalReferences"]
        for found in reference["hashes"]
    }
    assert hashes <= set(re.findall(r"--hash=sha256:(\w+)", lock))
    assert all(one["externalReferences"][0]["hashes"] for one in packages.values())


def test_libraries_inside_wheels_have_versions(listed: dict[str, dict[str, Any]]) -> None:
    wanted = {*READERS, "libvips", "openssl", "libpq", "krb5", "libuv", "zstd", "swagger-ui-dist", "postgresql", "ring"}

    assert {name for name in wanted if re.match(r"\d+\.\d", listed[name]["version"])} == wanted
    assert listed["libheif"]["cpe"].startswith("cpe:2.3:a:struktur:libheif:1.")


def test_each_wheel_with_binaries_is_looked_into(listed: dict[str, dict[str, Any]]) -> None:
    tables = {*sbom.SAID, *sbom.ASKED, *sbom.UNKNOWN, "pyvips-binary", *NOTHING_INSIDE}
    for found in distributions(path=[str(sbom.find(None).site)]):
        files = [str(file) for file in found.files or []]
        name = re.sub(r"[-_.]+", "-", found.name).lower()
        if name in listed and any(re.search(r"\.(so|dylib)\b", file) for file in files):
            assert name in tables or any("/sboms/" in file for file in files), name


def test_what_cannot_be_known_is_said(listed: dict[str, dict[str, Any]]) -> None:
    for name, part in sbom.UNKNOWN.items():
        assert {"name": "image-catalogue:inside-without-version", "value": part} in listed[name]["properties"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return the root of an unpacked image with three packages of Python, one of Debian, and one removed."""
    here = sbom.find(None).site
    site = tmp_path / "opt/venv/lib/python3.13/site-packages"
    site.mkdir(parents=True)
    for folder in [*here.glob("asyncpg-*.dist-info"), *here.glob("image_catalogue-*.dist-info"), *here.glob("uvloop*")]:
        (site / folder.name).symlink_to(folder)
    for name, text in {
        "usr/local/include/python3.13/patchlevel.h": '#define PY_VERSION      \t"3.13.9"\n',
        "etc/os-release": OS_RELEASE,
        "var/lib/dpkg/status": DPKG_STATUS,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_an_unpacked_image_is_listed_with_python_and_debian(image: Path) -> None:
    bom = sbom.bill(sbom.find(image))

    purls = {str(one.purl) for one in bom.components if one.purl}
    assert {"pkg:generic/python@3.13.9", "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13"} <= purls
    assert sorted(purl.partition("@")[0] for purl in purls) == [
        "pkg:deb/debian/libc6",
        "pkg:generic/libuv",
        "pkg:generic/python",
        "pkg:pypi/asyncpg",
        "pkg:pypi/uvloop",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("intruder-1.0", "intruder 1.0 is in the image, but not in a lock file"),
        ("idna-2.0", r"idna is 2.0, but the lock file has \d"),
    ],
)
def test_a_package_that_is_not_the_locked_one_is_an_error(name: str, said: str, image: Path) -> None:
    folder = sbom.find(image).site / f"{name}.dist-info"
    folder.mkdir()
    package, _, version = name.partition("-")
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")

    with pytest.raises(LookupError, match=said):
        sbom.bill(sbom.find(image))


def test_a_wheel_that_no_longer_says_its_version_is_an_error(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sbom.SAID["uvloop"], "libuv", rb"libuv v(\d+)")

    with pytest.raises(LookupError, match=r"does not say one version of libuv, but \[\]"):
        sbom.bill(sbom.find(image))


def test_a_folder_that_is_no_image_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sbom", "--root", str(tmp_path), "--output", str(tmp_path / "sbom.json")])

    with pytest.raises(SystemExit, match="3"):
        sbom.main()

    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "sbom.json").exists()


def said(packages: list[dict[str, object]]) -> list[str]:
    """Return a command that answers like pip-audit. It exits with 0, as pip-audit does if it knows no package."""
    return [sys.executable, "-c", f"print({json.dumps({'dependencies': packages})!r})"]


HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}
SOUND: dict[str, object] = {"name": "sound", "version": "1.0", "vulns": []}
BROKEN: dict[str, object] = {"name": "broken", "version": "1.0", "vulns": [HOLE]}
SKIPPED: dict[str, object] = {"name": "skipped", "skip_reason": "not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "out", "err"),
    [
        ([SOUND], 0, "1 package audited, known vulnerabilities: 0\n", ""),
        (
            [SOUND, BROKEN],
            1,
            "broken 1.0: PYSEC-2026-1, fixed in 1.1\n2 packages audited, known vulnerabilities: 1\n",
            "",
        ),
        ([SOUND, SKIPPED], 3, "", "error: 1 of 2 packages were not audited: not found on PyPI\n"),
        ([], 3, "", "error: 0 of 0 packages were not audited\n"),
    ],
)
def test_an_audit_is_clean_only_if_every_package_was_found(
    packages: list[dict[str, object]], code: int, out: str, err: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.audit([], said(packages)) == code

    printed = capsys.readouterr()
    assert printed.out == out
    assert printed.err.partition("hint: ")[0] == err


def test_an_audit_without_the_database_is_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"idna==3.4 --hash=sha256:{'0' * 64}\n")
    command = [*audit.COMMAND[:-1], f"--cache-dir={tmp_path / 'cache'}"]

    assert audit.audit([lock], command) == 3

    assert capsys.readouterr().err.startswith("error: the packages were not audited: requests.exceptions.ProxyError")
