"""What of an assistant reaches the plan of a call."""

from typing import Any

import pytest

from dialtone.assistants.blocks import Vendors
from dialtone.assistants.preparing import Preparer
from dialtone.assistants.resolving import Resolver
from dialtone.calls.plans import web_call_plan
from dialtone.conversation.plan import BackgroundPlan
from dialtone.platform.crypto import Secrets


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
    secrets = Secrets(["key"])
    assistant = Resolver(Preparer(secrets, Vendors(frozenset(), frozenset())), secrets).transient(
        {
            "llm_config": {"provider": "openai", "model": "gpt-4.1-mini"},
            "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
            "tts_config": {"provider": "elevenlabs", "voice_id": "v"},
            "speech_config": {"background_audio": given} if given else None,
        }
    )
    assert web_call_plan("c", "o", assistant, {}, None).background == planned
