"""What rooms keep of calls, forgotten everywhere in one transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.analysis.mailing import Mailing
from dialtone.calls.forgetting import Forgetting
from dialtone.webhooks.service import Webhooks


@dataclass(frozen=True, slots=True)
class CallTraces:
    """All that is left of calls, in whatever room. Returns counts by their names in the API."""

    calls: Forgetting
    webhooks: Webhooks
    mailing: Mailing

    async def forget_content(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Counter[str]:
        counts = await self.calls.forget_content(session, organization_id, ids)
        counts["webhook_deliveries"] = await self.webhooks.forget_content(session, organization_id, ids)
        counts["emails"] = await self.mailing.erase_calls(session, organization_id, ids)
        return counts

    async def forget_metadata(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Counter[str]:
        await self.calls.forget_metadata(session, organization_id, ids)
        deliveries = await self.webhooks.erase_calls(session, organization_id, ids)
        return Counter(webhook_deliveries=deliveries)

    async def forget_forwarder(
        self, session: AsyncSession, organization_id: str, ids: Sequence[str], number: str
    ) -> Counter[str]:
        """That these calls of others came by way of this number. Raises `SecretKeyError`."""
        await self.calls.forget_forwarder(session, organization_id, ids, number)
        return Counter(webhook_deliveries=await self.webhooks.erase_calls(session, organization_id, ids))

    async def erase(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Counter[str]:
        """Both at once: nothing of these calls is told to anybody any more."""
        deliveries = await self.webhooks.erase_calls(session, organization_id, ids)
        counts = await self.forget_content(session, organization_id, ids)
        await self.calls.forget_metadata(session, organization_id, ids)
        return counts + Counter(calls=len(ids), webhook_deliveries=deliveries)
