"""What a live call tells the world as it happens. The engine writes here; calls/ stores it.

Methods are called on the event loop and must return at once: an implementation queues the writing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from dialtone.providers.use import VendorUse

EndReason = Literal[
    "user_hangup",
    "assistant_hangup",
    "end_call_phrase",
    "silence_timeout",
    "max_duration",
    "voicemail",
    "transferred",
    "consent_declined",
    "consent_timeout",
    "api_end_call",
    "rejected",
    "no_answer",
    "busy",
    "declined",
    "unreachable",
    "insufficient_credits",
    "error",
    "server_shutdown",
]


@dataclass(frozen=True, slots=True)
class TurnLatency:
    """Where the time of one turn went: all in milliseconds, None where the step did not happen."""

    endpointing: float | None
    """End of the caller's speech to the decision that the turn is over."""
    stt_final: float | None
    """End of the caller's speech to the final transcript."""
    llm_first_token: float | None
    """Request to the language model to its first token (or tool call)."""
    tts_first_audio: float | None
    """First sentence to the voice until its first audio."""
    playout: float | None
    """First audio ready (and the turn decided) until its first frame left."""
    total: float | None
    """End of the caller's speech to the first frame of the answer."""
    interrupted: bool = False
    """The caller cut this answer off."""


@dataclass(frozen=True, slots=True)
class Ending:
    end_reason: EndReason
    error: str | None
    """In words, where something failed."""
    ended_at: datetime
    """UTC."""
    duration_seconds: int
    uses: tuple[VendorUse, ...] = ()
    """What the call used of its vendors."""


class Journal(Protocol):
    def answered(self, at: datetime) -> None:
        """The conversation begins (UTC)."""

    def consented(self) -> None:
        """The caller, who was asked for it, agrees to be recorded."""

    def recording_began(self) -> None:
        """From now on the call is recorded, at the place that its plan names."""

    def message(self, role: Literal["system", "user", "assistant", "tool"], content: str) -> None:
        """A message is part of the transcript for good."""

    def turn(self, latency: TurnLatency) -> None:
        """An answer is over, said to its end or cut off; comes after the caller's message of that turn."""

    def note(self, text: str) -> None:
        """Something an operator should know about this call; holds no content of the call."""

    def ended(self, ending: Ending) -> None:
        """The last call of all, exactly once."""
