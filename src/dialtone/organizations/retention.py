"""How long organizations keep what their calls leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations.tables import Organization


@dataclass(frozen=True, slots=True)
class Periods:
    content: timedelta
    metadata: timedelta


async def periods_of(session: AsyncSession, organization_id: str) -> Periods | None:
    """None where they were never set: everything is kept."""
    days = select(Organization.content_retention_days, Organization.metadata_retention_days)
    row = (await session.execute(days.where(Organization.id == organization_id))).one_or_none()
    if row is None or row.content_retention_days is None or row.metadata_retention_days is None:
        return None
    return Periods(timedelta(days=row.content_retention_days), timedelta(days=row.metadata_retention_days))


async def with_periods(session: AsyncSession) -> Sequence[str]:
    """The ids of the organizations that have periods."""
    query = select(Organization.id).where(Organization.content_retention_days.is_not(None))
    return (await session.scalars(query.order_by(Organization.id))).all()
