"""Everything one call needs to know before it starts, as plain data resolved by the caller of the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dialtone.media.ambience import Clip
from dialtone.platform.forwarding import Forwarding


@dataclass(frozen=True, slots=True)
class TurnTaking:
    """`speech_config.turn_taking` of the contract. All times in seconds."""

    endpointing_min_delay: float = 0.4
    endpointing_max_delay: float = 2.0
    interruption_min_duration: float = 0.3
    interruption_min_words: int = 0
    """0 = any speech interrupts."""
    false_interruption_timeout: float | None = 1.5
    """None = an interruption is final at once."""


@dataclass(frozen=True, slots=True)
class SilencePlan:
    """What is said to a caller who says nothing. Times in seconds."""

    enabled: bool = False
    messages: tuple[str, ...] = ()
    """Empty = the language model words each check."""
    final_message: str | None = None
    first_check_seconds: float = 8.0
    interval_seconds: float = 12.0
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class KeypadPlan:
    """How the caller's keys are gathered. Time in seconds."""

    terminator: str | None = "#"
    """Ends the digits before it; None = no key does."""
    timeout: float = 2.0
    """After the last key."""
    max_digits: int = 32
    interrupts: bool = True
    """False = digits wait until the assistant has finished."""


@dataclass(frozen=True, slots=True)
class BackgroundPlan:
    """The ambience mixed under the assistant's voice for the whole call."""

    clip: Clip = "office"
    volume: float = 0.3
    """0 to 1; at 1 the ambience is almost as loud as speech."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call, resolved: overrides merged, placeholders still in."""

    call_id: str
    organization_id: str
    stt_config: Mapping[str, Any] | None
    llm_config: Mapping[str, Any]
    """Carries `messages` and `tools` as stored."""
    tts_config: Mapping[str, Any] | None
    direction: Literal["inbound", "outbound", "web"] = "web"
    assistant_id: str | None = None
    assistant_name: str = ""
    assistant: Mapping[str, Any] = field(default_factory=dict)
    """The resolved assistant as webhooks show it."""
    early_message: str | None = None
    """Spoken before the call is answered; None = nothing is."""
    first_message: str | None = None
    end_call_message: str | None = None
    end_call_phrases: tuple[str, ...] = ()
    turn_taking: TurnTaking = TurnTaking()
    silence: SilencePlan = SilencePlan()
    keypad: KeypadPlan = KeypadPlan()
    background: BackgroundPlan | None = None
    pronunciation: tuple[tuple[str, str], ...] = ()
    """(from, to) literal replacements before text-to-speech."""
    max_duration_seconds: float = 3600.0
    recording_path: Path | None = None
    """Where the stereo WAV goes; None = not recorded."""
    consent_message: str | None = None
    """What the caller is asked before anything else is said, heard or recorded; None = nothing is asked."""
    keep_content: bool = True
    """False in GDPR mode: nothing of the content is written down."""
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_events: tuple[str, ...] | None = None
    """Events that go to `webhook_url`; None = all."""
    variables: Mapping[str, str] = field(default_factory=dict)
    caller_number: str | None = None
    assistant_number: str | None = None
    forwarded_from: tuple[Forwarding, ...] = ()
    """Who sent an inbound call on, the first one first."""
    number_id: str | None = None
    """Of the organization's number that the call is on, and how it calls it."""
    number_name: str | None = None

    @property
    def language(self) -> str | None:
        """The language of the call as the configs name it, or None where several are spoken."""
        return language_of(self.stt_config, self.tts_config)


def language_of(*configs: Mapping[str, Any] | None) -> str | None:
    """The first language that a config names; None where several are spoken."""
    for config in configs:
        language = (config or {}).get("language")
        if language and language != "multi":
            return str(language)
    return None
