"""Wait for a condition: tests wait on conditions, never on clocks."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition is true. If it is not true within 30 s, fail."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true within 30 s"
        time.sleep(0.02)
