"""The records of calls that come in: those of calls that come together are written together."""

from collections.abc import Sequence

from dialtone.calls.writer import Entry, Work, write
from dialtone.platform.batches import Batches
from dialtone.platform.db import Database

AT_ONCE = 20


class InboundRecords:
    """Unlike what happens in calls later, a call waits for its record: it is not answered without one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches: Batches[Entry, Exception | None] = Batches(self._write_all, AT_ONCE)

    async def write(self, call_id: str, *work: Work) -> None:
        """Returns when it is done, all of it, or raises and nothing is. Also raises what `Batches.ask` does."""
        problem = await self._batches.ask(Entry(call_id, work))
        if problem is not None:
            raise problem

    async def close(self) -> None:
        await self._batches.close()

    async def _write_all(self, calls: Sequence[Entry]) -> list[Exception | None]:
        """What was wrong with each. Where something is, the others are written without it."""
        problem = await self._written(calls)
        if problem is None or len(calls) == 1:
            return [problem] * len(calls)
        return [await self._written([call]) for call in calls]

    async def _written(self, calls: Sequence[Entry]) -> Exception | None:
        try:
            async with self._database.write() as session:
                await write(session, calls)
        except Exception as problem:
            return problem
        return None
