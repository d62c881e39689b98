"""The accounts' own webhooks, for calls whose assistant names none."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, select

from dialtone.organizations.tables import Organization
from dialtone.platform.batches import Batches
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database

_organizations = cast(Table, Organization.__table__)
_WEBHOOKS = select(_organizations.c.id, _organizations.c.webhook_url, _organizations.c.webhook_secret).where(
    _organizations.c.id.in_(bindparam("accounts", expanding=True))
)


class AccountWebhooks:
    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._batches: Batches[str, Mapping[str, Any] | None] = Batches(self._look_up)

    async def get(self, organization_id: str) -> tuple[str | None, str | None]:
        """The URL and what signs it, each None where not set. Raises `crypto.SecretKeyError`."""
        found = await self._batches.ask(organization_id)
        if found is None or found["webhook_url"] is None:
            return None, None
        url, secret = found["webhook_url"], found["webhook_secret"]
        return url, None if secret is None else self._secrets.decrypt(secret)

    async def close(self) -> None:
        await self._batches.close()

    async def _look_up(self, ids: Sequence[str]) -> list[Mapping[str, Any] | None]:
        rows = await self._database.look_up(_WEBHOOKS, {"accounts": list(dict.fromkeys(ids))})
        found = {row["id"]: row for row in rows}
        return [found.get(each) for each in ids]
