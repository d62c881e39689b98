"""The rules of calls: handing out tokens, taking them back once, and reading calls."""

import hashlib
import json
import secrets as random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, Table, and_, delete, func, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.assistants.service import Assistants
from dialtone.byok.service import Byok
from dialtone.calls.ending import End, Endings
from dialtone.calls.inbound_records import InboundRecords
from dialtone.calls.kept import Kept
from dialtone.calls.masking import masked, masked_forwardings, who_called
from dialtone.calls.outbound_schemas import OutboundCallRequest
from dialtone.calls.plans import wants_consent
from dialtone.calls.schemas import AssistantChoice, WebCallRequest
from dialtone.calls.status import CONNECTING, ENDED, FAILED, IN_PROGRESS, REJECTED, RINGING
from dialtone.calls.tables import Call, CallMessage, CallTurn, CallUsage, KeptCall, WebCallToken
from dialtone.calls.writer import Steps, Work
from dialtone.numbers.service import InboundNumber, OutboundNumber
from dialtone.organizations.credit import charge
from dialtone.organizations.service import Organizations
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database, new_id, now
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.fields import ignored_fields
from dialtone.platform.forwarding import Forwarding
from dialtone.platform.tenancy import get_owned, owned_by, select_owned_ids, update_owned
from dialtone.providers.factory import OwnKey
from dialtone.tools.envelope import CallContext, CallType
from dialtone.webhooks.service import Webhooks

_INSERT = insert(cast(Table, Call.__table__))
"""Made once, like all that every call takes."""

TOKEN_SECONDS = 60
UNUSED_SECONDS = TOKEN_SECONDS + 60
"""A call that nobody came to for this long has failed."""
CALLS_AT_ONCE = 20
"""Calls whose messages are read together, so that a long list never holds up live calls."""

EventAddress = tuple[str | None, str | None]
"""The URL that a call's events go to, and what signs them."""


@dataclass(frozen=True, slots=True)
class NewWebCall:
    call_id: str
    token: str
    expires_at: datetime
    ignored: tuple[str, ...]
    """Paths of the request's fields that had no effect."""


@dataclass(frozen=True, slots=True)
class ClaimedCall:
    call_id: str
    organization_id: str
    assistant: ResolvedAssistant
    variables: Mapping[str, str]
    own_keys: Mapping[str, OwnKey]
    """The organization's own keys of vendors, as they were when the call began."""
    context: CallContext
    """The call as its events show it, and where they go."""


@dataclass(frozen=True, slots=True)
class CallPlace:
    call_id: str
    node: str
    """The process that the call lives in."""
    status: str


