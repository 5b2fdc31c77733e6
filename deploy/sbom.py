"""Software bill of materials (SBOM) of the container image, as CycloneDX JSON. `make sbom` runs it.

It reads the installed packages, either of an unpacked image or of this environment, and takes their hashes from the
lock files. A wheel may have libraries inside. Their versions come from the wheel's own SBOM (PEP 770), from texts in
its binaries, or from a record. If a version is not known, a property of the wheel says so.
"""

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import NamedTuple

import pglast
import psycopg
from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from pip_requirements_parser import RequirementsFile

from app.decoder import libraries
from app.settings import ROOT

LOCKS = tuple(ROOT / "requirements" / name for name in ("service.txt", "formats.txt"))
PROPERTY = "image-catalogue"
HASHES = HashTypeFactory()

# Texts by which the binaries of a wheel say the version of a library inside.
SAID = {
    "psycopg-binary": {"openssl": rb"OpenSSL (\d+\.\d+\.\d+) \d", "krb5": rb"KRB5_BRAND: krb5-([\d.]+)-final"},
    "uvloop": {"libuv": rb"\0(1\.\d\d\.\d+)\0"},
    "zstandard": {"zstd": rb"\0(1\.[5-9]\.\d+)\0"},
    "openapi-ui-bundles": {"swagger-ui-dist": rb'PACKAGE_VERSION:"([\d.]+)"'},
}
# Versions by the wheel's own function. They hold because this environment has the same version of the wheel.
ASKED: dict[str, dict[str, Callable[[], str]]] = {
    "psycopg-binary": {"libpq": lambda: "{}.{}".format(*divmod(psycopg.pq.version(), 10_000))},
    "pglast": {"postgresql": lambda: "{}.{}".format(*pglast.get_postgresql_version())},
}
# Parts whose version no file of the wheel tells.
UNKNOWN = {
    "cffi": "libffi",
    "httptools": "llhttp",
    "openapi-ui-bundles": "the JavaScript packages inside Swagger UI",
    "pi-heif": "libheif and libde265",
    "psycopg-binary": "OpenLDAP",
    "pyvips-binary": "the Rust crates inside librsvg",
}
# Vendor and product, by which the National Vulnerability Database names these libraries.
CPE = {
    "freetype": "freetype:freetype",
    "glib": "gnome:glib",
    "lcms2": "littlecms:little_cms",
    "libaom": "aomedia:aomedia",
    "libarchive": "libarchive:libarchive",
    "libexif": "libexif_project:libexif",
    "libexpat": "libexpat_project:libexpat",
    "libheif": "struktur:libheif",
    "libpng": "libpng:libpng",
    "librsvg": "gnome:librsvg",
    "libtiff": "libtiff:libtiff",
    "libvips": "libvips:libvips",
    "libwebp": "webmproject:libwebp",
    "libxml2": "xmlsoft:libxml2",
    "openssl": "openssl:openssl",
}


class Image(NamedTuple):
    """Folders of the packages: the root of an unpacked image, if there is one, and the folder of Python packages."""

    root: Path | None
    site: Path


def find(root: Path | None) -> Image:
    """Return the image below `root`, or this environment. Raises FileNotFoundError if it has no packages."""
    if root is None:
        return Image(None, Path(psycopg.__file__).parents[1])
    sites = sorted(root.glob("opt/venv/lib/python3.*/site-packages"))
    if not sites:
        raise FileNotFoundError(f"{root} has no opt/venv/lib/python3.*/site-packages")
    return Image(root, sites[0])


def bill(image: Image) -> Bom:
    """Return the bill of materials. Raises LookupError if a package of the image is not the locked one."""
    bom = Bom()
    kind = ComponentType.CONTAINER if image.root else ComponentType.APPLICATION
    main = Component(name="image-catalogue", version=_project_version(), type=kind)
    main.bom_ref.value = "image-catalogue"
    bom.metadata.component = main
    packages = list(python_packages(image))
    for package, inside in packages:
        bom.components.update([package, *inside])
        bom.register_dependency(package, inside)
    base = list(base_packages(image.root)) if image.root else []
    bom.components.update(base)
    bom.register_dependency(main, [*(package for package, _ in packages), *base])
    if not image.root:
        main.properties.add(Property(name=f"{PROPERTY}:not-listed", value="the base image: Debian and Python"))
    return bom


