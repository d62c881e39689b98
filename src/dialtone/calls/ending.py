"""What a call's beginning and end set off: events for the customer, and the work after the call.

All of it is written in the transaction that changes the call, so that neither can be without the other.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Insert, Table, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.kept import Kept, seal, unseal
from dialtone.calls.recordings import Recordings
from dialtone.calls.status import FAILED, IN_PROGRESS
from dialtone.calls.tables import Call, CallMessage, KeptCall
from dialtone.jobs.jobs import Jobs
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database
from dialtone.platform.rows import insert_missing
from dialtone.platform.tenancy import OWNER, owned_by
from dialtone.trunks.channels import Channels
from dialtone.webhooks.service import Report, Webhooks

logger = logging.getLogger(__name__)

AFTER_CALL = "after-call"
"""The kind of the job that ends with the call's report; its payload is `organization_id` and `call_id`."""

RecordingUrl = Callable[[Call], str | None]

_calls, _kept, _messages = (cast(Table, table.__table__) for table in (Call, KeptCall, CallMessage))
_SHOWN = (
    *("status", "direction", "assistant_name", "caller_phone", "assistant_phone", "recording", "error", "end_reason"),
    *("started_at", "ended_at", "duration_seconds", "cost_millionths"),
)
_ENDED = (
    select(*(_calls.c[name] for name in _SHOWN), _kept.c.kept)
    .join_from(_calls, _kept, _kept.c.call_id == _calls.c.id)
    .where(owned_by(_calls.c, OWNER), _calls.c.id == bindparam("call"), _calls.c.ended_at.is_not(None))
)
_MESSAGES = (
    select(_messages.c.role, _messages.c.content)
    .where(owned_by(_messages.c, OWNER), _messages.c.call_id == bindparam("call"))
    .order_by(_messages.c.position)
)
_TAKE = delete(_kept).where(owned_by(_kept.c, OWNER), _kept.c.call_id == bindparam("call")).returning(_kept.c.call_id)
_OVER = (
    select(
        *(_calls.c[name] for name in ("id", "organization_id", "node", "recording", "status", "error", "end_reason")),
        _calls.c.ended_at,
        _kept.c.kept,
    )
    .join_from(_calls, _kept, _kept.c.call_id == _calls.c.id, isouter=True)
    .where(_calls.c.id.in_(bindparam("calls", expanding=True)), _calls.c.ended_at.is_not(None))
    .with_for_update(of=_calls)
)
"""Whose calls they are is compared with who says that they are over."""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that is over and not reported yet."""

    organization_id: str
    call: Call
    """What its row says, in no session."""
    messages: Sequence[Mapping[str, Any]]
    """`role` and `content`, in order; in GDPR mode from what is kept encrypted."""
    kept: Kept


@dataclass(frozen=True, slots=True)
class Beginning:
    """A conversation begins."""

    organization_id: str
    kept: Kept
    at: datetime

    @property
    def call_id(self) -> str:
        return self.kept.context.call_id


@dataclass(frozen=True, slots=True)
class End:
    """A call is over."""

    organization_id: str
    call_id: str
    kept: Kept | None = None
    """None: this process did not hold the call, and looks up what was kept of it."""
    messages: Sequence[Mapping[str, Any]] | None = None
    """The transcript in GDPR mode, kept encrypted until the report is on its way."""


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
        statement, row = await self.keeping(organization_id, kept)
        await session.execute(statement, row)

    async def keeping(self, organization_id: str, kept: Kept) -> tuple[Insert, dict[str, Any]]:
        """The statement of `keep`, and its values."""
        row = {
            "call_id": kept.context.call_id,
            "organization_id": organization_id,
            "kept": await seal(self._secrets, kept),
        }
        return insert_missing(_kept, is_sqlite=self._database.is_sqlite), row

    async def answered(self, session: AsyncSession, beginnings: Sequence[Beginning]) -> None:
        """Conversations begin. Nothing happens where one is over already, and this is told once more."""
        for call in beginnings:
            if not self._webhooks.tells_status(call.kept.context):
                continue
            over = owned_by(Call, call.organization_id), Call.id == call.call_id, Call.ended_at.is_not(None)
            if await session.scalar(select(Call.id).where(*over)) is not None:
                continue
            context, keeps_content = call.kept.with_status(IN_PROGRESS), not call.kept.gdpr_mode
            await self._webhooks.status_update(
                session, call.organization_id, context, call.at, keeps_content=keeps_content
            )

    async def ended(self, session: AsyncSession, ends: Sequence[End]) -> None:
        """The calls' rows say that they are over. A call that nothing is kept of tells nobody: a web call that nobody
        came to, or one that was reported, or erased.
        """
        found = await session.execute(_OVER, {"calls": [end.call_id for end in ends]})
        rows = {(row.organization_id, row.id): row for row in found}
        over = {key: end for end in ends if (key := (end.organization_id, end.call_id)) in rows}
        if not over:
            return
        await self._channels.end(session, list(over))
        after_call: dict[str, dict[str, Any]] = {}
        for (organization_id, call_id), end in over.items():
            row = rows[organization_id, call_id]
            await self._recordings.ended(session, row.node, row.recording)
            kept = (end.kept or await self._unsealed(call_id, row.kept)) if row.kept is not None else None
            if kept is None:
                continue
            await self._webhooks.status_update(
                session,
                organization_id,
                kept.with_status(end_status(row.status, row.error)),
                row.ended_at,
                keeps_content=not kept.gdpr_mode,
                error=row.error,
                end_reason=row.end_reason,
            )
            if end.messages is not None:
                sealed = await seal(self._secrets, replace(kept, messages=list(end.messages)))
                of_call = update(KeptCall).where(owned_by(KeptCall, organization_id), KeptCall.call_id == call_id)
                await session.execute(of_call.values(kept=sealed))
            after_call[call_id] = {"organization_id": organization_id, "call_id": call_id}
        await self._jobs.defer_once(session, AFTER_CALL, after_call)

    async def find(self, organization_id: str, call_id: str) -> EndedCall | None:
        """The call that an after-call job names; None for one that was reported, or erased."""
        of_call = {OWNER.key: organization_id, "call": call_id}
        found = await self._database.look_up(_ENDED, of_call)
        kept = await self._unsealed(call_id, found[0]["kept"]) if found else None
        if kept is None:
            return None
        messages = kept.messages
        if messages is None:
            messages = [dict(row) for row in await self._database.look_up_many(_MESSAGES, of_call)]
        columns = {name: found[0][name] for name in _SHOWN}
        return EndedCall(organization_id, Call(id=call_id, organization_id=organization_id, **columns), messages, kept)

    async def take(self, session: AsyncSession, ended: EndedCall) -> bool:
        """Forget what was kept of the call, in the transaction that reports it: of two who would, one does, and nobody
        where it was erased meanwhile.
        """
        gone = await session.execute(_TAKE, {OWNER.key: ended.organization_id, "call": ended.call.id})
        return gone.first() is not None

    async def report(
        self,
        session: AsyncSession,
        ended: EndedCall,
        *,
        summary: str | None = None,
        analysis: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the end-of-call-report on its way. `more`: further fields of it."""
        call = ended.call
        assert call.ended_at is not None
        report = Report(
            status=end_status(call.status, call.error),
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

    async def forget(self, session: AsyncSession, organization_id: str, call_ids: Sequence[str]) -> None:
        """Keep nothing more of these calls: they will not be reported."""
        await session.execute(
            delete(KeptCall).where(owned_by(KeptCall, organization_id), KeptCall.call_id.in_(call_ids))
        )

    async def _unsealed(self, call_id: str, stored: str) -> Kept | None:
        try:
            return await unseal(self._secrets, stored)
        except SecretKeyError:
            logger.error("call %s can't be reported: what was kept of it was encrypted with another key", call_id)
            return None


def end_status(status: str, error: str | None) -> str:
    """The status that events tell of a call that is over: it ended well, or with an error that says what failed."""
    return "ended-with-error" if status == FAILED or error is not None else "ended"
