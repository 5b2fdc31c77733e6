"""Position of the camera in answers: LOCATION decides which clients see it."""

from collections.abc import Sequence

from starlette.requests import Request

from app.catalogue.locations import has_location, without_location
from app.web.auth import confirm, has_scope
from app.web.problems import FieldError, ProblemError
from app.web.state import State


async def sees_locations(request: Request[State]) -> bool:
    """Return whether the client sees positions. Raises ProblemError 401 if its token has been revoked meanwhile."""
    match request.state["settings"].location:
        case "keep":
            return True
        case "admin":
            return await has_scope(request, "admin")
    return False


async def require_locations(request: Request[State]) -> None:
    """Return if the client may filter by position. Raises ProblemError 403 or 422."""
    if await sees_locations(request):
        return
    if request.state["settings"].location == "strip":
        fault = FieldError(parameter="bbox", detail="cannot be used: this service has no positions")
        raise ProblemError(422, "invalid-request", errors=[fault])
    await confirm(request, "admin")


async def shown(request: Request[State], images: Sequence[str]) -> list[str]:
    """Return images as JSON, as the client may see them."""
    if not any(map(has_location, images)) or await sees_locations(request):
        return list(images)
    return [without_location(image) for image in images]
