"""Runs the server in this process: HTTP and the calls' WebSockets on one port, until SIGTERM or Ctrl-C."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from dialtone.platform import open_files
from dialtone.platform.data_directory import in_sole_use
from dialtone.platform.http_protocol import HttpProtocol
from dialtone.platform.listening import listen
from dialtone.server import Parts, create_app
from dialtone.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

IDLE_SECONDS = 75
"""Longer than clients and proxies keep an idle connection (nginx: 60 s): whoever closes first must be the one who sends
the next request, or that request meets a closed door.
"""
GC_THRESHOLDS = (10_000, 10, 10)
"""Calls make little cyclic garbage but many short-lived objects: young collections at Python's default of 700 objects
cost several per cent of a busy core."""


def serve(settings: Settings, *, drain_seconds: float) -> int:
    """Serve until told to stop; live calls may then go on for `drain_seconds`. Returns the exit code.

    Raises `ValueError` for settings that can't work, `OSError` where the data directory can't be written, another
    server uses it, the database can't be reached or an address can't be listened on, `SchemaError` and
    `SecretKeyError` where the database is not one to work with.
    """
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    open_files.allow_many()
    if sys.platform == "win32":
        return asyncio.run(_serve(settings, drain_seconds))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, drain_seconds))


async def _serve(settings: Settings, drain_seconds: float) -> int:
    with in_sole_use(settings.data_dir):
        server = Server(create_app(settings), settings, drain_seconds)
        await server.serve()
    return 0 if server.started else 1


def _show_key(key: str) -> None:
    print(f"API key (shown only now): {key}", flush=True)  # noqa: T201


class Server(uvicorn.Server):
    """uvicorn with our way to start and to stop."""

    def __init__(self, app: FastAPI, settings: Settings, drain_seconds: float = 0.0) -> None:
        self._parts: Parts = app.state.parts
        self._app = app
        self._running = contextlib.AsyncExitStack()
        self._drain_seconds = drain_seconds
        self._address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                ws=self._parts.calls.door.protocol,
                http=HttpProtocol,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=5,
            )
        )

    async def ready(self) -> str:
        """Wait until the server takes requests. Returns where clients on this machine reach it, e.g.
        `http://127.0.0.1:8080`.
        """
        return await asyncio.shield(self._address)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises what keeps the app from starting. uvicorn's own way to start an app would log it as a trace."""
        async with self._running:
            await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._running.enter_async_context(self._app.router.lifespan_context(self._app))
        if sockets is None:
            sockets = await listen(self.config.host, self.config.port, self.config.backlog)
        await super().startup(sockets)
        if not self.started:
            return
        # What was made until now lives as long as the process: the collector need not walk it during calls.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        self._parts.watchdog.start()
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._address.set_result(address)
        print(f"Dialtone listens on {address}", flush=True)  # noqa: T201
        # Only now that nothing is left that could fail, so that a start which fails leaves no key behind.
        await self._parts.organizations.ensure_key(_show_key)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and Ctrl-C stop the server in order; a second one ends the calls that may still go on.

        uvicorn would raise the signal again at the end, so that an orderly stop looked like a violent one.
        """
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            with super().capture_signals():
                yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._told_to_stop, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _told_to_stop(self, number: int) -> None:
        if self.should_exit:
            self._parts.calls.hurry()
        self.handle_exit(number, None)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the calls before the port closes, so that their last words still reach the clients."""
        await self._parts.telephony.drain()
        await self._parts.carriers.drain()
        await self._parts.calls.stop(self._drain_seconds)
        await super().shutdown(sockets)
        await self._running.aclose()
