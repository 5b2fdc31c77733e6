"""What `yoyo new --sql -m "Index images title"` runs on the file it made: the project's name, header and twin.

yoyo names a file by date and chance; here it becomes NNNN_verb_object.sql, beside NNNN_verb_object.rollback.sql.
"""

import re
import sys
from pathlib import Path

from app.errors import fail

HEADER = """\
-- {message}.
--
-- What:
-- Why:
-- Locks:
-- Cost:
{depends}

"""

ROLLBACK = """\
-- Undoes {name}.
--
-- loses:
-- Locks:
-- Cost:

"""


def main() -> None:
    made = Path(sys.argv[1])
    if made.suffix != ".sql":
        made.unlink()
        fail('yoyo new: migrations are plain SQL: yoyo new --sql -m "Index images title"')
    lines = made.read_text(encoding="utf-8").splitlines()
    message = lines[0].removeprefix("--").strip()
    words = re.findall(r"[a-z0-9]+", message.lower())
    if not words:
        made.unlink()
        fail('yoyo new: say what it does, verb first: yoyo new --sql -m "Index images title"')
    others = [path.name for path in made.parent.glob("[0-9][0-9][0-9][0-9]_*.sql")]
    number = max((int(name[:4]) for name in others), default=0) + 1
    name = f"{number:04}_{'_'.join(words)}"
    rollback = made.with_name(f"{name}.rollback.sql")
    made.write_text(HEADER.format(message=message, depends=lines[1].strip()), encoding="utf-8")
    made.rename(made.with_name(f"{name}.sql"))
    rollback.write_text(ROLLBACK.format(name=name), encoding="utf-8")
    print(f"Named it {made.with_name(f'{name}.sql')}, and made its twin {rollback}")


if __name__ == "__main__":
    main()
