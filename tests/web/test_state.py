"""Typed state: mypy finds a misspelt key of `request.state`."""

import pytest
from starlette.requests import Request

from app.web.state import State


def test_mypy_finds_a_misspelt_key() -> None:
    request: Request[State] = Request({"type": "http"})

    # `make check` fails here if mypy accepts the key: its strict mode reports an unused `type: ignore`.
    with pytest.raises(KeyError):
        request.state["setings"]  # type: ignore[typeddict-item]
