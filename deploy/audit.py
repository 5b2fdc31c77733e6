"""Audit of the lock files for known vulnerabilities, with pip-audit. `make audit` runs it.

The database knows packages of Python. It does not know the libraries inside wheels: those are in the SBOM.
"""

import json
import subprocess
import sys
from pathlib import Path

from app.settings import ROOT
from app.text import count, one_line

LOCKS = [ROOT / "requirements" / f"{name}.txt" for name in ("service", "embedded", "uv", "development")]
CACHE = ROOT / ".data" / "pip-audit"
OPTIONS = ("--require-hashes", "--disable-pip", "--format=json", "--progress-spinner=off", f"--cache-dir={CACHE}")
COMMAND = [sys.executable, "-m", "pip_audit", *OPTIONS]
DONE, FOUND, FAILED = 0, 1, 3


def audit(locks: list[Path], command: list[str]) -> int:
    """Print each known vulnerability of the locked packages. Return the exit code."""
    files = [argument for lock in locks for argument in ("--requirement", str(lock))]
    done = subprocess.run([*command, *files], capture_output=True, text=True)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _fail("the packages were not audited", *done.stderr.strip().splitlines()[-1:])
    # pip-audit ends with 0 if its database does not know a package. A mirror of PyPI often knows none.
    unknown = [package.get("skip_reason", package["name"]) for package in packages if "vulns" not in package]
    if unknown or not packages:
        return _fail(f"{len(unknown)} of {len(packages)} packages were not audited", *unknown[:1])
    found = [(package, vulnerability) for package in packages for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}")
    print(f"{count(len(packages), 'package')} audited, known vulnerabilities: {len(found)}")
    return FOUND if found else DONE


def _fail(*parts: str) -> int:
    print(f"error: {one_line(': '.join(parts))}", file=sys.stderr)
    print(
        "hint: pip-audit asks https://pypi.org, whose database a mirror may lack",
        file=sys.stderr,
    )
    return FAILED


if __name__ == "__main__":
    sys.exit(audit([Path(name) for name in sys.argv[1:]] or LOCKS, COMMAND))
