"""The account's own webhook, for calls whose assistant names none."""

from typing import cast

from sqlalchemy import Table, bindparam, select

from dialtone.organizations.tables import Organization
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database

_organizations = cast(Table, Organization.__table__)
_WEBHOOK = select(_organizations.c.webhook_url, _organizations.c.webhook_secret).where(
    _organizations.c.id == bindparam("owner")
)


async def account_webhook(database: Database, secrets: Secrets, organization_id: str) -> tuple[str | None, str | None]:
    """Its URL and what signs it, each None where not set. Raises `crypto.SecretKeyError`."""
    found = await database.look_up(_WEBHOOK, {"owner": organization_id})
    if not found or found[0]["webhook_url"] is None:
        return None, None
    url, secret = found[0]["webhook_url"], found[0]["webhook_secret"]
    return url, None if secret is None else secrets.decrypt(secret)
