"""Organizations and their keys."""

import re
from collections.abc import Callable

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations import credit
from dialtone.organizations.keys import key_row, usable
from dialtone.organizations.tables import ApiKey, Organization
from dialtone.platform.auth import KEY_START, MAX_KEY_LENGTH, hash_key, new_key
from dialtone.platform.db import Database, now
from dialtone.platform.errors import ApiError
from dialtone.settings import Settings

FIRST_ORGANIZATION = "Default"
MIN_KEY_LENGTH = 8
_USABLE = re.compile(rf"{KEY_START}[!-~]+")
_FIRST = select(Organization).order_by(Organization.created_at).limit(1)


class Organizations:
    def __init__(self, database: Database, *, billing: bool = False) -> None:
        """`billing`: organizations without minutes place no calls."""
        self._database = database
        self._billing = billing

    async def create(self, name: str) -> tuple[str, str]:
        """A new organization: its id, and its first key, which is shown only now."""
        key = new_key()
        async with self._database.write() as session:
            organization = Organization(name=name)
            session.add(organization)
            await session.flush()
            session.add(key_row(organization.id, key))
        return organization.id, key

    async def balance(self, organization_id: str) -> float:
        """Minutes that the organization's calls may still use: its own, or those of the top-level one above it."""
        async with self._database.read() as session:
            return credit.minutes(await session.scalar(credit.balance_of(organization_id)) or 0)

    async def require_credit(self, organization_id: str) -> None:
        """Where the deployment bills calls, raises `ApiError` (402) for an organization without minutes."""
        if not self._billing:
            return
        balance = await self.balance(organization_id)
        if balance <= 0:
            raise ApiError(
                402,
                "insufficient_credits",
                "Insufficient credits",
                "There are no minutes left; add some to place calls.",
                extra={"balance": balance},
            )

    async def ensure_first(self, settings: Settings) -> None:
        """Make sure that there is an organization, with the key that the settings name, at every start and in any
        number of processes. Raises `ValueError` for an unusable DIALTONE_API_KEY.
        """
        configured = settings.api_key.get_secret_value() if settings.api_key else None
        if configured is not None:
            check_key(configured)
        async with self._database.startup_lock() as session:
            first = await session.scalar(_FIRST)
            if first is None:
                first = Organization(name=FIRST_ORGANIZATION)
                session.add(first)
                await session.flush()
            if configured is not None:
                await _set_configured_key(session, first.id, configured)

    async def ensure_key(self, show: Callable[[str], None]) -> None:
        """Make a key for the first organization where no key at all can be used; one of several processes does.

        It is shown before it is kept: where the process is killed in between, the next start shows another one. The
        other way round a key could be kept that nobody has seen.
        """
        async with self._database.startup_lock() as session:
            if await session.scalar(select(ApiKey.id).where(usable(now())).limit(1)) is not None:
                return
            first = (await session.scalars(_FIRST)).one()
            key = new_key()
            session.add(key_row(first.id, key))
            await session.flush()
            show(key)


async def _set_configured_key(session: AsyncSession, organization_id: str, key: str) -> None:
    """Raises `ValueError` for a key that may no longer be used."""
    await session.execute(delete(ApiKey).where(ApiKey.from_settings, ApiKey.hash != hash_key(key)))
    known = await session.scalar(select(ApiKey).where(ApiKey.hash == hash_key(key)))
    if known is None:
        session.add(key_row(organization_id, key, from_settings=True))
    elif known.revoked_at is not None or (known.expires_at is not None and known.expires_at <= now()):
        raise ValueError("DIALTONE_API_KEY: this key was revoked or has expired; set another one")


def check_key(key: str) -> None:
    """Raises `ValueError` for a key that cannot be the deployment's first."""
    if not _USABLE.fullmatch(key) or not MIN_KEY_LENGTH <= len(key) <= MAX_KEY_LENGTH:
        raise ValueError(
            f"DIALTONE_API_KEY: must begin with {KEY_START}, hold no spaces, and have {MIN_KEY_LENGTH} to "
            f"{MAX_KEY_LENGTH} characters"
        )
