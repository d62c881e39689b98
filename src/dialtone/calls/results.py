"""What is found out about a call once it is over: written to its row, unless GDPR mode forbids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.costs import Told
from dialtone.calls.ending import EndedCall
from dialtone.calls.tables import Call, CallMessage
from dialtone.platform.db import now
from dialtone.platform.tenancy import change_owned, get_owned, given, owned_by

_FOUND_OUT = change_owned(Call, "summary", "analysis", "analysis_error", "updated_at")

MOST_NOTES = 200
NOTE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Results:
    summary: str | None = None
    analysis: Mapping[str, Any] | None = None
    error: str | None = None
    """Why something is missing, in words without content."""
    messages: Sequence[Mapping[str, Any]] | None = None
    """A better transcript, in place of the one that was taken down live."""
    costs: Sequence[Told] = ()
    """What finding out used of vendors, see `costs.Costing`."""


def assistant_of(ended: EndedCall) -> Mapping[str, Any]:
    """The resolved assistant that had the call, secrets masked."""
    assistant = ended.kept.context.assistant
    assert assistant is not None, "whatever is kept of a call has its assistant"
    return assistant


async def store(session: AsyncSession, ended: EndedCall, results: Results) -> EndedCall:
    """Keep the results with the call. Returns the call as it is to be reported."""
    new: dict[str, Any] = {"summary": None, "analysis": None, "analysis_error": results.error}
    if not ended.kept.gdpr_mode:
        new["summary"] = results.summary
        new["analysis"] = None if results.analysis is None else dict(results.analysis)
        if results.messages is not None:
            await _replace_messages(session, ended, results.messages)
    if any(value is not None for value in new.values()):
        await session.execute(_FOUND_OUT, given(ended.organization_id, ended.call.id, **new, updated_at=now()))
    for statement, told in results.costs:
        await session.execute(statement, told)
    return ended if results.messages is None else replace(ended, messages=results.messages)


async def _replace_messages(session: AsyncSession, ended: EndedCall, messages: Sequence[Mapping[str, Any]]) -> None:
    call, moment = ended.call, now()
    await session.execute(
        delete(CallMessage).where(owned_by(CallMessage, ended.organization_id), CallMessage.call_id == call.id)
    )
    rows = [
        {
            "call_id": call.id,
            "organization_id": ended.organization_id,
            "position": position,
            "role": message["role"],
            "content": message["content"],
            "created_at": moment,
        }
        for position, message in enumerate(messages)
    ]
    if rows:
        await session.execute(insert(CallMessage), rows)


async def add_note(session: AsyncSession, organization_id: str, call_id: str, text: str) -> None:
    """Tell an operator something about a call that is over; without content."""
    call = await get_owned(session, Call, organization_id, call_id, lock=True)
    if call is not None and len(call.notes) < MOST_NOTES:
        call.notes = [*call.notes, text[:NOTE_CHARACTERS]]
