"""Renumber a migration: give its files, and those that depend on it, the next free numbers, and fix the references.

After a merge, two files may have the same number. Each step leaves a state from which the same command continues.
"""

import json
import re
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.errors import CommandError, UsageError
from app.migrations.order import find_id
from app.project import current
from app.schema.files import NAME
from app.schema.headers import directives_of
from app.schema.phases import Order, dependents, order_of

DEPENDS = re.compile(r"^(\s*--\s*depends\s*:)([^\r\n]*)", re.MULTILINE)
ID = re.compile(r"(?<![0-9A-Za-z_])[0-9]{4}(?:_[a-z0-9]+)+")
TEXTS = ("*.sql", "*.md", "*.py", "*.json")
JOURNAL = ".renumber.json"  # in the folder, from the begin of a run to its end; yoyo ignores it


def renumber(file: Path) -> list[tuple[str, str]]:
    """Rename the files of a migration and of those that depend on it. Return their old and new IDs.

    A rollback file stands for its migration, and a name as find_id() takes it for a file of the project. Raises
    UsageError if there is no such migration, and CommandError if a file cannot be written.
    """
    if not file.name.endswith(".sql"):
        folder = current().migrations
        known = [path.stem for path in folder.glob("*.sql") if not path.stem.endswith(".rollback")]
        file = folder / f"{find_id(str(file), known)}.sql"
    id = file.name.removesuffix(".sql").removesuffix(".rollback")
    journal = file.parent / JOURNAL
    try:
        if journal.exists():  # an earlier run was cut off
            moved = _move(journal)
            if id in dict(moved):
                return moved
        paths = [path for path in file.parent.glob("*.sql") if NAME.fullmatch(path.name)]
        ids = sorted(path.stem for path in paths if ".rollback" not in path.name)
        if id not in ids:
            raise UsageError(
                f"there is no migration {file}.", "name its file, such as sql/migrations/0028_index_images_title.sql"
            )
        orders = {name: order_of(directives_of(_read(file.with_name(f"{name}.sql")))) for name in ids}
        _write(journal, json.dumps(_journal(id, orders, file.parent)))
        return _move(journal)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be changed: {error.strerror}.", "run the command again") from error


def _journal(first: str, orders: dict[str, Order], folder: Path) -> dict[str, Any]:
    """Return what a run will do: the moves in order, the phases, and the digest of each text to correct."""
    chain = sorted(dependents(first, {name: order.depends or () for name, order in orders.items()}))
    others = sorted(orders.keys() - set(chain))
    number = int(others[-1][:4]) if others else 0
    moves = [(old, f"{number + place:04}{old[4:]}") for place, old in enumerate(chain, 1)]
    olds = [old for old, new in moves if old != new]
    texts = {str(path): _digest(_read(path)) for path in _texts(folder) if any(old in _read(path) for old in olds)}
    main = next((name for name in reversed(others) if orders[name].phase == "expand"), "")
    apart = [name for name in others if orders[name].phase != "expand"]
    apart += [new for old, new in moves if orders[old].phase != "expand"]
    return {"id": first, "main": main, "apart": apart, "moves": moves, "texts": texts}


def _move(journal: Path) -> list[tuple[str, str]]:
    """Do what the journal says, as far as it is not done yet, and remove the journal."""
    try:
        planned = json.loads(_read(journal))
        main, apart, texts = planned["main"], planned["apart"], planned["texts"].items()
        moves: list[tuple[str, str]] = [(old, new) for old, new in planned["moves"]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CommandError(f"{journal} is not a file of this command.", "delete it") from error
    folder = journal.parent
    changed = {old: new for old, new in moves if old != new}
    for path, digest in texts:
        text = _read(Path(path)) if Path(path).exists() else ""
        if _digest(text) == digest:
            _write(Path(path), ID.sub(lambda match: changed.get(match[0], match[0]), text))
    for old, new in reversed(moves):  # the highest first, so that no name is taken
        for suffix in (".rollback.sql", ".sql"):
            source, target = folder / f"{old}{suffix}", folder / f"{new}{suffix}"
            if source.exists() and not target.exists():
                source.rename(target)
    for _, new in moves:
        path = folder / f"{new}.sql"
        text = _read(path)
        if text != (right := _with_depends(text, main, apart)):
            _write(path, right)
        main = main if new in apart else new
    journal.unlink()
    return list(changed.items())


def _with_depends(text: str, main: str, apart: Collection[str]) -> str:
    """Return the text that depends on `main`, the migration before it, and still on those of other phases.

    A text that app/migrations/validation.py accepts stays as it is: it may be released.
    """
    match = DEPENDS.search(text)
    if match is None:
        return f"-- depends: {main}\n{text}" if main else text
    given = match[2].split()
    others = [name for name in given if name in apart]
    is_tied = not main or any(name >= main for name in given)
    if is_tied and {*given} <= {main, *others} and len({*given}) == len(given):
        return text
    return f"{text[: match.start()]}{match[1]} {' '.join(filter(None, [main, *others]))}{text[match.end() :]}"


def _texts(folder: Path) -> Iterator[Path]:
    """Yield the files that may name a migration: those of sql/ and docs/, and the pages beside sql/."""
    project = folder.parent.parent
    for pattern in TEXTS:
        for found in (folder.parent.glob(pattern), folder.parent.glob(f"*/{pattern}")):
            yield from (path for path in found if path.is_file())
    yield from project.glob("*.md")
    yield from project.glob("docs/**/*.md")


def _read(path: Path) -> str:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.part")
    with draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
    draft.replace(path)


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()
