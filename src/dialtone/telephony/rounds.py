"""What a process does every so often, and at once where it is told to."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Rounds:
    """`start` and `stop` it; one round at a time."""

    def __init__(self, work: Callable[[], Awaitable[None]], seconds: float, trouble: str) -> None:
        """`trouble`: logged where a round fails; the next comes all the same."""
        self._work = work
        self._seconds = seconds
        self._trouble = trouble
        self._wake = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Begin the next round now."""
        self._wake.set()

    def start(self) -> None:
        self._working = asyncio.get_running_loop().create_task(self._go_round())

    async def stop(self) -> bool:
        """Was it working?"""
        working, self._working = self._working, None
        if working is None:
            return False
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return True

    async def _go_round(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._work()
            except Exception:
                logger.exception(self._trouble)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._wake.wait()
