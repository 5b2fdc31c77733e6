"""The `yoyo` command: yoyo's own main(), and a message for each error that yoyo shows as a traceback."""

import configparser

from yoyo.connections import BadConnectionURI
from yoyo.scripts import main as yoyo

from app.errors import UsageError
from app.migrations.yoyo_errors import ending_with_errors
from app.project import INI
from app.streams import guard_streams
from app.text import one_line


def main() -> int:
    """Run the command of sys.argv and return its exit code."""
    guard_streams()
    with ending_with_errors():
        try:
            return int(yoyo.main() or 0)
        except configparser.Error as error:
            raise UsageError(f"{INI} cannot be read: {one_line(str(error))}.") from error
        except BadConnectionURI as error:
            raise UsageError(f"--database: {error}.", "remove the option: the settings have the URL") from error
        except EOFError as error:
            raise UsageError(
                "yoyo asks for a password, and there is no terminal.", "remove -p: the settings have it"
            ) from error
