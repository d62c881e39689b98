"""What calls kept is taken from them: when the organization's periods are over, or a caller wants to be forgotten.

Everything works in its caller's transaction, over a bounded number of calls. The rows of the calls remain, since they
are counted and billed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Text, and_, cast, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.ending import Endings
from dialtone.calls.kept import seal, unseal
from dialtone.calls.masking import masked
from dialtone.calls.paging import Position
from dialtone.calls.recordings import Recordings
from dialtone.calls.status import CONNECTING, IN_PROGRESS, RINGING
from dialtone.calls.tables import Call, CallMessage, CallTurn, KeptCall
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.forwarding import Forwarding
from dialtone.platform.tenancy import owned_by, select_owned_ids
from dialtone.tools.envelope import CallContext

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
        """The ids of calls with this caller, or that came by way of them, that are not over yet."""
        state = Call.status.in_(_LIVE)
        named = or_(Call.caller_phone == number, _forwarded_from(number))
        live = list(await session.scalars(select(Call.id).where(owned_by(Call, organization_id), named, state)))
        for how in (_CALLER, _FORWARDER):
            live += await self._kept_masked(session, organization_id, number, state, how)
        return list(dict.fromkeys(live))

    async def calls_of(self, session: AsyncSession, organization_id: str, number: str, limit: int) -> list[str]:
        """The ids of calls with this caller that are over; the ones of GDPR mode are not found by the number."""
        chosen = owned_by(Call, organization_id), Call.caller_phone == number, Call.status.not_in(_LIVE)
        return list(await session.scalars(select(Call.id).where(*chosen).limit(limit)))

    async def masked_calls_of(self, session: AsyncSession, organization_id: str, number: str) -> list[str]:
        """The ids of GDPR calls of this caller that are over and not reported yet."""
        return await self._kept_masked(session, organization_id, number, Call.status.not_in(_LIVE), _CALLER)

    async def masked_like(
        self, session: AsyncSession, organization_id: str, number: str, ids: Sequence[str]
    ) -> list[str]:
        """Those of these calls whose masked number may be this one."""
        query = select_owned_ids(Call, organization_id, ids).with_only_columns(Call.id)
        return list(await session.scalars(query.where(_CALLER.like(number))))

    async def forwarded_by(self, session: AsyncSession, organization_id: str, number: str, limit: int) -> list[str]:
        """The ids of calls that are over and that this number's telephone had sent on."""
        chosen = owned_by(Call, organization_id), _forwarded_from(number), Call.status.not_in(_LIVE)
        return list(await session.scalars(select(Call.id).where(*chosen).limit(limit)))

    async def masked_forwarded_by(self, session: AsyncSession, organization_id: str, number: str) -> list[str]:
        """The same of GDPR calls that are not reported yet."""
        state = Call.status.not_in(_LIVE)
        return await self._kept_masked(session, organization_id, number, state, _FORWARDER)

    async def masked_forwarded_like(
        self, session: AsyncSession, organization_id: str, number: str, ids: Sequence[str]
    ) -> list[str]:
        """Those of these calls that the masked number of whoever sent them on may be this one."""
        query = select_owned_ids(Call, organization_id, ids).with_only_columns(Call.id)
        return list(await session.scalars(query.where(_FORWARDER.like(number))))

    async def _kept_masked(
        self, session: AsyncSession, organization_id: str, number: str, state: ColumnElement[bool], how: "_Named"
    ) -> list[str]:
        """GDPR calls that name this number: only what is kept encrypted until their report has the whole of it."""
        kept = (
            select(KeptCall.call_id, KeptCall.kept)
            .join(Call, Call.id == KeptCall.call_id)
            .where(owned_by(KeptCall, organization_id), how.like(number), state)
        )
        found = []
        for call_id, sealed in (await session.execute(kept)).all():
            try:
                context = (await unseal(self._secrets, sealed)).context
            except SecretKeyError:
                continue
            if number in how.of(context):
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
            call.caller_phone = call.call_metadata = call.forwarded_from = None
        await session.flush()
        await _delete(session, CallTurn, organization_id, ids)

    async def forget_forwarder(
        self, session: AsyncSession, organization_id: str, ids: Sequence[str], number: str
    ) -> None:
        """That this number's telephone sent these calls on; why it did stays. Raises `SecretKeyError`."""
        for call in await self._held(session, organization_id, ids):
            call.forwarded_from = _without(call.forwarded_from or (), number, masked(number))
        of_calls = owned_by(KeptCall, organization_id), KeptCall.call_id.in_(ids)
        for row in await session.scalars(select(KeptCall).where(*of_calls).with_for_update()):
            kept = await unseal(self._secrets, row.kept)
            stripped = tuple(_without(kept.context.forwarded_from, number))
            context = replace(kept.context, forwarded_from=stripped)
            row.kept = await seal(self._secrets, replace(kept, context=context))
        await session.flush()

    async def _held(self, session: AsyncSession, organization_id: str, ids: Sequence[str]) -> Sequence[Call]:
        query = select_owned_ids(Call, organization_id, ids).order_by(Call.id)
        return (await session.scalars(query.with_for_update())).all()


@dataclass(frozen=True, slots=True)
class _Named:
    """A way in which a call names numbers."""

    like: Callable[[str], ColumnElement[bool]]
    """Whether the row of a GDPR call may name this number: its masked form is there."""
    of: Callable[[CallContext], Collection[str | None]]
    """The numbers, whole."""


def _forwarded_from(number: str) -> ColumnElement[bool]:
    written = cast(Call.forwarded_from, Text).contains(f'"{number}"', autoescape=True)
    return and_(Call.forwarded_from.is_not(None), written)


_CALLER = _Named(
    lambda number: Call.caller_phone == masked(number),
    lambda context: (context.customer_number,),
)
_FORWARDER = _Named(
    lambda number: _forwarded_from(masked(number)),
    lambda context: [each["number"] for each in context.forwarded_from],
)


def _without(forwarded_from: Sequence[Forwarding], *numbers: str) -> list[Forwarding]:
    return [
        Forwarding(number=None, reason=each["reason"]) if each["number"] in numbers else each for each in forwarded_from
    ]


async def _delete(
    session: AsyncSession, table: type[CallMessage] | type[CallTurn], organization_id: str, call_ids: Sequence[str]
) -> int:
    gone: CursorResult[Any] = await session.execute(  # type: ignore[assignment]
        delete(table)
        .where(owned_by(table, organization_id), table.call_id.in_(call_ids))
        .execution_options(synchronize_session=False)
    )
    return gone.rowcount
