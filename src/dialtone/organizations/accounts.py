"""What an organization sees and changes of itself, and the organizations it makes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.audit import service as audit
from dialtone.organizations import credit
from dialtone.organizations.keys import prefix_of
from dialtone.organizations.schemas import (
    CONTENT_RETENTION,
    METADATA_RETENTION,
    OrganizationCreate,
    OrganizationUpdate,
)
from dialtone.organizations.tables import Organization
from dialtone.organizations.tree import add_organization, first_organization_id, way_up
from dialtone.platform.address_rules import address_problems
from dialtone.platform.auth import Identity
from dialtone.platform.crypto import MASK, Secrets
from dialtone.platform.db import Database, iso, parse_id
from dialtone.platform.errors import ApiError, invalid, not_found
from dialtone.platform.fields import given, ignored_fields
from dialtone.platform.problems import problem
from dialtone.platform.sealing import MASK_WITHOUT_SECRET, sealed

RETENTION = {"content_retention_days": CONTENT_RETENTION, "metadata_retention_days": METADATA_RETENTION}
READ_ONLY = frozenset(
    {
        "id",
        "minutes_balance",
        "monthly_usage_minutes",
        "active_numbers",
        "active_agents",
        "active_calls",
        "has_local_models_access",
        "parent_org_id",
        "children",
        "company_name",
        "email",
    }
)
"""Fields that may be sent back as they were read, and are not looked at."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What other rooms count for an organization."""

    numbers: Callable[[str], Awaitable[int]]
    assistants: Callable[[str], Awaitable[int]]
    calls: Callable[[str], Awaitable[int]]
    usage_minutes: Callable[[str], Awaitable[float]]
    """Of the calendar month (UTC)."""


class OrganizationAccounts:
    """All methods raise `ApiError`."""

    def __init__(self, database: Database, secrets: Secrets, counts: Counts, *, allow_private_addresses: bool) -> None:
        self._allow_private = allow_private_addresses
        self._database = database
        self._secrets = secrets
        self._counts = counts

    async def show(self, organization_id: str, *, include_children: bool = False) -> dict[str, Any]:
        """The organization as the API shows it."""
        async with self._database.read() as session:
            row = await _row(session, organization_id)
            balance = await session.scalar(credit.balance_of(organization_id))
            children = await _children(session, organization_id) if include_children else None
        shown = {
            "id": row.id,
            "name": row.name,
            "minutes_balance": credit.minutes(balance or 0),
            "monthly_usage_minutes": await self._counts.usage_minutes(organization_id),
            "active_numbers": await self._counts.numbers(organization_id),
            "active_agents": await self._counts.assistants(organization_id),
            "active_calls": await self._counts.calls(organization_id),
            "has_local_models_access": True,
            "parent_org_id": row.parent_id,
            **_settings(row),
        }
        return shown if children is None else {**shown, "children": children}

    async def create(self, caller_id: str, body: OrganizationCreate) -> dict[str, Any]:
        """The new organization with its key, as the API shows them."""
        async with self._database.write() as session:
            above = await self._above(session, caller_id, body.parent_org_id)
            row, key = await add_organization(session, body.name, above)
        return {
            "id": row.id,
            "name": row.name,
            "parent_org_id": row.parent_id,
            "api_key": key,
            "created_at": iso(row.created_at),
        }

    async def _above(self, session: AsyncSession, caller_id: str, parent_id: str | None) -> list[Organization]:
        """The way up from the parent, which must lead past the caller."""
        if parent_id is None:
            if caller_id == await first_organization_id(session):
                return []
            raise _forbidden(
                "Only the deployment's first organization makes top-level ones; give your own id as parent_org_id."
            )
        canonical = parse_id(parent_id)
        if canonical is None:
            raise invalid([problem("parent_org_id", "must be the id of an organization", parent_id)])
        above = await way_up(session, canonical)
        if caller_id not in [organization.id for organization in above]:
            raise _forbidden("parent_org_id must be your own organization, or one below it.")
        return above

    async def update(self, caller: Identity, body: OrganizationUpdate) -> tuple[dict[str, Any], list[str]]:
        """The changed settings as the API shows them, and the fields that were ignored."""
        changes = given(body)
        async with self._database.write() as session:
            row = await _row(session, caller.organization_id, lock=True)
            kept_for = {name: getattr(row, name) for name in RETENTION}
            webhook = [("webhook_url", changes.get("webhook_url"))]
            problems = address_problems(webhook, {row.webhook_url}, allow_private=self._allow_private)
            if problems := problems + _retention_problems(changes, row):
                raise invalid(problems)
            if changes.get("webhook_secret") is not None:
                changes["webhook_secret"] = sealed(self._secrets, changes["webhook_secret"], row.webhook_secret)
                if changes["webhook_secret"] is None:
                    raise invalid([problem("webhook_secret", MASK_WITHOUT_SECRET)])
            for name, value in changes.items():
                setattr(row, name, value)
            periods = {name: getattr(row, name) for name in RETENTION}
            if periods != kept_for:
                actor = await prefix_of(session, row.id, caller.key_id)
                audit.write(session, row.id, actor, "retention.changed", periods)
        return _settings(row), [name for name in ignored_fields(body) if name not in READ_ONLY]


def _retention_problems(changes: dict[str, Any], row: Organization) -> list[str]:
    """The periods are changed together; null is only what was read before they were ever set."""
    if "webhook_url" in changes or "webhook_secret" in changes:
        needed = [name for name in RETENTION if not RETENTION.keys().isdisjoint(changes)]
    else:
        needed = list(RETENTION)
    if problems := [problem(name, "is required") for name in needed if name not in changes]:
        return problems
    for name in needed:
        if changes[name] is None and getattr(row, name) is not None:
            allowed = ", ".join(map(str, RETENTION[name]))
            problems.append(problem(name, f"must be one of {allowed}", None))
    content, metadata = (changes.get(name) for name in RETENTION)
    if not problems and (content is None) != (metadata is None):
        problems.append("content_retention_days and metadata_retention_days: must both be set")
    elif content is not None and metadata is not None and content > metadata:
        rule = f"must be at most metadata_retention_days, {metadata}"
        problems.append(problem("content_retention_days", rule, content))
    return problems


def _settings(row: Organization) -> dict[str, Any]:
    return {
        "content_retention_days": row.content_retention_days,
        "metadata_retention_days": row.metadata_retention_days,
        "webhook_url": row.webhook_url,
        "webhook_secret": None if row.webhook_secret is None else MASK,
    }


async def _row(session: AsyncSession, organization_id: str, *, lock: bool = False) -> Organization:
    """`lock` holds the row for a change; rows that refer to the organization don't wait for it."""
    row = await session.get(Organization, organization_id, with_for_update={"key_share": True} if lock else None)
    if row is None:
        raise not_found("organization")
    return row


async def _children(session: AsyncSession, organization_id: str) -> list[dict[str, Any]]:
    query = (
        select(Organization.id, Organization.name, Organization.created_at)
        .where(Organization.parent_id == organization_id)
        .order_by(Organization.created_at.desc(), Organization.id.desc())
    )
    found = (await session.execute(query)).all()
    return [{"id": row.id, "name": row.name, "created_at": iso(row.created_at)} for row in found]


def _forbidden(message: str) -> ApiError:
    return ApiError(403, "forbidden", "Forbidden", message)
