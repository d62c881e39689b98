"""Which calls of carriers are on record already."""

import hashlib

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


async def note(session: AsyncSession, account: CarrierAccount, call: str, call_id: str) -> None:
    """The carrier's `call` is the one with this id, whose record is made in the same transaction.

    Raises `IntegrityError` where it is on record already.
    """
    row = CarrierCallRow(hash=_hash(account, call), call_id=call_id, organization_id=account.organization_id)
    session.add(row)
    await session.flush()


def _hash(account: CarrierAccount, call: str) -> str:
    return hashlib.sha256(f"{account.organization_id} {account.carrier} {call}".encode()).hexdigest()
