"""app/lint/functions.json compared with the functions and the settings of the server."""

import json

import psycopg

from app.lint.functions import FILE
from tests.conftest import VERSION
from tests.support.functions import VERSIONS, fixed_settings_of, functions_of, settings_of

FIXED, NEWER = "fixed settings", "newer settings"


def test_the_file_has_each_function_of_the_server_with_its_volatility(admin: psycopg.Connection) -> None:
    stored = {kind: set(names) for kind, names in json.loads(FILE.read_text()).items()}

    for name, volatilities in functions_of(admin).items():
        kinds = {kind for kind, names in stored.items() if name in names} - {"newer", FIXED, NEWER}
        if "v" in volatilities:
            assert kinds == {"volatile"}, name
        elif volatilities == {"i"}:
            assert kinds <= {"immutable", "mixed"}, name
            assert kinds, name
        else:
            assert kinds <= {"stable", "mixed", "volatile"}, name
            assert kinds, name
        assert min(VERSIONS) < VERSION or name not in stored["newer"], name


def test_the_file_has_each_setting_that_no_session_can_change(admin: psycopg.Connection) -> None:
    stored = {*json.loads(FILE.read_text())[FIXED]}

    fixed = fixed_settings_of(admin)
    others = {name for (name,) in admin.execute("SELECT name FROM pg_settings")} - fixed

    assert fixed <= stored
    assert not others & stored


def test_the_file_has_the_settings_that_the_oldest_server_lacks(admin: psycopg.Connection) -> None:
    stored = {*json.loads(FILE.read_text())[NEWER]}
    settings = settings_of(admin)

    assert not stored & settings or min(VERSIONS) < VERSION
    assert {"transaction_timeout", "vacuum_buffer_usage_limit"} <= stored
    assert "work_mem" not in stored
