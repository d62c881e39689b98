"""Which process looks after which trunks, where several share a database.

Each trunk that is to be looked after has a row in a table of such leases. The process that holds it renews it, and
another takes over what was not renewed for a while.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.db import Database, UtcDateTime, now
from dialtone.trunks.uses import trunks


class Leases:
    """Over `table`, which has `trunk_id`, `node` and `renewed_at`. What else is in its rows is their owner's."""

    def __init__(self, database: Database, table: Table, lost_seconds: float) -> None:
        """`lost_seconds`: not renewed for so long, a lease is another process's to take."""
        self._database = database
        self._table = table
        self._lost_seconds = lost_seconds

    def clock(self, before: float = 0.0) -> ColumnElement[Any]:
        """So many seconds before now by the database's clock, where several machines use it."""
        past = timedelta(seconds=before)
        return literal(now() - past, UtcDateTime()) if self._database.is_sqlite else func.now() - past

    async def drop(self, session: AsyncSession, wanted: ColumnElement[bool]) -> None:
        """Trunks that are not `wanted` (a condition over their rows) any more have no lease."""
        still = select(trunks.c.id).where(wanted)
        await session.execute(delete(self._table).where(self._table.c.trunk_id.not_in(still)))

    async def take(self, session: AsyncSession, node: str) -> None:
        """This process holds what it held before, and what nobody does."""
        lease = self._table.c
        renewed = {"node": node, "renewed_at": self.clock()}
        await session.execute(update(self._table).where(lease.node == node).values(renewed))
        lost = lease.renewed_at < self.clock(self._lost_seconds)
        free = select(lease.trunk_id).where(or_(lease.node.is_(None), lost)).with_for_update(skip_locked=True)
        await session.execute(update(self._table).where(lease.trunk_id.in_(free)).values(renewed))
