"""The account's own webhook, for calls whose assistant names none."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.organizations.tables import Organization
from dialtone.platform.crypto import Secrets


async def account_webhook(
    session: AsyncSession, secrets: Secrets, organization_id: str
) -> tuple[str | None, str | None]:
    """Its URL and what signs it, each None where not set. Raises `crypto.SecretKeyError`."""
    columns = select(Organization.webhook_url, Organization.webhook_secret).where(Organization.id == organization_id)
    found = (await session.execute(columns)).one_or_none()
    if found is None or found.webhook_url is None:
        return None, None
    return found.webhook_url, None if found.webhook_secret is None else secrets.decrypt(found.webhook_secret)
