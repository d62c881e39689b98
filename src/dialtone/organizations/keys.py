"""What holds for API keys, whoever makes or revokes them. Everything here works in its caller's transaction."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations.tables import ApiKey, Organization
from dialtone.platform.auth import hash_key, key_prefix, new_key
from dialtone.platform.db import now
from dialtone.platform.tenancy import owned_by

MAX_KEYS = 100
"""Usable keys of one organization."""
MAX_NAME = 200
"""Characters of a key's name."""
MAX_ENDED_KEYS = 100
"""Revoked and expired keys of one organization that are still known as such; older ones become unknown keys."""


class KeyChangeError(Exception):
    """The change can't be made. `str()` says why; `code` says it to programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def usable(moment: datetime) -> ColumnElement[bool]:
    """Condition on keys: neither revoked nor expired at `moment`."""
    return and_(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > moment))


def key_row(
    organization_id: str,
    key: str,
    *,
    name: str | None = None,
    expires_at: datetime | None = None,
    from_settings: bool = False,
) -> ApiKey:
    return ApiKey(
        organization_id=organization_id,
        name=name,
        hash=hash_key(key),
        prefix=key_prefix(key),
        expires_at=expires_at,
        from_settings=from_settings,
    )


async def add_key(
    session: AsyncSession, organization_id: str, *, name: str | None = None, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A further key of an organization: its row, and the key itself, which is shown only now.

    Raises `KeyChangeError` where there are too many.
    """
    await _lock(session, organization_id)
    if await _count_usable(session, organization_id) >= MAX_KEYS:
        raise KeyChangeError("too_many_api_keys", f"An organization can have {MAX_KEYS} keys; revoke one first.")
    await _forget_long_ended(session, organization_id)
    key = new_key()
    row = key_row(organization_id, key, name=name, expires_at=expires_at)
    session.add(row)
    await session.flush()
    return row, key


async def revoke_key(session: AsyncSession, row: ApiKey, *, even_the_last: bool) -> None:
    """Revoke a key; one that was revoked before stays as it is, also where it was forgotten meanwhile.

    Raises `KeyChangeError` for a key of the settings, and for the organization's last usable key unless
    `even_the_last`.
    """
    await _lock(session, row.organization_id)
    if await session.get(ApiKey, row.id, populate_existing=True) is None or row.revoked_at is not None:
        return
    if row.from_settings:
        raise KeyChangeError("api_key_from_settings", "This key comes from DIALTONE_API_KEY: change it there.")
    moment = now()
    is_usable = row.expires_at is None or row.expires_at > moment
    if is_usable and not even_the_last and await _count_usable(session, row.organization_id) == 1:
        raise KeyChangeError("last_api_key", "This is the last key that works; make another one first.")
    row.revoked_at = moment


async def prefix_of(session: AsyncSession, organization_id: str, key_id: str) -> str:
    """The beginning of a key, by which people know it."""
    of_key = owned_by(ApiKey, organization_id), ApiKey.id == key_id
    return await session.scalar(select(ApiKey.prefix).where(*of_key)) or "unknown"


async def _lock(session: AsyncSession, organization_id: str) -> None:
    """One change of an organization's keys at a time. Rows that refer to the organization don't wait for it."""
    query = select(Organization.id).where(Organization.id == organization_id)
    await session.execute(query.with_for_update(key_share=True))


async def _count_usable(session: AsyncSession, organization_id: str) -> int:
    query = select(func.count()).select_from(ApiKey).where(owned_by(ApiKey, organization_id), usable(now()))
    return await session.scalar(query) or 0


async def _forget_long_ended(session: AsyncSession, organization_id: str) -> None:
    ended: Sequence[str] = (
        await session.scalars(
            select(ApiKey.id)
            .where(owned_by(ApiKey, organization_id), ~usable(now()), ~ApiKey.from_settings)
            .order_by(func.coalesce(ApiKey.revoked_at, ApiKey.expires_at).desc())
            .offset(MAX_ENDED_KEYS)
        )
    ).all()
    if ended:
        await session.execute(delete(ApiKey).where(owned_by(ApiKey, organization_id), ApiKey.id.in_(ended)))
