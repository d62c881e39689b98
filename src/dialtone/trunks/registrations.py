"""Which process registers a trunk at its provider, and how that goes."""

import secrets as random
from datetime import timedelta
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, Table, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, iso, now
from dialtone.platform.tenancy import owned_by
from dialtone.trunks.leases import Leases
from dialtone.trunks.tables import Trunk, TrunkRegistration
from dialtone.trunks.uses import REGISTERING, RegisteringTrunk, registering, trunks

State = Literal["pending", "registered", "failing"]

LOST_SECONDS = 20.0
"""Not renewed for so long, a registration is another process's to make."""
FORGOTTEN_SECONDS = 60.0
"""Not renewed for so long, nobody makes it, and what is known of it is no longer true. Clocks differ a little."""
NOBODY = "No server registers this trunk at the moment."

_registrations: Table = cast(Table, TrunkRegistration.__table__)


class Registrations:
    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._leases = Leases(database, _registrations, LOST_SECONDS)

    async def renew(self, node: str) -> list[RegisteringTrunk]:
        """The trunks that this process registers, from now on for `LOST_SECONDS`: those that it registered before, and
        those that nobody does.
        """
        table = _registrations.c
        wanted = and_(trunks.c.is_active, trunks.c.register)
        async with self._database.write() as session:
            await self._leases.drop(session, wanted)
            await self._add_missing(session, wanted)
            await self._leases.take(session, node)
            ours = select(*REGISTERING, table.contact).join(_registrations, table.trunk_id == trunks.c.id)
            rows = (await session.execute(ours.where(table.node == node).order_by(trunks.c.id))).mappings().all()
        return [registering(row, self._secrets) for row in rows]

    async def _add_missing(self, session: Any, wanted: ColumnElement[bool]) -> None:
        known = select(_registrations.c.trunk_id)
        missing = select(trunks.c.id, trunks.c.organization_id).where(wanted, trunks.c.id.not_in(known))
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        for trunk_id, organization_id in (await session.execute(missing)).all():
            row = insert(_registrations).values(
                trunk_id=trunk_id,
                organization_id=organization_id,
                contact=random.token_hex(12),
                renewed_at=self._leases.clock(),
                state="pending",
                since=now(),
            )
            await session.execute(row.on_conflict_do_nothing())

    async def release(self, node: str) -> None:
        """This process registers nothing any more: others need not wait until that shows."""
        ours = update(_registrations).where(_registrations.c.node == node)
        async with self._database.write() as session:
            await session.execute(ours.values(node=None, state="pending", status=None, reason=None, since=now()))

    async def note(
        self, node: str, trunk: RegisteringTrunk, state: State, status: int | None, reason: str | None
    ) -> bool:
        """Write down how it goes with a registration. False where it is another process's by now."""
        changed = update(TrunkRegistration).where(
            owned_by(TrunkRegistration, trunk.organization_id),
            TrunkRegistration.trunk_id == trunk.id,
            TrunkRegistration.node == node,
        )
        values = {"state": state, "status": status, "reason": reason, "since": now()}
        async with self._database.write() as session:
            found = await session.execute(changed.values(**values).returning(TrunkRegistration.trunk_id))
            return found.first() is not None


def show_registration(trunk: Trunk, registration: TrunkRegistration | None) -> dict[str, Any] | None:
    """As the API shows it; None for a trunk that has none."""
    if not (trunk.register and trunk.is_active):
        return None
    if registration is None:
        return {"state": "pending", "since": iso(trunk.updated_at), "status": None, "reason": NOBODY}
    renewed = registration.renewed_at
    if registration.node is None or now() - renewed > timedelta(seconds=FORGOTTEN_SECONDS):
        return {"state": "pending", "since": iso(renewed), "status": None, "reason": NOBODY}
    return {
        "state": registration.state,
        "since": iso(registration.since),
        "status": registration.status,
        "reason": registration.reason,
    }
