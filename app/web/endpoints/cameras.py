"""Cameras: the models of cameras that took the images (GET /v1/cameras)."""

from starlette.requests import Request
from starlette.responses import Response

from app.catalogue.cameras import CameraQuery, Cameras
from app.database import queries
from app.web.operations import JSON, Answer, Tag, operation
from app.web.parameters import parameters
from app.web.state import State


@operation(
    "GET",
    "/v1/cameras",
    "listCameras",
    tag=Tag.FIGURES,
    scope="read",
    summary="List cameras",
    description="Returns the models of the cameras, in the order of the Unicode code points in lower case. Models that "
    "differ only in case count as one. To list the images of one, send it as `camera` to `GET /v1/images`.",
    query=CameraQuery,
    answers=(Answer(200, "The models.", {JSON: Cameras}),),
)
async def list_cameras(request: Request[State]) -> Response:
    query = parameters(request, CameraQuery)
    rows = await queries.list_cameras(request.state["reads"], query.after.lower(), query.limit + 1)
    names = [row["camera"] for row in rows]
    following = names[query.limit - 1] if len(names) > query.limit else None
    return Response(Cameras(cameras=names[: query.limit], next=following).model_dump_json(), media_type=JSON)
