"""A page of a list, as JSON, and the link to the next one."""

import json
from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response


def page(request: Request, path: str, name: str, items: Sequence[str], cursor: str | None) -> Response:
    """The items, each as JSON, under their name; the link has the parameters of the request, and the cursor."""
    headers = {}
    if cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        url = f"{request.scope.get('root_path', '')}{path}?{urlencode([*kept, ('cursor', cursor)])}"
        headers["Link"] = f'<{url}>; rel="next"'
    body = f'{{"{name}":[{",".join(items)}],"next":{json.dumps(cursor)}}}'
    return Response(body, headers=headers, media_type="application/json")
