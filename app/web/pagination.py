"""Pagination: a page of a list as JSON, and the Link header to the next page (RFC 8288)."""

import json
from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from app.web.operations import JSON
from app.web.state import State


def page(
    request: Request[State], path: str, name: str, items: Sequence[str], cursor: str | None, more: str = ""
) -> Response:
    """Return a page. Each item is JSON. The link repeats the parameters of the request with the next cursor.

    `more` has further fields as JSON, each after a comma.
    """
    headers = {}
    if cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        url = f"{request.scope.get('root_path', '')}{path}?{urlencode([*kept, ('cursor', cursor)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    body = f'{{"{name}":[{",".join(items)}],"next":{json.dumps(cursor)}{more}}}'
    return Response(body, headers=headers, media_type=JSON)
