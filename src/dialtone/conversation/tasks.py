"""The tasks that one call owns, and the closing of its parts."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""Tasks that do not end, vendors and files that do not close within this time are left behind."""


class Tasks:
    """A task that fails is logged, and told to `on_failure`."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_failure: Callable[[BaseException], None] | None = None

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self) -> None:
        """Cancel all that is left."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def close(self, parts: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Run what closes parts of the call, together. Never raises."""
        await asyncio.gather(*(self._bounded(closing) for closing in parts))

    async def _bounded(self, closing: Coroutine[Any, Any, object]) -> None:
        try:
            await asyncio.wait_for(closing, CLOSE_SECONDS)
        except Exception:
            logger.exception("call %s: could not be closed in order", self._call_id)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("call %s: a task failed", self._call_id, exc_info=failure)
            if self.on_failure is not None:
                self.on_failure(failure)
