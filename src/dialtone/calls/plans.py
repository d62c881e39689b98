"""From a resolved assistant to the plan of one call."""

from collections.abc import Mapping
from pathlib import Path

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.conversation.plan import BackgroundPlan, CallPlan, SilencePlan, TurnTaking


def may_record(assistant: ResolvedAssistant, *, recording: bool) -> bool:
    """Whether a web call is recorded: never in GDPR mode, nor where the caller would have to consent first, which a
    web call does not ask for.
    """
    consent = assistant.recording_consent
    return recording and not assistant.gdpr_mode and not (consent is not None and consent.enabled)


def web_call_plan(
    call_id: str,
    organization_id: str,
    assistant: ResolvedAssistant,
    variables: Mapping[str, str],
    recording_path: Path | None,
) -> CallPlan:
    """The plan of a web call."""
    turns, silence, background = assistant.turn_taking, assistant.silence, assistant.background_audio
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
        background=BackgroundPlan(background.clip, background.volume) if background.enabled else None,
        pronunciation=assistant.pronunciation,
        max_duration_seconds=float(assistant.max_duration_seconds),
        recording_path=recording_path,
        keep_content=not assistant.gdpr_mode,
        webhook_url=assistant.webhook_url,
        webhook_secret=assistant.webhook_secret,
        webhook_events=tuple(sorted(assistant.webhook_events)),
        variables=variables,
    )
