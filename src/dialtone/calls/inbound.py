"""Who takes an inbound call, settled while it rings: the number's assistant, or what the customer's server says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.assistants.service import Assistants
from dialtone.byok.service import Byok
from dialtone.calls.schemas import VariableName, VariableValue
from dialtone.calls.service import Calls, ClaimedCall, EventAddress, call_context
from dialtone.conversation.journal import EndReason
from dialtone.conversation.plan import language_of
from dialtone.numbers.service import InboundNumber
from dialtone.organizations.service import Organizations
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.db import new_id
from dialtone.platform.errors import ApiError
from dialtone.platform.forwarding import Forwarding
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.platform.problems import validation_details
from dialtone.tools.envelope import CallContext
from dialtone.webhooks.asking import NoAnswerError, ask_for_assistant
from dialtone.webhooks.events import ASSISTANT_REQUEST

REJECTION_CHARACTERS = 1000
"""Of the words that are spoken to a caller who is turned away."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The call is to be answered by `call.assistant`. There is no record of it yet."""

    call: ClaimedCall
    number: InboundNumber
    notes: tuple[str, ...]
    """What an operator should know: why the customer's server was not heeded."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """The call is not to be answered, other than with `words` where there are any."""

    call_id: str
    organization_id: str
    number: InboundNumber
    end_reason: EndReason
    words: str | None
    language: str | None = None
    """Of the number's own assistant."""
    forwarded_from: tuple[Forwarding, ...] = ()


class AssistantReply(BaseModel):
    """What a customer's server may answer; all of it may be left out."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    error: Annotated[str, StringConstraints(min_length=1)] | None = None
    assistant: dict[str, Any] | None = Field(default=None, validation_alias=AliasChoices("assistant", "agent"))
    assistant_id: str | None = Field(default=None, validation_alias=AliasChoices("assistant_id", "agent_id"))
    assistant_override: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("assistant_override", "agent_config")
    )
    max_duration_seconds: int | None = None
    variables: dict[VariableName, VariableValue] = Field(default_factory=dict, max_length=100)

    def blocks(self) -> dict[str, Any]:
        """The top-level fields that it puts in place of an assistant's own."""
        duration = {} if self.max_duration_seconds is None else {"max_duration_seconds": self.max_duration_seconds}
        return {**(self.assistant or {}), **(self.assistant_override or {}), **duration}


