"""GET /metrics: what all workers have counted, and what the database tells when it is asked."""

from anyio import to_thread
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from app.observability.multiprocess import all_workers


async def page(request: Request) -> Response:
    """Public: without a database no token could be looked up, and just then it is needed."""
    found = await request.state["look"].look()
    request.state["metrics"].publish()
    encode, media_type = choose_encoder(request.headers.get("accept", ""))

    def work() -> bytes:
        collected = all_workers()
        collected.register(found)
        return encode(collected)

    return Response(await to_thread.run_sync(work), headers={"Content-Type": media_type})
