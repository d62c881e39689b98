"""Which calls of carriers are on record already."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.carriers.tables import CarrierCallRow
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.db import Database
from dialtone.platform.tenancy import owned_by


class SeenCalls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def has(self, account: CarrierAccount, call: str) -> bool:
        """Whether the carrier's `call` is on record."""
        known = select(CarrierCallRow.hash).where(
            owned_by(CarrierCallRow, account.organization_id), CarrierCallRow.hash == _hash(account, call)
        )
        async with self._database.read() as session:
            return await session.scalar(known) is not None


async def note(session: AsyncSession, calls: Sequence[tuple[CarrierAccount, str, str]]) -> None:
    """These calls of accounts, by their carriers' ids, are those with our ids, whose records are made in the same
    transaction. Raises `IntegrityError` where one is on record already.
    """
    for account, call, call_id in calls:
        row = CarrierCallRow(hash=_hash(account, call), call_id=call_id, organization_id=account.organization_id)
        session.add(row)
    await session.flush()


def _hash(account: CarrierAccount, call: str) -> str:
    return hashlib.sha256(f"{account.organization_id} {account.carrier} {call}".encode()).hexdigest()
