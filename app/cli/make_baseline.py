"""Baseline command: `images schema baseline`, from its arguments to the files and a line for each."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from app.errors import CommandError, UsageError
from app.migrations.connection import explained, sentence
from app.migrations.interrupts import interruptible
from app.migrations.order import find_id
from app.migrations.output import Output, requested
from app.migrations.validation import faults
from app.project import Project, current
from app.review.baseline import Baseline, generate, release_of
from app.schema.files import read_own
from app.settings import read_review_settings
from app.text import count, one_line

JOURNAL = ".baseline.json"  # in the folder, while the files are written: see JOURNALS
PLAIN = re.compile(r"[\w.+/-]+")


def make_baseline(number: str, release: str | None) -> None:
    """Replace the migrations up to a number by one file, and print what was done. Raises CommandError.

    If an earlier run was cut off while it wrote, finish that first. SIGTERM ends the command as Ctrl+C does: it drops
    the scratch database.
    """
    with interruptible():
        baseline = _continued(current().migrations)
        if baseline:
            _report(baseline)
        paths = sorted(path for path in current().migrations.glob("*.sql") if ".rollback" not in path.name)
        if baseline is None or paths[_index(paths, number)] != baseline.path:
            _make(number, release, paths)


def _make(number: str, release: str | None, paths: Sequence[Path]) -> None:
    project = current()
    if wrong := faults(project.migrations):
        raise CommandError("\n  ".join(["the migrations have faults:", *map(str, wrong)]))
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
    _report(baseline)


def _report(baseline: Baseline) -> None:
    project, output = current(), Output(requested())
    replaced = count(len(baseline.replaced), "migration")
    output.report(f"{project.shown(baseline.path)} now replaces {replaced}, and their files are deleted")
    for path, line, name in _mentions(project, baseline.replaced):
        output.report(f"{project.shown(path)}:{line} mentions {name}, which is deleted: write its statements here")


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
    """Write the two files, each at once."""
    path = folder / baseline.path.name
    _replace(path.with_suffix(".rollback.sql"), baseline.down)
    _replace(path, baseline.up)


def _replace(target: Path, text: str) -> None:
    draft = _draft(target)
    draft.write_text(text, encoding="utf-8")
    draft.replace(target)


def _draft(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _write(baseline: Baseline) -> None:
    """Write the files, and delete the others. While the journal is there, each command says that this was cut off."""
    planned = {
        "id": baseline.path.stem,
        "up": baseline.up,
        "down": baseline.down,
        "replaced": [path.name for path in baseline.replaced],
    }
    journal = baseline.path.with_name(JOURNAL)
    try:
        _replace(journal, json.dumps(planned))
        _finish(journal)
    except OSError as error:
        raise _unwritten(error) from error


def _finish(journal: Path) -> Baseline:
    """Do what the journal says, as far as it is not done yet, and remove the journal. Raises OSError."""
    planned = json.loads(journal.read_text(encoding="utf-8"))
    replaced = [journal.with_name(name) for name in planned["replaced"]]
    baseline = Baseline(replaced[-1], planned["up"], planned["down"], replaced)
    _put(baseline, journal.parent)
    for path in baseline.deleted:
        path.unlink(missing_ok=True)
    journal.unlink()
    return baseline


def _continued(folder: Path) -> Baseline | None:
    """Finish what an earlier run of the command began to write. Return its baseline, or None."""
    journal = folder / JOURNAL
    try:
        _draft(journal).unlink(missing_ok=True)
        return _finish(journal) if journal.exists() else None
    except OSError as error:
        raise _unwritten(error) from error
    except (ValueError, LookupError, TypeError) as error:
        raise CommandError(f"{journal} is not a file of this command.", "delete it") from error


def _unwritten(error: OSError) -> CommandError:
    return CommandError(
        f"{error.filename} cannot be changed: {error.strerror}.", "run the command again; git has the deleted files"
    )


def _mentions(project: Project, replaced: Sequence[Path]) -> list[tuple[Path, int, str]]:
    """Return the places in SQL files that name one of the deleted files, as \\ir of psql does: file, line, and name."""
    names = re.compile("|".join(path.name.replace(".", r"\.") for path in replaced))
    files = sorted(path for path in project.sql.rglob("*.sql") if path.parent != project.migrations)
    return [
        (path, number, found[0])
        for path in files
        for number, line in enumerate(read_own(path).splitlines(), 1)
        if (found := names.search(line))
    ]
