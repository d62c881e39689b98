"""Requests begin a few at a time, so that a burst of them does not hold up the calls on the same event loop."""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

BEGIN_AT_ONCE = 4
"""Requests that begin in one turn of the loop. Each takes about a quarter of a millisecond until it first waits."""


class Admission:
    """ASGI middleware: lets `BEGIN_AT_ONCE` requests begin in each turn of the event loop, in the order they came.

    A loop does in one turn whatever is ready. With many requests at the same moment that would be tens of milliseconds,
    and the frames of all calls late. How many requests are under way is not bounded, so that slow ones hold up nobody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._begun = 0
        """In this turn of the loop; 0 also while nobody asks."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._turn()
        await self._app(scope, receive, send)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        if not self._begun:
            loop.call_soon(self._next_turn, loop)
        if self._begun < BEGIN_AT_ONCE:
            self._begun += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = 0
        while self._waiting and self._begun < BEGIN_AT_ONCE:
            turn = self._waiting.popleft()
            if not turn.done():  # a client that left waits no more
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            loop.call_soon(self._next_turn, loop)
