"""Active trunks of the deployment, for whoever examines it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.crypto import Secrets
from dialtone.trunks.keep_alives import is_known_of_trunk
from dialtone.trunks.registrations import show_registration
from dialtone.trunks.tables import Trunk, TrunkKeepAlive, TrunkRegistration
from dialtone.trunks.uses import DIALING, DialingTrunk, dialing


@dataclass(frozen=True, slots=True)
class ExaminedTrunk:
    """A trunk, and how it goes with its registration."""

    trunk: DialingTrunk
    registration: dict[str, Any] | None
    """As the API shows it; None for a trunk that has none."""
    keep_alive: bool
    """Whether its server is said to answer OPTIONS."""


async def active_trunks(
    session: AsyncSession, secrets: Secrets, most: int, trunk_id: str | None = None
) -> list[ExaminedTrunk]:
    """The newest active trunks of all organizations, or the one with this id."""
    newest = (
        select(*DIALING, TrunkKeepAlive.answers, Trunk, TrunkRegistration)
        .outerjoin(TrunkRegistration, TrunkRegistration.trunk_id == Trunk.id)
        .outerjoin(TrunkKeepAlive, is_known_of_trunk())
        .where(Trunk.is_active)
        .order_by(Trunk.created_at.desc(), Trunk.id.desc())
        .limit(most)
    )
    if trunk_id is not None:
        newest = newest.where(Trunk.id == trunk_id)
    return [
        ExaminedTrunk(
            dialing(row, secrets),
            show_registration(row["Trunk"], row["TrunkRegistration"]),
            row["Trunk"].keep_alive,
        )
        for row in (await session.execute(newest)).mappings()
    ]
