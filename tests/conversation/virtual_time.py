"""An event loop whose clock jumps: eight seconds of silence take no seconds.

It stands still while a thread works for the loop, as threads take real time: a deadline of seconds would pass in the
moment before the thread is run.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector:
    def __init__(self, loop: "VirtualTimeLoop") -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        events = self._selector.select(0)
        while not events and timeout != 0 and self._loop.is_waited_for():
            events = self._selector.select(0.01)
        if not events and timeout:
            self._loop.now += timeout
        elif not events and timeout is None:
            return self._selector.select(None)
        return events

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0
        self._in_threads = 0
        self._waits: list[Callable[[], bool]] = []
        super().__init__(_JumpingSelector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self.now

    def stand_still_while(self, is_waited_for: Callable[[], bool]) -> None:
        """For a thread that is not the loop's own; what `asyncio.to_thread` runs is known here."""
        self._waits.append(is_waited_for)

    def is_waited_for(self) -> bool:
        return self._in_threads > 0 or any(waits() for waits in self._waits)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: object) -> None:
        self._in_threads -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
