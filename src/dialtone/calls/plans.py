"""From a resolved assistant to the plan of one call."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.conversation.plan import BackgroundPlan, CallPlan, KeypadPlan, SilencePlan, TurnTaking
from dialtone.platform.forwarding import Forwarding
from dialtone.providers import catalog
from dialtone.providers.catalog_types import Block
from dialtone.tools.envelope import CallContext


def may_record(assistant: ResolvedAssistant, *, recording: bool, asks_consent: bool = False) -> bool:
    """Whether a call is recorded: never in GDPR mode; where the caller would have to consent, only if the call
    `asks_consent`, as inbound phone calls do.
    """
    return recording and not assistant.gdpr_mode and (asks_consent or not wants_consent(assistant))


def wants_consent(assistant: ResolvedAssistant) -> bool:
    """Whether an inbound caller is asked first."""
    return assistant.recording_consent is not None and assistant.recording_consent.enabled


def own_keys_used(assistant: ResolvedAssistant, vendors: Collection[str]) -> dict[str, bool]:
    """Which parts of the call run on the organization's own keys, which it has of `vendors`; by column."""
    blocks: dict[Block, Mapping[str, Any] | None] = {
        "stt": assistant.stt_config,
        "llm": assistant.llm_config,
        "tts": assistant.tts_config,
    }
    return {f"byok_{block}": catalog.uses_key_of(block, config, vendors) for block, config in blocks.items()}


def web_call_plan(
    call_id: str,
    organization_id: str,
    assistant: ResolvedAssistant,
    variables: Mapping[str, str],
    recording_path: Path | None,
) -> CallPlan:
    """The plan of a web call."""
    turns, silence, keypad = assistant.turn_taking, assistant.silence, assistant.keypad
    background = assistant.background_audio
    return CallPlan(
        call_id=call_id,
        organization_id=organization_id,
        stt_config=assistant.stt_config,
        llm_config=assistant.llm_config,
        tts_config=assistant.tts_config,
        assistant_id=assistant.id,
        assistant_name=assistant.name,
        assistant=assistant.public,
        first_message=assistant.first_message,
        end_call_message=assistant.end_call_message,
        end_call_phrases=assistant.end_call_phrases,
        turn_taking=TurnTaking(
            endpointing_min_delay=turns.endpointing_min_delay,
            endpointing_max_delay=turns.endpointing_max_delay,
            interruption_min_duration=turns.interruption_min_duration,
            interruption_min_words=turns.interruption_min_words,
            false_interruption_timeout=turns.false_interruption_timeout,
        ),
        silence=SilencePlan(
            enabled=assistant.autonomous_silence_handling,
            messages=tuple(silence.messages or ()),
            final_message=silence.final_message,
            first_check_seconds=assistant.first_check_seconds,
            interval_seconds=silence.interval_seconds,
            max_attempts=silence.max_attempts,
        ),
        keypad=KeypadPlan(keypad.terminator, keypad.timeout_seconds, keypad.max_digits, keypad.interrupts),
        background=BackgroundPlan(background.clip, background.volume) if background.enabled else None,
        pronunciation=assistant.pronunciation,
        max_duration_seconds=float(assistant.max_duration_seconds),
        recording_path=recording_path,
        keep_content=not assistant.gdpr_mode,
        variables=variables,
    )


def with_webhook(plan: CallPlan, context: CallContext) -> CallPlan:
    """The plan with what its events show, and where they go."""
    return replace(
        plan,
        number_id=context.phone_number_id,
        number_name=context.phone_number_name,
        webhook_url=context.webhook_url,
        webhook_secret=context.webhook_secret,
        webhook_events=context.webhook_events,
    )


def inbound_call_plan(
    call_id: str,
    organization_id: str,
    assistant: ResolvedAssistant,
    variables: Mapping[str, str],
    recording_path: Path | None,
    *,
    caller: str | None,
    called: str,
    forwarded_from: tuple[Forwarding, ...] = (),
) -> CallPlan:
    """The plan of a phone call from `caller` (None: withheld) to the number `called`. Where the assistant asks for
    consent, nothing else happens before it is given.
    """
    consent = assistant.recording_consent
    return replace(
        web_call_plan(call_id, organization_id, assistant, variables, recording_path),
        direction="inbound",
        early_message=assistant.early_message,
        caller_number=caller,
        assistant_number=called,
        forwarded_from=forwarded_from,
        consent_message=consent.message if consent is not None and wants_consent(assistant) else None,
    )


def outbound_call_plan(
    call_id: str,
    organization_id: str,
    assistant: ResolvedAssistant,
    variables: Mapping[str, str],
    recording_path: Path | None,
    *,
    first_message: str | None,
    destination: str,
    caller_number: str,
) -> CallPlan:
    """The plan of a call that we have placed from `caller_number`. The called party is the call's caller in all that
    assistants and webhooks are told, whoever dialled.
    """
    if first_message is None:
        first_message = assistant.first_message_outbound or assistant.first_message
    return replace(
        web_call_plan(call_id, organization_id, assistant, variables, recording_path),
        direction="outbound",
        first_message=first_message,
        caller_number=destination,
        assistant_number=caller_number,
    )
