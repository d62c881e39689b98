"""What of an assistant reaches the plan of a call."""

from pathlib import Path
from typing import Any

import pytest

from dialtone.assistants.blocks import Vendors
from dialtone.assistants.preparing import Preparer
from dialtone.assistants.resolving import ResolvedAssistant, Resolver
from dialtone.calls.plans import inbound_call_plan, may_record, outbound_call_plan, web_call_plan
from dialtone.conversation.placeholders import values_of
from dialtone.conversation.plan import BackgroundPlan, KeypadPlan
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import now
from dialtone.platform.forwarding import Forwarding
from dialtone.platform.placeholders import BUILT_INS


def _assistant(**fields: Any) -> ResolvedAssistant:
    secrets = Secrets(["key"])
    return Resolver(Preparer(secrets, Vendors(frozenset(), frozenset())), secrets).transient(
        {
            "llm_config": {"provider": "openai", "model": "gpt-4.1-mini"},
            "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
            "tts_config": {"provider": "elevenlabs", "voice_id": "v"},
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("given", "planned"),
    [
        (None, None),
        ({"clip": "city"}, None),
        ({"enabled": True}, BackgroundPlan("office", 0.3)),
        ({"enabled": True, "clip": "crowded_room", "volume": 0.05}, BackgroundPlan("crowded_room", 0.05)),
    ],
)
def test_background_audio_is_planned_where_it_is_enabled(
    given: dict[str, Any] | None, planned: BackgroundPlan | None
) -> None:
    assistant = _assistant(speech_config={"background_audio": given} if given else None)
    assert web_call_plan("c", "o", assistant, {}, None).background == planned


def test_the_keypad_is_planned_as_it_is_set() -> None:
    assert web_call_plan("c", "o", _assistant(), {}, None).keypad == KeypadPlan()
    keypad = {"terminator": "*", "timeout_seconds": 5, "max_digits": 4, "interrupts": False}
    planned = web_call_plan("c", "o", _assistant(speech_config={"keypad": keypad}), {}, None).keypad
    assert planned == KeypadPlan("*", 5, 4, False)


CONSENT = {"enabled": True, "message": "Press 1 to agree."}


@pytest.mark.parametrize(
    ("consent", "asked"),
    [(None, None), ({**CONSENT, "enabled": False}, None), (CONSENT, "Press 1 to agree.")],
)
def test_only_inbound_phone_calls_ask_for_consent(consent: dict[str, Any] | None, asked: str | None) -> None:
    assistant = _assistant(recording_consent=consent)
    path = Path("call.wav")
    inbound = inbound_call_plan("c", "o", assistant, {}, path, caller="+31623731537", called="+31201234567")
    assert (inbound.direction, inbound.consent_message, inbound.recording_path) == ("inbound", asked, path)
    assert (inbound.caller_number, inbound.assistant_number) == ("+31623731537", "+31201234567")
    numbers = {"destination": "+31623731537", "caller_number": "+31201234567"}
    outbound = outbound_call_plan("c", "o", assistant, {}, path, first_message=None, **numbers)
    assert outbound.consent_message is None
    assert web_call_plan("c", "o", assistant, {}, path).consent_message is None


def test_placeholders_name_whoever_was_called_first() -> None:
    first: Forwarding = {"number": "+31207654321", "reason": "no-answer"}
    second: Forwarding = {"number": "+31207654322", "reason": "user-busy"}
    for forwarded_from, expected in (
        ((first, second), ("+31207654321", "no-answer")),
        (({"number": None, "reason": "away"}, second), ("", "away")),
        ((), ("", "")),
    ):
        numbers = {"caller": None, "called": "+31201234567", "forwarded_from": forwarded_from}
        plan = inbound_call_plan("c", "o", _assistant(), {}, None, **numbers)  # type: ignore[arg-type]
        values = values_of(plan, now())
        assert (values["forwarded_from"], values["forwarding_reason"]) == expected
        assert set(values) == set(BUILT_INS)


@pytest.mark.parametrize(
    ("fields", "asking", "others"),
    [
        ({}, True, True),
        ({"recording_consent": CONSENT}, True, False),
        ({"recording_consent": {**CONSENT, "enabled": False}}, True, True),
        ({"recording_consent": CONSENT, "gdpr_mode": True}, False, False),
    ],
)
def test_what_needs_consent_is_recorded_only_where_it_is_asked_for(
    fields: dict[str, Any], asking: bool, others: bool
) -> None:
    assistant = _assistant(**fields)
    assert may_record(assistant, recording=True, asks_consent=True) is asking
    assert may_record(assistant, recording=True) is others
    assert not may_record(assistant, recording=False, asks_consent=True)
