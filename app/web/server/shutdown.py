"""Graceful shutdown: after SIGTERM, serve on for SHUTDOWN_DELAY while /readyz answers 503, then let uvicorn stop."""

import asyncio
import os
import signal

from uvicorn import Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.observability.logs import logger


def on_sigterm(delay: float) -> asyncio.Event:
    """Return an event that SIGTERM sets. From then on /readyz answers 503.

    Other paths are served as before, but each answer has `Connection: close`, so that a proxy uses another instance.
    After `delay` seconds, or at a second SIGTERM, uvicorn stops. The exit status is 0. uvicorn's own handler would not
    accept connections after the signal, and would raise the signal again at the end.

    If uvicorn does not run this process, the event is never set.
    """
    draining = asyncio.Event()
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if not isinstance(server, Server):
        return draining
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not server.should_exit and server.config.fd is not None and server.config.workers == 1:
            os.close(server.config.fd)  # uvicorn closes only its copy, and clients would wait on this one
        server.should_exit = True

    def begin() -> None:
        if draining.is_set():
            stop()
            return
        draining.set()
        logger.info("SIGTERM: /readyz now answers 503, the service stops in %g s", delay)
        for connection in server.server_state.connections:
            if isinstance(connection, HttpToolsProtocol) and connection.cycle is not None:
                connection.cycle.keep_alive = False
        loop.call_later(delay, stop)

    loop.add_signal_handler(signal.SIGTERM, begin)
    return draining
