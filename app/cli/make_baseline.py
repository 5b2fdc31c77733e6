"""Baseline command: `images schema baseline`, from its arguments to the files and a line for each."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from app.errors import CommandError, UsageError
from app.migrations.connection import explained, sentence
from app.migrations.order import find_id
from app.migrations.output import Output, requested
from app.migrations.validation import faults
from app.project import Project, current
from app.review.baseline import Baseline, generate, release_of
from app.settings import read_review_settings
from app.text import count, one_line

PLAIN = re.compile(r"[\w.+/-]+")


def make_baseline(number: str, release: str | None) -> None:
    """Replace the migrations up to a number by one file, and print what was done. Raises CommandError."""
    project = current()
    if wrong := faults(project.migrations):
        raise CommandError("\n  ".join(["the migrations have faults:", *map(str, wrong)]))
    paths = sorted(path for path in project.migrations.glob("*.sql") if ".rollback" not in path.name)
    chosen = paths[: _index(paths, number) + 1]
    if len(chosen) < 2:
        raise UsageError(f"{chosen[0].stem} is the first migration: there is nothing to replace.")
    if release and not PLAIN.fullmatch(release):
        raise UsageError(f'"{release}" is not the name of a release.', "for example: --release v1.2")
    try:
        baseline = generate(read_review_settings(), chosen, release or release_of(project.migrations))
    except subprocess.CalledProcessError as error:
        raise CommandError(f"pg_dump failed: {one_line(error.stderr)}.") from error
    except psycopg.Error as error:
        raise CommandError(sentence(f"the baseline cannot be made: {explained(error)}")) from error
    _reject_unfit(baseline, paths)
    _write(baseline)
    output = Output(requested())
    replaced = count(len(chosen), "migration")
    output.report(f"{project.shown(baseline.path)} now replaces {replaced}, and their files are deleted")
    for path in _mentions(project, chosen):
        output.report(f"{project.shown(path)} mentions a deleted file: correct it")


def _index(paths: Sequence[Path], number: str) -> int:
    known = [path.stem for path in paths]
    id = find_id(number, known)
    if id not in known:
        raise UsageError(f'there is no migration "{number}".', "give a number or an ID, such as 0003")
    return known.index(id)


def _reject_unfit(baseline: Baseline, paths: Sequence[Path]) -> None:
    """Raise CommandError if the later migrations do not fit, such as one that depends on a deleted file."""
    with TemporaryDirectory() as folder:
        for path in paths[len(baseline.replaced) :]:
            for file in (path, path.with_suffix(".rollback.sql")):
                if file.exists():
                    shutil.copy(file, folder)
        _put(baseline, Path(folder))
        if wrong := faults(Path(folder)):
            lines = [f"{each.path.name}:{each.line}: {each.what}" for each in wrong]
            raise CommandError("\n  ".join([f"{baseline.path.stem} cannot be a baseline:", *lines]))


def _put(baseline: Baseline, folder: Path) -> None:
    """Write the two files, each at once. If the command is killed before the last step, what is left has a fault."""
    path = folder / baseline.path.name
    for target, text in ((path.with_suffix(".rollback.sql"), baseline.down), (path, baseline.up)):
        draft = target.with_name(f".{target.name}.part")
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)


def _write(baseline: Baseline) -> None:
    try:
        for path in baseline.replaced[:-1]:
            path.unlink()
            path.with_suffix(".rollback.sql").unlink(missing_ok=True)
        _put(baseline, baseline.path.parent)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}.", "git has the files") from error


def _mentions(project: Project, replaced: Sequence[Path]) -> list[Path]:
    """Return the SQL files that name one of the deleted files, as \\ir of psql does."""
    names = re.compile("|".join(path.name.replace(".", r"\.") for path in replaced))
    files = sorted(path for path in project.sql.rglob("*.sql") if path.parent != project.migrations)
    return [path for path in files if names.search(path.read_text(encoding="utf-8"))]
