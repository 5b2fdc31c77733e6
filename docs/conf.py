"""Sphinx: builds the documentation site from the Markdown pages. `make docs` runs it, without network."""

import re
import shutil
from pathlib import Path

from pygments.lexers.sql import PostgresLexer
from sphinx.application import Sphinx
from sphinx.util import logging

project = "Image catalogue"
extensions = ["myst_parser"]
root_doc = "docs/index"
# The source folder is that of the repository, because pages of docs/ link to these.
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "sql/README.md",
]
include_patterns += ["benchmarks/README.md", "benchmarks/results/*.md"]
exclude_patterns = [".*", "tests"]
# `\d images` is an example of SQL that is wrong, and the results of the benchmark have no title.
suppress_warnings = ["misc.highlighting_failure", "toc.no_title"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "Image catalogue"
html_static_path = ["theme"]
html_css_files = ["theme.css"]
html_copy_source = False
html_show_sphinx = False

# The contents of the site. They are not in index.md, because a forge shows them there as code.
CONTENTS = {
    "Tutorials": ["tutorials/first-images", "tutorials/*"],
    "Use the API": [
        "how-to/api/upload-images",
        "how-to/api/search-and-page",
        "how-to/api/tags-months-and-totals",
        "how-to/api/*",
    ],
    "Operate": ["how-to/operate/*"],
    "Change the schema": ["how-to/dba/*"],
    "Runbook": ["runbook/index", "runbook/*"],
    "Reference": ["reference/*"],
    "Explanation": ["explanation/*"],
    "Decisions": ["decisions/index", "decisions/*"],
    "Maintain": ["how-to/maintain/*"],
    "Project": ["../README", "../CHANGELOG", "../CONTRIBUTING", "../SECURITY", "../sql/*", "../benchmarks/**"],
}


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the contents of the site to its first page."""
    if page == root_doc:
        for caption, entries in CONTENTS.items():
            source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{chr(10).join(entries)}\n```\n"


def copy_pictures(app: Sphinx, page: str, source: list[str]) -> None:
    """Copy the pictures in the HTML of a page to the site. Sphinx itself copies only those of Markdown."""
    for name in re.findall(r'<(?:img|source)\s[^>]*?src(?:set)?="([^":]+)"', source[0]):
        picture, copy = Path(app.srcdir, page).parent / name, Path(app.outdir, page).parent / name
        if picture.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, copy)
        else:
            logging.getLogger(__name__).warning("%s: there is no picture %s", page, name)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_lexer("sql", PostgresLexer)
    app.connect("source-read", add_contents)
    app.connect("source-read", copy_pictures)
