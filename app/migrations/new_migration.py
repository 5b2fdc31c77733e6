"""New migration: make NNNN_verb_object.sql and its rollback file from templates.

`schema new "Index orders customer"` and `yoyo new --sql -m "Index orders customer"` call `create`. The files of yoyo
itself would have a date and random letters as names, and the migrator rejects those.
"""

import re
import unicodedata
from pathlib import Path

from app.errors import CommandError, UsageError
from app.program import SCHEMA
from app.project import current
from app.schema.files import reject_unfinished
from app.schema.headers import directives
from app.text import one_line, printable

EXAMPLE = f'{SCHEMA} new "Index orders customer"'
NAMED = "[0-9][0-9][0-9][0-9]_*.sql"
MAX_NAME = 100  # characters of a file's name, without its endings

MIGRATION = """\
-- {title}.
--
-- What:
-- Why:
-- Locks:
-- Cost:
{depends}
"""

ROLLBACK = """\
-- Rolls back {name}.
--
-- loses:
-- Locks:
-- Cost:

"""


def create(message: str, folder: Path | None = None) -> Path:
    """Create the files of a migration and of its rollback, and return the path of the migration.

    It depends on the last expand migration, so it does not wait for those of other phases. The message begins with a
    verb. It becomes the name of the files and the title of the header. Raises UsageError if it has no letters or
    digits, has letters without an ASCII form, or is too long. Raises CommandError if the files cannot be written, or if
    another command was cut off while it changed the folder.
    """
    folder = folder or current().migrations
    title = printable(one_line(message)).rstrip(".")
    # Without accents: "Größe" becomes "grosse".
    plain = "".join(each for each in unicodedata.normalize("NFKD", title.casefold()) if not unicodedata.combining(each))
    if foreign := [each for each in plain if each.isalnum() and not each.isascii()]:
        raise UsageError(f'a name of a file cannot contain "{foreign[0]}".', f"write the message in English: {EXAMPLE}")
    words = re.findall(r"[a-z0-9]+", plain)
    if not words:
        raise UsageError(
            "the message has no letters or digits.", f"describe the change, and begin with a verb: {EXAMPLE}"
        )
    numbered = "_".join(words)
    if len(numbered) > MAX_NAME:
        raise UsageError(f"the message is longer than {MAX_NAME} characters.", f"for example: {EXAMPLE}")
    reject_unfinished(folder)
    before = sorted(path for path in folder.glob(NAMED) if not path.name.endswith(".rollback.sql"))
    number = max((int(path.name[:4]) for path in before), default=0) + 1
    name = f"{number:04}_{numbered}"
    main = next((path.stem for path in reversed(before) if directives(path).get("phase", "expand") == "expand"), None)
    depends = f"-- depends: {main}\n" if main else ""
    path = folder / f"{name}.sql"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(MIGRATION.format(title=title, depends=depends))
        with path.with_suffix(".rollback.sql").open("x", encoding="utf-8") as file:
            file.write(ROLLBACK.format(name=name))
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be written: {error.strerror}.") from error
    return path
