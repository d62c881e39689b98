"""What calls kept is taken from them: when the organization's periods are over, or a caller wants to be forgotten.

Everything works in its caller's transaction, over a bounded number of calls. The rows of the calls remain, since they
are counted and billed.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.ending import Endings
from dialtone.calls.kept import unseal
from dialtone.calls.masking import masked
from dialtone.calls.paging import Position
from dialtone.calls.recordings import Recordings
from dialtone.calls.status import CONNECTING, IN_PROGRESS, RINGING
from dialtone.calls.tables import Call, CallMessage, CallTurn, KeptCall
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.tenancy import owned_by, select_owned_ids

_LIVE = (CONNECTING, RINGING, IN_PROGRESS)


class Forgetting:
    def __init__(self, secrets: Secrets, recordings: Recordings, endings: Endings) -> None:
        self._secrets = secrets
        self._recordings = recordings
        self._endings = endings

    # Which calls

    async def older_than(
        self, session: AsyncSession, organization_id: str, before: datetime, after: Position | None, limit: int
    ) -> list[Position]:
        """Calls made before that moment, the oldest first, beginning behind `after`."""
        query = select(Call.created_at, Call.id).where(owned_by(Call, organization_id), Call.created_at < before)
        if after is not None:
            same = and_(Call.created_at == after.created_at, Call.id > after.id)
            query = query.where(Call.created_at >= after.created_at, or_(Call.created_at > after.created_at, same))
        rows = await session.execute(query.order_by(Call.created_at, Call.id).limit(limit))
        return [Position(*row) for row in rows.all()]

    async def live_calls_of(self, session: AsyncSession, organization_id: str, number: str) -> list[str]:
        """The ids of calls with this caller that are not over yet."""
        chosen = owned_by(Call, organization_id), Call.caller_phone == number, Call.status.in_(_LIVE)
        live = list(await session.scalars(select(Call.id).where(*chosen)))
        return live + await self._kept_masked(session, organization_id, number, Call.status.in_(_LIVE))

    async def calls_of(self, session: AsyncSession, organization_id: str, number: str, limit: int) -> list[str]:
        """The ids of calls with this caller that are over; the ones of GDPR mode are not found by the number."""
        chosen = owned_by(Call, organization_id), Call.caller_phone == number, Call.status.not_in(_LIVE)
        return list(await session.scalars(select(Call.id).where(*chosen).limit(limit)))

    async def masked_calls_of(self, session: AsyncSession, organization_id: str, number: str) -> list[str]:
        """The ids of GDPR calls of this caller that are over and not reported yet."""
        return await self._kept_masked(session, organization_id, number, Call.status.not_in(_LIVE))

    async def masked_like(
        self, session: AsyncSession, organization_id: str, number: str, ids: Sequence[str]
    ) -> list[str]:
        """Those of these calls whose masked number may be this one."""
        query = select_owned_ids(Call, organization_id, ids).with_only_columns(Call.id)
        return list(await session.scalars(query.where(Call.caller_phone == masked(number))))

    async def _kept_masked(
        self, session: AsyncSession, organization_id: str, number: str, state: ColumnElement[bool]
    ) -> list[str]:
        """GDPR calls with this caller: only what is kept encrypted until their report has the whole number."""
        kept = (
            select(KeptCall.call_id, KeptCall.kept)
            .join(Call, Call.id == KeptCall.call_id)
            .where(owned_by(KeptCall, organization_id), Call.caller_phone == masked(number), state)
        )
        found = []
        for call_id, sealed in (await session.execute(kept)).all():
            try:
                known = (await unseal(self._secrets, sealed)).context.customer_number
            except SecretKeyError:
                continue
            if known == number:
                found.append(call_id)
        return found

    # What goes

    async def forget_content(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Counter[str]:
        """What was said and found out: transcript, recording, summary, analysis, and words of vendors and tools that
        may repeat some of it. Returns how much there was.
        """
        calls = await self._held(session, organization_id, ids)
        recordings = sum(call.recording is not None for call in calls)
        await self._recordings.delete(session, calls)
        for call in calls:
            call.summary = call.analysis = call.analysis_error = call.error = None
            call.notes = []
        await session.flush()
        await self._endings.forget(session, organization_id, ids)
        messages = await _delete(session, CallMessage, organization_id, ids)
        return Counter(recordings=recordings, messages=messages)

    async def forget_metadata(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> None:
        """Who called, what the customer attached to the call, and the times of its turns."""
        for call in await self._held(session, organization_id, ids):
            call.caller_phone = call.call_metadata = None
        await session.flush()
        await _delete(session, CallTurn, organization_id, ids)

    async def _held(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Sequence[Call]:
        query = select_owned_ids(Call, organization_id, ids).order_by(Call.id)
        return (await session.scalars(query.with_for_update())).all()


async def _delete(
    session: AsyncSession, table: type[CallMessage] | type[CallTurn], organization_id: str, call_ids: Sequence[str]
) -> int:
    gone: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        delete(table)
        .where(owned_by(table, organization_id), table.call_id.in_(call_ids))
        .execution_options(synchronize_session=False)
    )
    return gone.rowcount
