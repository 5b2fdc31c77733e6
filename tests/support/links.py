"""Check of links in Markdown: each relative link or picture is a file, and each anchor a heading of its page.

`python -m tests.support.links` prints `PAGE:LINE: TARGET` for each dead link, and exits with 1 if there is one.
"""

import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(
    r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*([^()\s]+)\s*\)|^\[[^\]]+\]:\s+(\S+)"
    r'|<(?:img|source)\s[^>]*?src(?:set)?="([^"]+)"',
    re.MULTILINE,
)
CODE = re.compile(r"^( *)(```|~~~).*?^ *\2|`[^`]*`", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Return the Markdown pages of the repository, those that git does not know yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in sorted(set(listed.splitlines())) if (path := ROOT / name).is_file()]


def slug(heading: str) -> str:
    """Return the anchor of a heading, as the forge and the site make it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip().rstrip("#"))
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page. A second heading with the same words gets `-1`."""
    text = re.sub(r"^( *)(```|~~~).*?^ *\2", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found, seen = set(re.findall(r'<a (?:id|name)="([^"]+)"', text)), Counter[str]()
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


def dead_links(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere, as `PAGE:LINE: TARGET`."""
    text = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), page.read_text(encoding="utf-8"))
    found = []
    for match in LINK.finditer(text):
        target = match[match.lastindex or 0]
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        if not other.exists() or (anchor and (other.suffix != ".md" or anchor not in anchors(other))):
            line = text.count("\n", 0, match.start(match.lastindex or 0)) + 1
            found.append(f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}:{line}: {target}")
    return found


def main() -> int:
    """Print the dead links of all pages. Return 1 if there are any, otherwise 0."""
    found = [link for page in pages() for link in dead_links(page)]
    print("\n".join(found), end="\n" if found else "")
    print(f"{len(found)} dead links in {len(pages())} pages", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