class ClaimError(Exception):
    """The token opens nothing, or its call can't begin. `str()` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class CallDetails:
    """A call with its messages, turns and use of vendors, as rows in order."""

    call: Call
    messages: list[Mapping[str, Any]] = field(default_factory=list)
    turns: list[Mapping[str, Any]] = field(default_factory=list)
    usage: list[Mapping[str, Any]] = field(default_factory=list)


def call_context(call_id: str, call_type: CallType, assistant: ResolvedAssistant, address: EventAddress) -> CallContext:
    """The call as its events show it, and where they go."""
    url, secret = address
    return CallContext(
        call_id=call_id,
        call_type=call_type,
        assistant=assistant.public,
        webhook_url=url,
        webhook_secret=secret,
        webhook_events=tuple(sorted(assistant.webhook_events)),
    )


class Calls:
    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        organizations: Organizations,
        assistants: Assistants,
        byok: Byok,
        webhooks: Webhooks,
        endings: Endings,
        node: str,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._organizations = organizations
        self._assistants = assistants
        self._byok = byok
        self._webhooks = webhooks
        self._endings = endings
        self._inbound_records = InboundRecords(database)
        self._node = node

    # Web calls

    async def create_web_call(self, organization_id: str, request: WebCallRequest) -> NewWebCall:
        """Prepare a call and hand out its token. Raises `ApiError` where the assistant can't take it, or there are no
        minutes for it.
        """
        await self._organizations.require_credit(organization_id)
        assistant = _with_metadata(await self.resolve(organization_id, request), request.metadata)
        token = f"wc_{random.token_urlsafe(32)}"
        call = Call(
            id=new_id(),
            organization_id=organization_id,
            node=self._node,
            status=CONNECTING,
            direction="web",
            assistant_id=assistant.id,
            assistant_name=assistant.name or None,
            business_name=assistant.business_name,
            call_metadata=_kept_metadata(assistant),
            notes=[],
        )
        asked = request.model_dump(include=set(AssistantChoice.model_fields), exclude_none=True)
        expires_at = now() + timedelta(seconds=TOKEN_SECONDS)
        async with self._database.write() as session:
            session.add(call)
            await session.flush()
            session.add(
                WebCallToken(
                    hash=_hash(token),
                    call_id=call.id,
                    organization_id=organization_id,
                    request=self._secrets.encrypt(json.dumps(asked)),
                    expires_at=expires_at,
                )
            )
        return NewWebCall(call.id, token, expires_at, (*ignored_fields(request), *assistant.ignored))

    async def claim(self, token: str) -> ClaimedCall:
        """Take a token back; of several who try, one succeeds. From then on the call ends with a report, whatever
        happens to this process. Raises `ClaimError`.
        """
        async with self._database.read() as session:
            row = await session.get(WebCallToken, _hash(token))
        if row is None:
            raise _used()
        if row.expires_at <= now():
            await self._fail(row, "no_answer", "The web call's token expired before it was used.")
            raise ClaimError("token_expired", f"This token has expired; it is good for {TOKEN_SECONDS} seconds.")
        try:
            request = WebCallRequest.model_validate_json(self._secrets.decrypt(row.request))
            assistant = _with_metadata(await self.resolve(row.organization_id, request), request.metadata)
            own_keys = await self._byok.own_keys(row.organization_id)
            context = call_context(
                row.call_id, "web_call", assistant, await self.address(row.organization_id, assistant)
            )
        except (ApiError, SecretKeyError) as problem:
            words = problem.message or problem.error if isinstance(problem, ApiError) else str(problem)
            await self._fail(row, "error", words)
            raise ClaimError("assistant_unavailable", words) from None
        async with self._database.write() as session:
            await self._take(session, row)
            await session.execute(update_owned(Call, row.organization_id, row.call_id).values(node=self._node))
            await self._endings.keep(session, row.organization_id, Kept.of(context, assistant))
        return ClaimedCall(row.call_id, row.organization_id, assistant, request.variables, own_keys, context)

    async def resolve(self, organization_id: str, request: AssistantChoice) -> ResolvedAssistant:
        """The assistant that a call is for. Raises `ApiError` where it can't take the call."""
        assistant = await self._assistants.resolve(
            organization_id, request.assistant_id, request.assistant_override, request.assistant
        )
        if not assistant.is_active:
            raise ApiError(
                409,
                "assistant_inactive",
                "Assistant is not active",
                "Set is_active of the assistant to true to let it take calls.",
            )
        return assistant

    async def address(self, organization_id: str, assistant: ResolvedAssistant | None) -> tuple[str | None, str | None]:
        """Where the events of a call go, which `assistant` takes if anybody, and what signs them.

        Raises `crypto.SecretKeyError`.
        """
        own = (None, None) if assistant is None else (assistant.webhook_url, assistant.webhook_secret)
        return await self._webhooks.address(organization_id, *own)

    # Outbound calls

    async def create_outbound_call(
        self, organization_id: str, request: OutboundCallRequest, assistant: ResolvedAssistant, number: OutboundNumber
    ) -> ClaimedCall:
        """A call that is about to be placed from `number`. Whoever places it tells how it goes on."""
        assistant = _with_metadata(assistant, request.metadata)
        own_keys = await self._byok.own_keys(organization_id)
        call = Call(
            id=new_id(),
            organization_id=organization_id,
            node=self._node,
            status=CONNECTING,
            direction="outbound",
            caller_phone=masked(request.destination) if assistant.gdpr_mode else request.destination,
            assistant_phone=masked(number.phone_number) if assistant.gdpr_mode else number.phone_number,
            number_id=number.id,
            assistant_id=assistant.id,
            assistant_name=assistant.name or None,
            business_name=assistant.business_name,
            call_metadata=_kept_metadata(assistant),
            notes=[],
        )
        context = replace(
            call_context(call.id, "outbound_phone_call", assistant, await self.address(organization_id, assistant)),
            phone_number_id=number.id,
            phone_number=number.phone_number,
            phone_number_name=number.name,
            customer_number=request.destination,
        )
        async with self._database.write() as session:
            session.add(call)
            await session.flush()
            await self._endings.keep(session, organization_id, Kept.of(context, assistant))
        return ClaimedCall(call.id, organization_id, assistant, request.variables, own_keys, context)

    # Inbound calls

    async def create_inbound_call(
        self,
        call: ClaimedCall,
        number: InboundNumber,
        notes: Sequence[str],
        also: Work | None = None,
    ) -> None:
        """The record of a call that is about to be answered. Of a caller who is asked for consent it says nothing.
        `also` is done in the same transaction; what it raises leaves no record.
        """
        assistant = call.assistant
        who = who_called(call.context, masks=assistant.gdpr_mode)
        row = {
            "id": call.call_id,
            "organization_id": call.organization_id,
            "node": self._node,
            "status": RINGING,
            "direction": "inbound",
            **(dict.fromkeys(who) if wants_consent(assistant) else who),
            "assistant_phone": masked(number.phone_number) if assistant.gdpr_mode else number.phone_number,
            "number_id": number.id,
            "assistant_id": assistant.id,
            "assistant_name": assistant.name or None,
            "business_name": assistant.business_name,
            "metadata": _kept_metadata(assistant),
            "notes": list(notes),
        }
        keeping = await self._endings.keeping(call.organization_id, Kept.of(call.context, assistant))
        await self._inbound_records.write(call.call_id, (_INSERT, row), keeping, *([] if also is None else [also]))

    async def close(self) -> None:
        await self._inbound_records.close()

    async def create_rejected_call(
        self,
        call_id: str,
        number: InboundNumber,
        caller: str | None,
        end_reason: str,
        error: str,
        also: tuple[Steps, Any] | None = None,
        forwarded_from: Sequence[Forwarding] = (),
    ) -> None:
        """The record of a call that was turned away. Which assistant's rules for content hold was never settled, so
        all callers' numbers are masked. `also` is done as in `create_inbound_call`.
        """
        at = now()
        row = Call(
            id=call_id,
            organization_id=number.organization_id,
            node=self._node,
            status=REJECTED,
            direction="inbound",
            caller_phone=None if caller is None else masked(caller),
            forwarded_from=masked_forwardings(forwarded_from) or None,
            assistant_phone=number.phone_number,
            number_id=number.id,
            assistant_id=number.assistant_id,
            end_reason=end_reason,
            error=error,
            ended_at=at,
            notes=[],
        )
        async with self._database.write() as session:
            session.add(row)
            if also is not None:
                await session.flush()
                step, given = also
                await step(session, [given])

    # For live calls

    async def place(self, organization_id: str, call_id: str) -> CallPlace:
        """Where a call is. Raises `ApiError` (404)."""
        async with self._database.read() as session:
            call = await get_owned(session, Call, organization_id, call_id)
        if call is None:
            raise not_found("call")
        return CallPlace(call.id, call.node, call.status)

    # Reading

    async def get(self, organization_id: str, call_id: str) -> CallDetails:
        """One call. Raises `ApiError` (404)."""
        async with self._database.read() as session:
            call = await get_owned(session, Call, organization_id, call_id)
            if call is None:
                raise not_found("call")
            return (await _with_details(session, organization_id, [call]))[0]

    async def details(self, organization_id: str, ids: Sequence[str]) -> AsyncIterator[list[CallDetails]]:
        """The calls with these ids in order, a few at a time."""
        for start in range(0, len(ids), CALLS_AT_ONCE):
            some = ids[start : start + CALLS_AT_ONCE]
            async with self._database.read() as session:
                query = select_owned_ids(Call, organization_id, some)
                calls = {call.id: call for call in (await session.scalars(query)).all()}
                found = [calls[call_id] for call_id in some if call_id in calls]
                details = await _with_details(session, organization_id, found)
            # Not inside: whoever reads the list slowly must not hold a connection to the database.
            yield details

    # Calls that nobody will end

    async def fail_unused(self) -> None:
        """End the calls whose tokens nobody used, and forget the tokens."""
        latest = now() - timedelta(seconds=UNUSED_SECONDS)
        async with self._database.write() as session:
            await session.execute(delete(WebCallToken).where(WebCallToken.expires_at < now()))
            over = _failed("no_answer", "Nobody connected with the web call's token in time.")
            unused = Call.status == CONNECTING, Call.direction == "web", Call.created_at < latest
            failed = await session.scalars(update(Call).where(*unused).values(**over).returning(Call.id))
            # The token of some was taken, and its holder left before the call began.
            await session.execute(delete(KeptCall).where(KeptCall.call_id.in_(failed.all())))

    async def end_left_open(self, recorded_seconds: Callable[[str], float | None], node: str | None = None) -> None:
        """End the calls that an earlier run of this node was holding when it stopped, or another `node` that is lost.

        How long they lasted is told best by their recordings, whose length `recorded_seconds` gives. One transaction
        each, so that a node that held many keeps nobody waiting.
        """
        node = node or self._node
        while await self._end_unanswered(node) or await self._end_answered(node, recorded_seconds):
            pass

    async def _end_unanswered(self, node: str) -> bool:
        """Was there one?"""
        async with self._database.write() as session:
            dialing = left_open(node).where(Call.status != IN_PROGRESS)
            call = await session.scalar(dialing.limit(1).with_for_update(skip_locked=True))
            if call is None:
                return False
            for name, value in _failed("server_shutdown", "The server stopped before anybody answered.").items():
                setattr(call, name, value)
            await session.flush()
            await self._endings.ended(session, [End(call.organization_id, call.id)])
        return True

    async def _end_answered(self, node: str, recorded_seconds: Callable[[str], float | None]) -> bool:
        """Was there one?"""
        async with self._database.write() as session:
            answered = left_open(node).where(Call.status == IN_PROGRESS)
            call = await session.scalar(answered.limit(1).with_for_update(skip_locked=True))
            if call is None:
                return False
            spoken = select(func.max(CallMessage.created_at)).where(CallMessage.call_id == call.id)
            last_sign = max(filter(None, (await session.scalar(spoken), call.updated_at)))
            if call.started_at is not None and call.recording is not None:
                recorded = recorded_seconds(call.recording) or 0.0
                last_sign = max(last_sign, call.started_at + timedelta(seconds=recorded))
            call.status = ENDED
            call.end_reason = "server_shutdown"
            call.error = "The server stopped while the call was running."
            call.ended_at = last_sign
            if call.started_at is not None:
                call.duration_seconds = max(0, round((last_sign - call.started_at).total_seconds()))
                await session.execute(charge(call.organization_id, call.duration_seconds, true()))
            await session.flush()
            await self._endings.ended(session, [End(call.organization_id, call.id)])
        return True

    async def _fail(self, token: WebCallToken, end_reason: str, error: str) -> None:
        """Raises `ClaimError` where somebody else had the token before."""
        async with self._database.write() as session:
            await self._take(session, token)
            of_call = update_owned(Call, token.organization_id, token.call_id)
            await session.execute(of_call.values(**_failed(end_reason, error)))

    async def _take(self, session: AsyncSession, token: WebCallToken) -> None:
        """Raises `ClaimError` where somebody else had the token before."""
        gone = delete(WebCallToken).where(WebCallToken.hash == token.hash).returning(WebCallToken.hash)
        if await session.scalar(gone) is None:
            raise _used()


