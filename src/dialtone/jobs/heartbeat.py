"""The processes of a deployment watch over each other: what one of them was running when it died is run by another."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import true

from dialtone.jobs.attempts import Kind, failed
from dialtone.jobs.store import Ended, JobStore, Taken
from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
"""A database that takes longer counts as lost; the next beat takes another connection."""
LOST_SECONDS = 20.0
"""A process not seen for so long counts as dead, so that its jobs run again within half a minute. One that only lost
the database for a while finishes its attempts beside the new ones.
"""


class Heartbeat:
    def __init__(
        self, database: Database, store: JobStore, kinds: Mapping[str, Kind], clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._store = store
        self._kinds = kinds
        self._clock = clock

    async def start_alone(self) -> None:
        """Without other processes: whatever is said to run was left by this one's predecessor."""
        async with self._database.write() as session:
            taken = await self._store.take_over(session, true())
            await self._store.end(session, [self._verdict(each) for each in taken], self._clock())

    async def beat(self) -> bool:
        """Was there something to take over?"""
        async with asyncio.timeout(ANSWER_SECONDS), self._database.write() as session:
            taken = await self._store.take_over_lost(session, LOST_SECONDS)
            if taken:
                await self._store.end(session, [self._verdict(each) for each in taken], self._clock())
                await self._store.announce(session)
        return bool(taken)

    async def keep_beating(self, wake: Callable[[str | None], None]) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                if await self.beat():
                    wake(None)
            except Exception as problem:
                logger.warning("the database can't be told that this process lives (%s)", type(problem).__name__)

    async def leave(self) -> None:
        async with asyncio.timeout(ANSWER_SECONDS), self._database.write() as session:
            await self._store.leave(session)
            await self._store.announce(session)

    def _verdict(self, taken: Taken) -> Ended:
        """A job that has used up its attempts may be what kills processes."""
        kind = self._kinds.get(taken.job.kind)
        reason = "its process ended in the middle of it"
        if kind is not None and taken.job.attempt >= kind.attempts:
            return failed(taken, reason)
        logger.warning("job %s (%s) is run again: %s", taken.job.id, taken.job.kind, reason)
        return Ended(taken, reason, self._clock())
