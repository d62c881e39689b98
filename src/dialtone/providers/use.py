"""What a call used of its vendors, in the units in which they bill."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["stt", "llm", "tts", "postcall_stt", "postcall_llm"]


@dataclass(frozen=True, slots=True)
class VendorUse:
    """What one part of a call used of its vendor."""

    role: Role
    provider: str
    model: str
    language: str | None = None
    """For speech-to-text, whose price may depend on it."""
    audio_seconds: float = 0.0
    """Audio that was sent to be transcribed."""
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    """Text that was sent to be spoken."""
    estimated: bool = False
    """The vendor did not report all of its tokens."""


def estimated_tokens(*texts: str) -> int:
    """About how many tokens a model counts in these texts, for vendors that do not tell: four characters each."""
    return sum(map(len, texts)) // 4
