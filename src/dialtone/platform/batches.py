"""Questions to the database that are asked together, one statement at a time.

However many requests ask at once, the database is asked by one connection of this process, and nobody waits for more
than the statement under way and the next.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.exc import TimeoutError as DatabaseTimeoutError

MAX_BATCH = 500
ANSWER_SECONDS = 5.0
"""A database that takes longer counts as lost."""

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batches(Generic[Question, Answer]):
    """Collects questions while the ones before them are being answered."""

    def __init__(
        self, answer_all: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], most: int = MAX_BATCH
    ) -> None:
        """`answer_all` gives one answer per question, in their order; it is asked at most `most` at once."""
        self._answer_all = answer_all
        self._most = most
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """Raises what `answer_all` raises, and `sqlalchemy.exc.TimeoutError` for a database that does not answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answer))
        if self._working is None:
            self._working = loop.create_task(self._work())
        return await answer

    async def close(self) -> None:
        """Whoever still waits is cancelled."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)

    async def _work(self) -> None:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
                await self._answer(batch)
        finally:
            self._working = None
            for _, future in (*batch, *self._waiting):
                future.cancel()  # those that have their answer do not mind
            self._waiting.clear()

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answers = await self._answer_all([question for question, _ in batch])
        except Exception as problem:
            lost = DatabaseTimeoutError(f"no answer within {ANSWER_SECONDS:g} s")
            for _, future in batch:
                if not future.done():
                    future.set_exception(lost if isinstance(problem, TimeoutError) else problem)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