def _used() -> ClaimError:
    return ClaimError("invalid_token", "This token is unknown or was used before; every call needs its own.")


def _with_metadata(assistant: ResolvedAssistant, metadata: Mapping[str, Any] | None) -> ResolvedAssistant:
    """The assistant with what the customer attached to the call, which comes back in its events."""
    whole = {**assistant.metadata, **(metadata or {})}
    return replace(assistant, metadata=whole, public={**assistant.public, "metadata": whole}) if whole else assistant


def _kept_metadata(assistant: ResolvedAssistant) -> dict[str, Any] | None:
    """What the call's row keeps of it. Nothing in GDPR mode: it may be the caller's name, or their number."""
    return None if assistant.gdpr_mode else dict(assistant.metadata) or None


def left_open(node: Any) -> Select[Any]:
    """The calls that a node is holding, or was when it stopped. Web calls that nobody came to fail by themselves."""
    claimed = select(KeptCall.call_id).where(KeptCall.call_id == Call.id).exists()
    unanswered = and_(Call.status.in_((CONNECTING, RINGING)), or_(Call.direction == "outbound", claimed))
    return select(Call).where(Call.node == node, or_(Call.status == IN_PROGRESS, unanswered))


def _failed(end_reason: str, error: str) -> dict[str, Any]:
    at = now()
    return {"status": FAILED, "end_reason": end_reason, "error": error, "ended_at": at, "updated_at": at}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def _with_details(session: AsyncSession, organization_id: str, calls: Sequence[Call]) -> list[CallDetails]:
    details = {call.id: CallDetails(call) for call in calls}
    messages = (
        select(CallMessage.call_id, CallMessage.role, CallMessage.content)
        .where(owned_by(CallMessage, organization_id), CallMessage.call_id.in_(details))
        .order_by(CallMessage.call_id, CallMessage.position)
    )
    for row in (await session.execute(messages)).mappings():
        details[row["call_id"]].messages.append(dict(row))
    turns = (
        select(CallTurn.__table__)
        .where(owned_by(CallTurn, organization_id), CallTurn.call_id.in_(details))
        .order_by(CallTurn.call_id, CallTurn.position)
    )
    for row in (await session.execute(turns)).mappings():
        details[row["call_id"]].turns.append(dict(row))
    usage = (
        select(CallUsage.__table__)
        .where(owned_by(CallUsage, organization_id), CallUsage.call_id.in_(details))
        .order_by(CallUsage.call_id, CallUsage.role)
    )
    for row in (await session.execute(usage)).mappings():
        details[row["call_id"]].usage.append(dict(row))
    return list(details.values())
