"""Which process asks a trunk's server whether it is there, and whether it answers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, case, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dialtone.platform.db import Database, now
from dialtone.platform.tenancy import owned_by
from dialtone.trunks.addresses import split
from dialtone.trunks.leases import Leases
from dialtone.trunks.tables import Trunk, TrunkKeepAlive
from dialtone.trunks.uses import trunks

LOST_SECONDS = 60.0
"""Not renewed for so long, it is another process's to ask. Longer than for registrations: nobody misses a question."""
FORGOTTEN_SECONDS = 120.0
"""Not renewed for so long, nobody asks, and what is known is no longer true. Clocks differ a little."""
MAX_READ = 500
"""Trunks read in one go, so that many never hold up live calls."""

_keep_alives: Table = cast(Table, TrunkKeepAlive.__table__)


@dataclass(frozen=True, slots=True)
class AskedTrunk:
    """A trunk as whoever asks its server needs it."""

    id: str
    organization_id: str
    address: str
    transport: str
    answers: bool | None
    """What is known of this address; None before the first answer."""

    @property
    def server(self) -> tuple[str, int | None, str]:
        """Host, port and transport."""
        return (*split(self.address), self.transport)


def is_known_of_trunk() -> ColumnElement[bool]:
    """Joins to a trunk what is known of its server: of the address that it has now, and not long ago."""
    recent = now() - timedelta(seconds=FORGOTTEN_SECONDS)
    return and_(
        TrunkKeepAlive.trunk_id == Trunk.id,
        TrunkKeepAlive.address == Trunk.address,
        TrunkKeepAlive.transport == Trunk.transport,
        TrunkKeepAlive.renewed_at > recent,
        Trunk.keep_alive,
        Trunk.is_active,
    )


class KeepAlives:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases = Leases(database, _keep_alives, LOST_SECONDS)

    async def renew(self, node: str) -> list[AskedTrunk]:
        """The trunks whose servers this process asks, from now on for `LOST_SECONDS`."""
        wanted = and_(trunks.c.is_active, trunks.c.keep_alive)
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        missing = (
            select(trunks.c.id, trunks.c.organization_id, self._leases.clock())
            .where(wanted, trunks.c.id.not_in(select(_keep_alives.c.trunk_id)))
            .order_by(trunks.c.id)
        )
        added = insert(_keep_alives).from_select(["trunk_id", "organization_id", "renewed_at"], missing)
        async with self._database.write() as session:
            await self._leases.drop(session, wanted)
            await session.execute(added.on_conflict_do_nothing())
            await self._leases.take(session, node)
        found: list[AskedTrunk] = []
        while len(some := await self._read(node, found[-1].id if found else None)) == MAX_READ:
            found += some
        return found + some

    async def _read(self, node: str, after: str | None) -> list[AskedTrunk]:
        """The next of the process's trunks, by their ids."""
        asked, trunk = _keep_alives.c, trunks.c
        is_of_address = and_(asked.address == trunk.address, asked.transport == trunk.transport)
        answers = case((is_of_address, asked.answers))
        columns = trunk.id, trunk.organization_id, trunk.address, trunk.transport, answers
        some = select(*columns).join(_keep_alives, asked.trunk_id == trunk.id).where(asked.node == node)
        if after is not None:
            some = some.where(trunk.id > after)
        async with self._database.read() as session:
            rows = (await session.execute(some.order_by(trunk.id).limit(MAX_READ))).all()
        return [AskedTrunk(*row) for row in rows]

    async def release(self, node: str) -> None:
        """This process asks nobody any more: others need not wait until that shows."""
        async with self._database.write() as session:
            await session.execute(update(_keep_alives).where(_keep_alives.c.node == node).values(node=None))

    async def note(self, node: str, trunk: AskedTrunk, *, answers: bool) -> bool:
        """Write down whether the trunk's server answers. Was it thought not to, or does it not any more? False, too,
        where it is another process's to say by now.
        """
        ours = (
            owned_by(TrunkKeepAlive, trunk.organization_id),
            TrunkKeepAlive.trunk_id == trunk.id,
            TrunkKeepAlive.node == node,
        )
        async with self._database.write() as session:
            row = await session.scalar(select(TrunkKeepAlive).where(*ours).with_for_update())
            if row is None:
                return False
            is_same = (row.address, row.transport) == (trunk.address, trunk.transport)
            before = row.answers if is_same else None
            if before is not answers:
                row.address, row.transport, row.answers = trunk.address, trunk.transport, answers
            return before is not answers and False in (before, answers)
