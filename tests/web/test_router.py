"""Router: the dictionary of routes finds what Starlette's regular expressions find."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match, Route
from starlette.types import Scope

from app.main import create_app
from app.settings import Settings
from app.web.routing import PathRouter

ID = "3f44606a-61ca-96a3-4824-827ec9a98d8a"
PARTS = ["v1", "images", "import", "content", "thumbnail", "problems", "busy", "{id:uuid}", "{kind:str}", "healthz", ""]
IDS = [ID, ID.upper(), ID.replace("-", ""), ID[:-1], ID + "0", f"x{ID}", f"{ID}\n", f"{ID}x", ID.replace("-", "", 1)]


@pytest.fixture(scope="module")
def router() -> PathRouter:
    app = create_app(Settings(database_url="postgresql://localhost/images", storage_url="memory:", auth="token"))
    assert isinstance(app.router, PathRouter)
    return app.router


@given(parts=st.lists(st.sampled_from([*PARTS, *IDS]), max_size=5))
def test_a_path_has_the_route_that_starlette_finds(router: PathRouter, parts: list[str]) -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/" + "/".join(parts), "root_path": ""}
    found = router._find(scope)
    first = next(
        (route for route in router.routes if isinstance(route, Route) and route.matches(dict(scope))[0] is Match.FULL),
        None,
    )
    if found is None:
        assert first is None or "{kind:str}" in first.path
    else:
        assert found is first
        assert scope.get("path_params", {}) == ({"id": UUID(ID)} if "{" in found.path else {})


def test_below_a_root_path_starlette_decides(router: PathRouter) -> None:
    assert router._find({"type": "http", "path": "/v1/images", "root_path": "/catalogue"}) is None
