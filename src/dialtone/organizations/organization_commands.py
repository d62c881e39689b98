"""Organizations for whoever has the machine: listed, made, and given minutes."""

import math
from dataclasses import dataclass

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations.credit import minutes
from dialtone.organizations.tables import Organization
from dialtone.organizations.tree import add_organization, way_up
from dialtone.platform.db import Database, new_id, parse_id
from dialtone.platform.errors import ApiError
from dialtone.platform.problems import number

MAX_MINUTES = 1e9
"""Of one change of a balance."""


@dataclass(frozen=True, slots=True)
class OrganizationEntry:
    id: str
    name: str
    parent_id: str | None
    balance_seconds: int

    def __str__(self) -> str:
        """One line for people."""
        note = f"below {self.parent_id}" if self.parent_id else f"{number(minutes(self.balance_seconds))} minutes"
        return f"{self.id}  {self.name!r}  {note}"


async def list_organizations(database: Database) -> list[OrganizationEntry]:
    """All organizations, the oldest first."""
    columns = (Organization.id, Organization.name, Organization.parent_id, Organization.balance_seconds)
    async with database.read() as session:
        rows = await session.execute(select(*columns).order_by(Organization.created_at, Organization.id))
        return [OrganizationEntry(*row) for row in rows]


async def create_organization(database: Database, name: str, parent: str | None) -> tuple[str, str]:
    """A new organization: its id, and its first API key, which is shown only now.

    Raises `ValueError`, in words for people.
    """
    if not name.strip() or len(name) > 200:
        raise ValueError("an organization's name has 1 to 200 characters")
    async with database.write() as session:
        above = await way_up(session, (await _find(session, parent)).id) if parent is not None else []
        try:
            row, key = await add_organization(session, name, above)
        except ApiError as problem:
            raise ValueError(problem.message) from None
    return row.id, key


async def change_balance(database: Database, which: str, added_minutes: float) -> float:
    """Give an organization minutes, or take some where the number is below zero. Returns the new balance.

    Raises `ValueError`, in words for people.
    """
    if not math.isfinite(added_minutes) or abs(added_minutes) > MAX_MINUTES:
        raise ValueError(f"the minutes must be a number between {-MAX_MINUTES:.0f} and {MAX_MINUTES:.0f}")
    async with database.write() as session:
        found = await _find(session, which)
        if found.payer_id is not None:
            raise ValueError(f"{found.name} uses the minutes of the organization {found.payer_id}; change those")
        new = (
            update(Organization)
            .where(Organization.id == found.id)
            .values(balance_seconds=Organization.balance_seconds + round(added_minutes * 60))
            .returning(Organization.balance_seconds)
        )
        return minutes(await session.scalar(new) or 0)


async def _find(session: AsyncSession, which: str) -> Organization:
    """By id or name."""
    query = select(Organization).where(
        or_(Organization.name == which, Organization.id == (parse_id(which) or new_id()))
    )
    found = (await session.scalars(query.limit(2))).all()
    if not found:
        raise ValueError(f"there is no organization {which}")
    if len(found) > 1:
        raise ValueError(f"several organizations are called {which}: give the id")
    return found[0]
