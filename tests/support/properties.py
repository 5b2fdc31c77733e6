"""Property-based tests with hypothesis: the same examples on each run, unless RANDOM=1 asks for others."""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["given", "settings", "st"]

settings.register_profile(
    "images",
    database=None,
    deadline=None,  # milliseconds of one example: a machine under load takes any
    derandomize="RANDOM" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("images")
