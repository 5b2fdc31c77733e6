"""The suite itself: a test does not meet what another test has left in the same server."""

import re
from collections import defaultdict

from app.settings import ROOT


def test_roles_that_tests_make_have_names_of_their_own() -> None:
    """A server has its roles in common, so the order of the tests would decide whether a name is still free."""
    files = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        for line in path.read_text().splitlines():
            if "execute(" in line:
                for role in re.findall(r'CREATE ROLE "?(\w+)', line):
                    files[role].add(path.name)

    assert len(files) > 10
    assert {role: found for role, found in files.items() if len(found) > 1} == {}
