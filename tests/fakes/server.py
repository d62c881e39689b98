"""What the fake vendors share: an HTTP server on a free port, and waiting for what it has seen."""

import asyncio
from collections.abc import Callable
from typing import Self

from aiohttp import web


class FakeServer:
    """Base of the fakes. `self.seen()` is to be called whenever something was recorded."""

    def __init__(self) -> None:
        self.url = ""
        self.open_connections = 0
        """WebSocket connections or streamed replies that are open now."""
        self._runner: web.AppRunner | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def seen(self) -> None:
        """Wake everybody who waits in `wait_until`."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_until(self, predicate: Callable[[], bool], seconds: float = 5.0) -> None:
        """Raises `TimeoutError` where `predicate` stays false for `seconds`."""
        async with asyncio.timeout(seconds):
            while not predicate():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter


def drop(request: web.Request) -> None:
    """Cut the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
