"""Progress reporter of long commands: a bar on a terminal, a line every 10 seconds elsewhere, nothing with --quiet.

Everything goes to stderr, so that stdout has only data.
"""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TextIO

from app.verbosity import verbosity

if TYPE_CHECKING:
    from tqdm import tqdm  # at run time only on a terminal: the import takes 30 ms

LINE_INTERVAL = 10.0  # seconds between two lines if stderr is not a terminal


class Progress:
    """Progress of one piece of work.

    The `unit` is a plural noun, such as "files". The `total` is the expected number, if it is known. The `summary`
    returns the text of a line. `is_bar_hidden` is for work whose data goes to the same terminal. `is_line_hidden`
    is for work that prints its own lines. `is_scaled` writes 1.5M for 1,500,000.
    """

    def __init__(
        self,
        unit: str,
        total: int | None = None,
        *,
        summary: Callable[[], str] | None = None,
        is_bar_hidden: bool = False,
        is_line_hidden: bool = False,
        is_scaled: bool = False,
    ) -> None:
        self.unit = unit
        self.count = 0
        self._total = total
        self._is_line_hidden = is_line_hidden
        self._summary = summary or self._counted
        is_bar_shown = not verbosity.is_quiet and not is_bar_hidden and sys.stderr.isatty()
        self._bar: tqdm[NoReturn] | None = None
        if is_bar_shown:
            import tqdm as tqdm_package

            self._bar = tqdm_package.tqdm(total=total, unit=f" {unit}", unit_scale=is_scaled, leave=False)
        self._last_line = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def has_bar(self) -> bool:
        """Return whether a bar is shown."""
        return self._bar is not None

    def expect(self, total: int | None) -> None:
        """Set how many there will be, or None if that is not known."""
        self._total = total
        if self._bar is not None:
            self._bar.total = total

    def advance(self, number: int = 1, label: str | None = None) -> None:
        """Count `number` more. `label` says beside the bar what the work is at."""
        self.count += number
        if self._bar is not None:
            if label is not None:
                self._bar.set_description(label, refresh=False)
            self._bar.update(number)
        is_line_due = not (self.has_bar or self._is_line_hidden) and monotonic() - self._last_line >= LINE_INTERVAL
        if is_line_due and not verbosity.is_quiet:
            self._last_line = monotonic()
            self.message(f"{self._summary()} so far")

    def message(self, text: str, file: TextIO | None = None) -> None:
        """Print a line to stderr, or to `file`, without breaking the bar."""
        with self.beside(file or sys.stderr):
            print(text, file=file or sys.stderr, flush=True)

    def beside(self, file: TextIO) -> AbstractContextManager[None]:
        """Return a context in which another part of the program may write to `file` without breaking the bar."""
        if "tqdm" not in sys.modules:  # no bar is shown, nor that of other work
            return nullcontext()
        import tqdm as tqdm_package

        return tqdm_package.tqdm.external_write_mode(file=file)

    def _counted(self) -> str:
        total = f" of {self._total:,}" if self._total else ""
        return f"{self.count:,}{total} {self.unit}"
