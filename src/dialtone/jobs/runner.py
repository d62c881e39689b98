"""Runs the jobs of one process.

One task does all that the database is asked for: in one transaction at a time it writes down the attempts that ended
and takes the next jobs. Under load many go into each; a lone job is begun as soon as it is committed. A job keeps its
place among those `at_once` until its end is written, so that a database that is gone stops the work, not the process.
"""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.jobs.attempts import Kind, attempt
from dialtone.jobs.schedule import Schedule
from dialtone.jobs.store import Ended, JobStore, Taken
from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

MAX_BATCH = 100
"""Jobs of a kind that are taken, and attempts whose end is written, in one transaction."""
TURN_SECONDS = 30.0
"""A database that takes longer for one transaction counts as lost."""
FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 5.0
CANCEL_SECONDS = 5.0
"""How long a cancelled attempt may take to see to it."""
FLUSH_SECONDS = 10.0
"""How long a stopping process waits for the database to take the last ends."""


class Runner:
    def __init__(
        self,
        database: Database,
        store: JobStore,
        kinds: Mapping[str, Kind],
        schedules: Mapping[str, Schedule],
        clock: Callable[[], datetime],
        poll_seconds: float,
    ) -> None:
        """`poll_seconds`: how often to look for work unasked, where other processes may have announced it in vain."""
        self._database = database
        self._store = store
        self._kinds = kinds
        self._schedules = schedules
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._awake = asyncio.Event()
        self._look_at: dict[str, datetime] = {}
        """When to look for jobs of a kind."""
        self._active: Counter[str] = Counter()
        """By kind: attempts under way, or ended and not written down yet."""
        self._known: set[str] = set()
        """The ids of the same."""
        self._attempts: set[asyncio.Task[Ended]] = set()
        self._ended: list[Ended] = []
        self._uncertain = False
        """Whether the last transaction failed: then it may have been kept, and may have taken jobs unnoticed."""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.wake(None)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self, kind: str | None) -> None:
        """Look for jobs of a kind now; None: of every kind."""
        for each in self._kinds if kind is None else {kind} & self._kinds.keys():
            self._look_at[each] = self._clock()
        self._awake.set()

    async def stop(self, seconds: float) -> None:
        """Take nothing more, give what runs `seconds` to end, and write all of it down."""
        self._stopping = True
        self._awake.set()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=seconds)
        for task in self._attempts:
            task.cancel()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=CANCEL_SECONDS)
        if self._attempts:
            logger.error("%d jobs can't be stopped; they are run again later", len(self._attempts))
            self._attempts.clear()
        if self._task is not None:
            self._awake.set()
            await asyncio.wait({self._task}, timeout=FLUSH_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # The one task

    async def _run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while not (self._stopping and not self._attempts and not self._ended):
            await self._sleep()
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._turn()
                delay = FIRST_RETRY_SECONDS
            except Exception as problem:
                # Also where another process began a job of the same order, or deferred one of the same key, in this
                # very moment: the next look finds that.
                self._uncertain = True
                logger.warning("jobs wait for the database (%s); trying again", type(problem).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, LAST_RETRY_SECONDS)

    async def _sleep(self) -> None:
        """Until there is something to do."""
        seconds = min(self._seconds_until_due(), self._poll_seconds)
        if seconds > 0 and not self._ended:
            try:
                async with asyncio.timeout(seconds):
                    await self._awake.wait()
            except TimeoutError:
                if seconds == self._poll_seconds:
                    self.wake(None)
        self._awake.clear()

    def _seconds_until_due(self) -> float:
        free = (at for kind, at in self._look_at.items() if self._free(kind) > 0)
        soonest = None if self._stopping else min(free, default=None)
        return math.inf if soonest is None else (soonest - self._clock()).total_seconds()

    def _free(self, kind: str) -> int:
        return self._kinds[kind].at_once - self._active[kind]

    async def _turn(self) -> None:
        """Write down what ended, take what is due."""
        moment = self._clock()
        ended = self._ended[:MAX_BATCH]
        ending = Counter(each.taken.job.kind for each in ended)
        looks = {} if self._stopping else {kind: at for kind, at in self._look_at.items() if at <= moment}
        places = {kind: min(self._free(kind) + ending[kind], MAX_BATCH) for kind in self._kinds}
        due = {kind for kind in looks if places[kind] > 0}
        if not ended and not due:
            return
        for kind in due:
            del self._look_at[kind]  # whoever defers one from now on wants another look
        try:
            async with self._database.write() as session:
                taken, look_at = await self._exchange(session, ended, due, places, moment)
        except BaseException:
            for kind in due:
                self._look(kind, looks[kind])
            raise
        self._uncertain = False
        del self._ended[: len(ended)]
        self._active.subtract(ending)
        self._known.difference_update(each.taken.job.id for each in ended)
        for kind, at in look_at:
            self._look(kind, at)
        for each in taken:
            self._begin(each)

    async def _exchange(
        self, session: AsyncSession, ended: list[Ended], due: set[str], places: Mapping[str, int], moment: datetime
    ) -> tuple[list[Taken], list[tuple[str, datetime]]]:
        """The jobs taken, and when to look again for jobs of which kinds."""
        released: set[str] = set()
        look_at: list[tuple[str, datetime]] = []
        if self._uncertain:
            released |= await self._store.put_back(session, self._known, moment)
        if ended:
            released |= await self._store.end(session, ended, moment)
            look_at = [(each.taken.job.kind, each.again_at) for each in ended if each.again_at is not None]
            look_at += await self._repeat(session, ended, moment)
        if not self._stopping:
            due = due | {kind for kind in released if places.get(kind, 0) > 0}
        look_at += [(kind, moment) for kind in released - due]
        taken: list[Taken] = []
        for kind in due:
            claim = await self._store.claim(session, kind, places[kind], moment)
            taken += claim.taken
            if claim.look_again_at is not None:
                look_at.append((kind, claim.look_again_at))
        return taken, look_at

    async def _repeat(self, session: AsyncSession, ended: list[Ended], moment: datetime) -> list[tuple[str, datetime]]:
        """Defer the next of what repeats itself."""
        final = {each.taken.job.kind for each in ended if each.again_at is None} & self._schedules.keys()
        following = [(kind, self._schedules[kind].after(moment)) for kind in final]
        for kind, at in following:
            await self._store.add_repeated(session, kind, at)
        return following

    def _look(self, kind: str, at: datetime) -> None:
        if kind in self._kinds:
            self._look_at[kind] = min(at, self._look_at.get(kind, at))

    # Attempts

    def _begin(self, taken: Taken) -> None:
        kind = taken.job.kind
        self._active[kind] += 1
        self._known.add(taken.job.id)
        if self._stopping:  # taken in the moment of the stop, which waits for nothing that begins after it
            self._ended.append(Ended(taken, "the server was stopped", self._clock(), counted=False))
            return
        running = attempt(self._kinds[kind], taken, self._clock, lambda: self._stopping)
        task = asyncio.get_running_loop().create_task(running)
        self._attempts.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[Ended]) -> None:
        self._attempts.discard(task)
        self._ended.append(task.result())
        self._awake.set()