class Inbound:
    def __init__(
        self,
        calls: Calls,
        organizations: Organizations,
        assistants: Assistants,
        byok: Byok,
        http: GuardedHttp,
    ) -> None:
        self._calls = calls
        self._organizations = organizations
        self._assistants = assistants
        self._byok = byok
        self._http = http

    async def decide(
        self, number: InboundNumber, caller: str | None, forwarded_from: tuple[Forwarding, ...] = ()
    ) -> Acceptance | Rejection | None:
        """Who takes a call from `caller` (None: withheld) to `number`, to which others may have sent it on; None where
        nothing is configured.

        Takes 5 seconds at most, and the database's time. Raises `crypto.SecretKeyError`.
        """
        ringing = _Ringing(new_id(), number, caller, forwarded_from)
        try:
            await self._organizations.require_credit(number.organization_id)
        except ApiError:
            language = _language(await self._saved(number))
            return ringing.rejected("insufficient_credits", None, language)
        saved = await self._saved(number)
        address = await self._calls.address(number.organization_id, saved)
        reply, notes = await self._ask(ringing, saved, address)
        if reply.error is not None:
            words = reply.error[:REJECTION_CHARACTERS]
            return ringing.rejected("rejected", words, _language(saved))
        assistant = saved
        try:
            assistant = await self._resolve(number, saved, reply)
        except ApiError as problem:
            reply = AssistantReply()
            notes.append(_not_heeded("; ".join(problem.details or [problem.message or problem.error])))
        if assistant is None:
            return None
        if assistant is not saved:
            address = await self._calls.address(number.organization_id, assistant)
        return await self._accepted(ringing, assistant, address, reply.variables, notes)

    async def in_gdpr_mode(self, number: InboundNumber) -> bool:
        """Whether the number's assistant, active or not, has numbers masked. Where that can't be told it has."""
        if number.assistant_id is None:
            return False
        try:
            return (await self._assistants.resolve(number.organization_id, number.assistant_id)).gdpr_mode
        except ApiError:  # deleted in this very moment
            return False
        except SecretKeyError:
            return True

    async def _saved(self, number: InboundNumber) -> ResolvedAssistant | None:
        """The number's own assistant; None where it has none, or one that is not active."""
        if number.assistant_id is None:
            return None
        try:
            assistant = await self._assistants.resolve(number.organization_id, number.assistant_id)
        except ApiError:  # deleted in this very moment
            return None
        return assistant if assistant.is_active else None

    async def _ask(
        self, ringing: "_Ringing", saved: ResolvedAssistant | None, address: EventAddress
    ) -> tuple[AssistantReply, list[str]]:
        """The reply of the customer's server, and notes on what was wrong with it; an empty one where none is asked."""
        url, secret = address
        if url is None or (saved is not None and ASSISTANT_REQUEST not in saved.webhook_events):
            return AssistantReply(), []
        context = ringing.described(
            CallContext(ringing.call_id, "inbound_phone_call", None, "ringing", webhook_url=url, webhook_secret=secret)
        )
        try:
            document = await ask_for_assistant(context, self._http)
            return AssistantReply.model_validate(document), []
        except NoAnswerError as problem:
            return AssistantReply(), [_not_heeded(str(problem))]
        except ValidationError as problem:
            return AssistantReply(), [_not_heeded("; ".join(validation_details(problem.errors())))]

    async def _resolve(
        self, number: InboundNumber, saved: ResolvedAssistant | None, reply: AssistantReply
    ) -> ResolvedAssistant | None:
        """The assistant that the reply means. Raises `ApiError` where there is no such one, or it breaks rules."""
        blocks = reply.blocks()
        assistant_id = reply.assistant_id or (None if saved is None else saved.id)
        if assistant_id is None:
            transient = blocks if reply.assistant is not None else None
            return None if transient is None else await self._resolved(number, blocks, transient=transient)
        if reply.assistant_id is None and not blocks:
            return saved
        return await self._resolved(number, blocks, assistant_id=assistant_id, override=blocks or None)

    async def _resolved(self, number: InboundNumber, blocks: Mapping[str, Any], **how: Any) -> ResolvedAssistant:
        assistant = await self._assistants.resolve(number.organization_id, **how)
        if not assistant.is_active:
            raise ApiError(409, "assistant_inactive", "Assistant is not active", "the assistant is not active")
        # Whatever else the server said of the assistant comes back to it in every later event.
        echoed = {name: value for name, value in blocks.items() if _is_unknown(name, assistant.ignored)}
        return replace(assistant, public={**assistant.public, **echoed}) if echoed else assistant

    async def _accepted(
        self,
        ringing: "_Ringing",
        assistant: ResolvedAssistant,
        address: EventAddress,
        variables: Mapping[str, str],
        notes: list[str],
    ) -> Acceptance:
        owner, call_id = ringing.number.organization_id, ringing.call_id
        own_keys = await self._byok.own_keys(owner)
        context = call_context(call_id, "inbound_phone_call", assistant, address)
        if assistant.gdpr_mode and notes:
            notes = ["The assistant-request was not heeded."]  # what was wrong with the reply may quote it
        call = ClaimedCall(call_id, owner, assistant, variables, own_keys, ringing.described(context))
        return Acceptance(call, ringing.number, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Ringing:
    """A call that nobody has taken yet."""

    call_id: str
    number: InboundNumber
    caller: str | None
    forwarded_from: tuple[Forwarding, ...]

    def rejected(self, end_reason: EndReason, words: str | None, language: str | None) -> Rejection:
        owner = self.number.organization_id
        return Rejection(self.call_id, owner, self.number, end_reason, words, language, self.forwarded_from)

    def described(self, context: CallContext) -> CallContext:
        """`context` with who calls whom."""
        return replace(
            context,
            phone_number_id=self.number.id,
            phone_number=self.number.phone_number,
            phone_number_name=self.number.name,
            customer_number=self.caller,
            forwarded_from=self.forwarded_from,
        )


def _language(assistant: ResolvedAssistant | None) -> str | None:
    return None if assistant is None else language_of(assistant.stt_config, assistant.tts_config)


def _not_heeded(why: str) -> str:
    return f"The assistant-request was not heeded: {why}"


def _is_unknown(name: str, ignored: tuple[str, ...]) -> bool:
    return f"assistant_override.{name}" in ignored or f"assistant.{name}" in ignored