def python_packages(image: Image) -> Iterator[tuple[Component, list[Component]]]:
    """Yield each locked package that is installed, and the libraries inside its wheel."""
    requirements = (one for lock in LOCKS for one in RequirementsFile.from_file(str(lock)).requirements)
    locked = {_normal(str(one.name)): one for one in requirements}
    for found in sorted(distributions(path=[str(image.site)]), key=lambda found: found.name.lower()):
        name = _normal(found.name)
        if name not in locked:
            if image.root and name != "image-catalogue":
                raise LookupError(f"{name} {found.version} is in the image, but not in a lock file.")
            continue
        if found.version != locked[name].get_pinned_version:
            raise LookupError(f"{name} is {found.version}, but the lock file has {locked[name].get_pinned_version}.")
        package = _component(PackageURL("pypi", None, name, found.version))
        hashes = [HASHES.from_composite_str(text) for text in locked[name].hash_options]
        where = XsUri(f"https://pypi.org/simple/{name}/")
        package.external_references.add(
            ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=where, hashes=hashes)
        )
        if "License-Expression" in found.metadata:
            package.licenses.add(LicenseExpression(found.metadata["License-Expression"]))
        if name in UNKNOWN:
            package.properties.add(Property(name=f"{PROPERTY}:inside-without-version", value=UNKNOWN[name]))
        yield package, list(inside_wheel(name, found))


def inside_wheel(name: str, found: Distribution) -> Iterator[Component]:
    """Yield the libraries inside a wheel, as far as their versions are known."""
    files = [Path(str(file.locate())) for file in found.files or []]
    for file in files:
        if file.parent.name == "sboms" and file.suffix == ".json":
            yield from _listed(file, name)
    binaries = [file.read_bytes() for file in files if re.search(r"\.(so|dylib|pyd|dll)\b|-bundle\.js$", file.name)]
    for library, pattern in SAID.get(name, {}).items():
        said = {text.decode() for binary in binaries for text in re.findall(pattern, binary)}
        if len(said) != 1:
            raise LookupError(f"{name} {found.version} does not say one version of {library}, but {sorted(said)}.")
        npm = library == "swagger-ui-dist"
        yield _component(PackageURL("npm" if npm else "generic", None, library, said.pop()))
    for library, ask in ASKED.get(name, {}).items():
        yield _component(PackageURL("generic", None, library, ask()))
    if name == "pyvips-binary":
        inside = libraries.versions_inside_wheel(found.version)
        if not inside:
            raise LookupError(f"{libraries.RECORD.name} does not have the libraries of {name} {found.version}.")
        for library, version in {"libvips": found.version, **inside}.items():
            yield _component(PackageURL("generic", None, library, version))


def base_packages(root: Path) -> Iterator[Component]:
    """Yield Python and the Debian packages of an unpacked image."""
    header = next(root.glob("usr/local/include/python3.*/patchlevel.h")).read_text()
    python = re.findall(r'#define PY_VERSION\s+"([^"]+)"', header)[0]
    yield _component(PackageURL("generic", None, "python", python), f"python:python:{python}")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', (root / "etc/os-release").read_text(), re.MULTILINE))
    for stanza in (root / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)", stanza, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            distro = f"{release['ID']}-{release['VERSION_ID']}"
            qualifiers = {"arch": fields["Architecture"], "distro": distro}
            yield _component(PackageURL("deb", release["ID"], fields["Package"], fields["Version"], qualifiers))


def _listed(file: Path, wheel: str) -> Iterator[Component]:
    """Yield the components that the SBOM of a wheel lists, except the wheel and its own parts."""
    for listed in json.loads(file.read_bytes()).get("components", []):
        if "purl" in listed and _normal((purl := PackageURL.from_string(listed["purl"])).name) != wheel:
            yield _component(purl)


def _component(purl: PackageURL, cpe: str | None = None) -> Component:
    if purl.name in CPE:
        cpe = f"{CPE[purl.name]}:{purl.version}"
    return Component(
        name=purl.name,
        version=purl.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        cpe=f"cpe:2.3:a:{cpe}:*:*:*:*:*:*:*" if cpe else None,
    )


def _normal(name: str) -> str:
    """Return the name of a package in the form in which indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _project_version() -> str:
    project: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["version"]


def main() -> None:
    """Write the bill of materials to a file."""
    parser = argparse.ArgumentParser(prog="make sbom", description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, metavar="FOLDER", help="an unpacked image; without it, this environment")
    parser.add_argument("--output", type=Path, metavar="FILE", default=ROOT / ".data" / "sbom.cdx.json")
    arguments = parser.parse_args()
    try:
        bom = bill(find(arguments.root))
    except (OSError, LookupError) as error:
        print(f"error: {error}", file=sys.stderr)
        print("hint: a new version of a wheel needs a change: see Upgrade in CONTRIBUTING.md", file=sys.stderr)
        sys.exit(3)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    JsonV1Dot6(bom).output_to_file(str(arguments.output), allow_overwrite=True, indent=1)
    print(f"wrote {len(bom.components)} components to {arguments.output}")


if __name__ == "__main__":
    main()
