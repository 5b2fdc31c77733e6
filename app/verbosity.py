"""Verbosity of a command: --quiet and --verbose hold for the whole process."""


class Verbosity:
    """Verbosity: the default is neither quiet nor verbose."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the default, for another command in the same process."""
        self.is_quiet = False  # print only data and errors
        self.is_verbose = False  # print tracebacks


verbosity = Verbosity()
