"""Organizations below organizations. Nobody is ever moved, so the way up from an organization stays the same."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations.keys import key_row
from dialtone.organizations.tables import Organization
from dialtone.platform.auth import new_key
from dialtone.platform.errors import ApiError

MAX_LEVELS = 5
"""Levels of a tree, the top-level organization counted."""
MAX_BELOW = 1000
"""Organizations below one top-level organization, on all levels together."""
MAX_TOP_LEVEL = 10_000
"""Top-level organizations of a deployment."""


async def first_organization_id(session: AsyncSession) -> str | None:
    """The deployment's first organization: its operator's own."""
    query = select(Organization.id).order_by(Organization.created_at, Organization.id).limit(1)
    first: str | None = await session.scalar(query)
    return first


async def way_up(session: AsyncSession, organization_id: str) -> list[Organization]:
    """The organization and all above it, the top-level one last; empty for an unknown id."""
    way: list[Organization] = []
    next_id: str | None = organization_id
    while next_id is not None and (found := await session.get(Organization, next_id)) is not None:
        way.append(found)
        next_id = found.parent_id
    return way


async def add_organization(session: AsyncSession, name: str, above: list[Organization]) -> tuple[Organization, str]:
    """A new organization and its first API key, which is shown only now. `above` is the way up from its parent;
    empty for a top-level organization.

    Raises `ApiError` (409) where there are too many, or too many levels.
    """
    if len(above) >= MAX_LEVELS:
        raise ApiError(
            409,
            "too_many_levels",
            "Too many levels",
            f"Organizations go {MAX_LEVELS} levels deep; choose a higher parent.",
        )
    if above:
        top = above[-1]
        await _refuse_above(session, top.id, Organization.payer_id == top.id, MAX_BELOW)
    else:
        await _refuse_above(
            session, await first_organization_id(session), Organization.parent_id.is_(None), MAX_TOP_LEVEL
        )
    organization = Organization(
        name=name, parent_id=above[0].id if above else None, payer_id=above[-1].id if above else None
    )
    session.add(organization)
    await session.flush()
    key = new_key()
    session.add(key_row(organization.id, key))
    return organization, key


async def _refuse_above(session: AsyncSession, held: str | None, which: ColumnElement[Any], maximum: int) -> None:
    """`held` is the organization whose row all who count the same organizations hold, so that they do it in turn."""
    await session.execute(select(Organization.id).where(Organization.id == held).with_for_update(key_share=True))
    if (await session.scalar(select(func.count()).select_from(Organization).where(which)) or 0) >= maximum:
        raise ApiError(409, "too_many_organizations", "Too many organizations", f"There can be {maximum}.")
