"""What a call's beginning and end set off: events for the customer, and the work after the call.

All of it is written in the transaction that changes the call, so that neither can be without the other.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.kept import Kept, seal, unseal
from dialtone.calls.recordings import Recordings
from dialtone.calls.status import FAILED, IN_PROGRESS
from dialtone.calls.tables import Call, CallMessage, KeptCall
from dialtone.jobs.jobs import Jobs
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database
from dialtone.platform.tenancy import get_owned, owned_by
from dialtone.trunks.channels import Channels
from dialtone.webhooks.service import Report, Webhooks

logger = logging.getLogger(__name__)

AFTER_CALL = "after-call"
"""The kind of the job that ends with the call's report; its payload is `organization_id` and `call_id`."""

RecordingUrl = Callable[[Call], str | None]


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that is over and not reported yet."""

    organization_id: str
    call: Call
    """Its row, in the session that it was found in."""
    messages: Sequence[Mapping[str, Any]]
    """`role` and `content`, in order; in GDPR mode from what is kept encrypted."""
    kept: Kept


class Endings:
    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        jobs: Jobs,
        webhooks: Webhooks,
        recordings: Recordings,
        recording_url: RecordingUrl,
        channels: Channels,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._jobs = jobs
        self._webhooks = webhooks
        self._recordings = recordings
        self._recording_url = recording_url
        self._channels = channels

    async def keep(self, session: AsyncSession, organization_id: str, kept: Kept) -> None:
        """From now on the call ends with a report, whatever happens to this process."""
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = insert(KeptCall).values(
            call_id=kept.context.call_id, organization_id=organization_id, kept=await seal(self._secrets, kept)
        )
        await session.execute(row.on_conflict_do_nothing())

    async def answered(self, session: AsyncSession, organization_id: str, kept: Kept, at: datetime) -> None:
        """The conversation begins. Nothing happens where it is over already, and this is told once more."""
        of_call = owned_by(Call, organization_id), Call.id == kept.context.call_id, Call.ended_at.is_not(None)
        if await session.scalar(select(Call.id).where(*of_call)) is not None:
            return
        await self.keep(session, organization_id, kept)
        await self._webhooks.status_update(
            session, organization_id, kept.with_status(IN_PROGRESS), at, keeps_content=not kept.gdpr_mode
        )

    async def ended(
        self,
        session: AsyncSession,
        organization_id: str,
        call_id: str,
        messages: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """The call's row says that it is over. A call that nothing was kept of tells nobody: a web call that nobody
        came to. `messages`: the transcript in GDPR mode, kept encrypted until the report is on its way.
        """
        call = await get_owned(session, Call, organization_id, call_id, lock=True)
        if call is not None and call.ended_at is not None:
            await self._recordings.ended(session, call)
            await self._channels.end(session, organization_id, call.id)
        kept = await self._kept(session, organization_id, call_id)
        if call is None or kept is None or call.ended_at is None:
            return
        await self._webhooks.status_update(
            session,
            organization_id,
            kept.with_status(end_status(call)),
            call.ended_at,
            keeps_content=not kept.gdpr_mode,
            error=call.error,
            end_reason=call.end_reason,
        )
        if messages is not None:
            sealed = await seal(self._secrets, replace(kept, messages=list(messages)))
            of_call = update(KeptCall).where(owned_by(KeptCall, organization_id), KeptCall.call_id == call_id)
            await session.execute(of_call.values(kept=sealed))
        payload = {"organization_id": organization_id, "call_id": call_id}
        await self._jobs.defer(session, AFTER_CALL, payload, once=call_id)

    async def find(
        self, session: AsyncSession, organization_id: str, call_id: str, *, lock: bool = False
    ) -> EndedCall | None:
        """The call that an after-call job names; None for one that was reported, or erased. `lock` holds it until the
        transaction ends, so that of two who would report it one does.
        """
        call = await get_owned(session, Call, organization_id, call_id, lock=lock)
        kept = await self._kept(session, organization_id, call_id)
        if call is None or kept is None or call.ended_at is None:
            return None
        messages = kept.messages
        if messages is None:
            query = (
                select(CallMessage.role, CallMessage.content)
                .where(owned_by(CallMessage, organization_id), CallMessage.call_id == call_id)
                .order_by(CallMessage.position)
            )
            messages = [dict(row) for row in (await session.execute(query)).mappings()]
        return EndedCall(organization_id, call, messages, kept)

    async def report(
        self,
        session: AsyncSession,
        ended: EndedCall,
        *,
        summary: str | None = None,
        analysis: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the end-of-call-report on its way, and forget what was kept. `more`: further fields of the report."""
        call = ended.call
        assert call.ended_at is not None
        report = Report(
            status=end_status(call),
            duration_seconds=call.duration_seconds or 0,
            summary=summary,
            messages=ended.messages,
            analysis=analysis,
            recording_url=self._recording_url(call),
            end_reason=call.end_reason,
            started_at=call.started_at,
            ended_at=call.ended_at,
        )
        context = ended.kept.with_status(report.status)
        await self._webhooks.report(
            session, ended.organization_id, context, report, keeps_content=not ended.kept.gdpr_mode, more=more
        )
        await self.forget(session, ended.organization_id, [call.id])

    async def forget(self, session: AsyncSession, organization_id: str, call_ids: Sequence[str]) -> None:
        """Keep nothing more of these calls: they will not be reported."""
        await session.execute(
            delete(KeptCall).where(owned_by(KeptCall, organization_id), KeptCall.call_id.in_(call_ids))
        )

    async def _kept(self, session: AsyncSession, organization_id: str, call_id: str) -> Kept | None:
        of_call = select(KeptCall.kept).where(owned_by(KeptCall, organization_id), KeptCall.call_id == call_id)
        stored = await session.scalar(of_call)
        try:
            return None if stored is None else await unseal(self._secrets, stored)
        except SecretKeyError:
            logger.error("call %s can't be reported: what was kept of it was encrypted with another key", call_id)
            return None


def end_status(call: Call) -> str:
    """The status that events tell of a call that is over: it ended well, or with an error that says what failed."""
    return "ended-with-error" if call.status == FAILED or call.error is not None else "ended"
