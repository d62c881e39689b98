"""The sentence that these tests hear."""

from pathlib import Path

SPEECH = (Path(__file__).parent.parent / "speech_8k.ulaw").read_bytes()
SPEECH = SPEECH[: len(SPEECH) // 160 * 160]
