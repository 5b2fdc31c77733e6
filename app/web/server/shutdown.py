"""The end of a process that is told to stop, where uvicorn alone would take no connection from that moment on."""

import asyncio
import signal

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.observability.logs import logger


def on_sigterm(delay: float) -> asyncio.Event:
    """Set once SIGTERM has come: /readyz is not ready any more, and everything else is served as before, each answer
    with `Connection: close`, so that a proxy goes elsewhere. After `delay` seconds, or at a second SIGTERM, uvicorn
    stops as it always does; the exit status is 0, where its own handler would raise the signal again at the end.

    Never set where uvicorn does not run this process.
    """
    draining = asyncio.Event()
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, Server):
        return draining
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    def begin() -> None:
        if draining.is_set():
            stop()
            return
        draining.set()
        logger.info("SIGTERM: not ready any more; stops in %g s", delay)
        for connection in server.server_state.connections:
            if isinstance(connection, HttpToolsProtocol) and connection.cycle is not None:
                connection.cycle.keep_alive = False
        loop.call_later(delay, stop)

    loop.add_signal_handler(signal.SIGTERM, begin)
    return draining
