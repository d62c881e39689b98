"""Nodes that share a PostgreSQL watch over each other: the calls of one that died are ended by another.

A call can't go on without its process, but its record and its report must not wait for a machine that may never come
back. One that does come back ends its own calls at its start.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from dialtone.calls.service import left_open
from dialtone.calls.tables import CallNode
from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
"""A database that takes longer counts as lost; the next beat takes another connection."""
LOST_SECONDS = 20.0
"""A node not seen for so long counts as dead. One that only lost the database keeps its calls, whose records are then
over before they are: what they tell afterwards is left out.
"""
KEEP_SECONDS = 24 * 3600.0
"""A node that has been dead for this long holds no calls any more, and is forgotten."""


class Presence:
    """`start` it once this node takes calls."""

    def __init__(self, database: Database, node: str, end_calls_of: Callable[[str], Awaitable[None]]) -> None:
        self._database = database
        self._node = node
        self._end_calls_of = end_calls_of
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._show()
        self._beating = asyncio.create_task(self._keep_beating())

    async def stop(self) -> None:
        """Idempotent."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            self._beating = None

    async def beat(self) -> None:
        """Show that this node lives, and end the calls of those that are lost."""
        for node in await self._show():
            logger.warning("node %s is lost: its calls are ended", node)
            await self._end_calls_of(node)

    async def _show(self) -> list[str]:
        """The lost nodes that hold calls still. A node of an earlier version shows nothing, and is never lost."""
        async with asyncio.timeout(ANSWER_SECONDS), self._database.write() as session:
            seen = insert(CallNode).values(id=self._node, seen_at=func.now())
            await session.execute(seen.on_conflict_do_update(index_elements=["id"], set_={"seen_at": func.now()}))
            silent_since = func.now() - CallNode.seen_at
            await session.execute(delete(CallNode).where(silent_since > timedelta(seconds=KEEP_SECONDS)))
            lost = select(CallNode.id).where(silent_since > timedelta(seconds=LOST_SECONDS))
            return list(await session.scalars(lost.where(left_open(CallNode.id).exists())))

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.beat()
            except Exception as problem:
                logger.warning("other nodes can't be told that this one lives (%s)", type(problem).__name__)
