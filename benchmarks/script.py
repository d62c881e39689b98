"""What every caller of the benchmark says, and what every vendor answers: the same for all engines.

Needs numpy and the synthesised speech only, so that it can be imported in the peers' environments.
"""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000
FRAME_SAMPLES = 160
FRAME_SECONDS = 0.020

INTERIM_SECONDS = 0.200
FINAL_DELAY_SECONDS = 0.300
"""From the true end of speech to the speech-to-text vendor's final transcript."""
FIRST_TOKEN_SECONDS = 0.200
TOKEN_SECONDS = 0.010
FIRST_AUDIO_SECONDS = 0.100
AUDIO_CHUNK_SECONDS = 0.100
AUDIO_SPEED = 4.0
"""How many seconds of speech the text-to-speech vendor makes in a second."""
SPEECH_SECONDS_PER_CHARACTER = 0.065

REPLY_TOKENS = (
    "Sure", ",", " I", " can", " help", " you", " with", " that", ".",
    " Your", " appointment", " is", " booked", ",", " and", " you", " will", " get", " a", " text", " message", " soon",
    ".",
)  # fmt: skip
FIRST_SENTENCE_TOKENS = 9

VAD_STOP_SECONDS = 0.200
TURN_WAIT_SECONDS = 0.400
TURN_END_SECONDS = round(VAD_STOP_SECONDS + TURN_WAIT_SECONDS, 3)
NOMINAL_LATENCY_SECONDS = (
    TURN_END_SECONDS + FIRST_TOKEN_SECONDS + (FIRST_SENTENCE_TOKENS - 1) * TOKEN_SECONDS + FIRST_AUDIO_SECONDS
)
"""True end of speech to first audio out of an engine that adds nothing: 980 ms."""

SPEECH_FILE = Path(__file__).resolve().parent.parent / ".peers" / "audio" / "speech.npz"
GOLDEN_RATIO = 0.6180339887
NOISE_AMPLITUDE = 12.0
SPEECH_RMS = 200.0
"""A 10 ms block of the speech as loud as this still counts as spoken: it sets the true end of speech."""

_BLOCK = SAMPLE_RATE // 100
_SCENES = (
    (1.0, "booking", "hello I would like to book an appointment with the dentist for next Tuesday please", False),
    (7.5, "details", "yes three in the afternoon works for me and my name is Alice Johnson", False),
    (3.0, "correction", "wait sorry can you make it four in the afternoon instead", True),
)
"""Silence before in seconds, which sentence, its transcript, whether it interrupts the assistant."""
_SILENCE_AFTER = 7.0

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """What the speech-to-text vendor hears at one frame of the script."""

    text: str
    final: bool
    start_frame: int
    """The frame at which the utterance began."""


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One utterance of the caller, in frames of the script."""

    start: int
    end: int
    interrupts: bool


@dataclass(frozen=True, slots=True)
class CallerScript:
    """One round of what a caller says; callers repeat it without end."""

    samples: Samples
    turns: tuple[SpokenTurn, ...]
    events: dict[int, SpeechEvent]
    """By frame."""
    assistant: Samples
    """Speech that the text-to-speech vendor cuts its audio from."""

    @property
    def frame_count(self) -> int:
        return len(self.samples) // FRAME_SAMPLES

    def frame(self, index: int) -> Samples:
        return self.samples[index * FRAME_SAMPLES : (index + 1) * FRAME_SAMPLES]

    def first_frame(self, call_index: int) -> int:
        """Where call number `call_index` enters the script: spread evenly for any number of calls."""
        return int(call_index * GOLDEN_RATIO % 1.0 * self.frame_count)

    def speak(self, text: str) -> Samples:
        """The vendor's audio for `text`: whole frames, its length set by the number of characters."""
        frames = int(len(text) * SPEECH_SECONDS_PER_CHARACTER / FRAME_SECONDS)
        return np.resize(self.assistant, frames * FRAME_SAMPLES)


def phase_seconds(call_index: int) -> float:
    """When within a frame's time call number `call_index` sends: its own phase for every call."""
    return call_index * GOLDEN_RATIO % 1.0 * FRAME_SECONDS


def prepare_speech() -> None:
    """Synthesise the speech unless it is there. Raises `CalledProcessError`."""
    if not SPEECH_FILE.exists():
        subprocess.run(
            [sys.executable, "-m", "benchmarks.synthesis", str(SPEECH_FILE)],
            check=True,
            cwd=Path(__file__).resolve().parent.parent,
        )


@cache
def caller_script() -> CallerScript:
    """The script, built from the synthesised speech. Raises `FileNotFoundError` before `prepare_speech`."""
    with np.load(SPEECH_FILE) as speech:
        sentences: dict[str, Samples] = {name: speech[name] for name in speech.files}
    pieces: list[Samples] = []
    turns: list[SpokenTurn] = []
    events: dict[int, SpeechEvent] = {}
    for silence, name, transcript, interrupts in _SCENES:
        pieces.append(np.zeros(_whole_frames(int(silence * SAMPLE_RATE)), np.int16))
        spoken = sentences[name]
        begin = sum(map(len, pieces))
        end = begin + _end_of_speech(spoken)
        turn = SpokenTurn(begin // FRAME_SAMPLES, end // FRAME_SAMPLES, interrupts)
        turns.append(turn)
        events.update(_transcripts(turn, transcript))
        pieces.append(np.pad(spoken, (0, -len(spoken) % FRAME_SAMPLES)))
    pieces.append(np.zeros(_whole_frames(int(_SILENCE_AFTER * SAMPLE_RATE)), np.int16))
    return CallerScript(_with_noise(np.concatenate(pieces), 1), tuple(turns), events, sentences["assistant"])


def _whole_frames(samples: int) -> int:
    return samples // FRAME_SAMPLES * FRAME_SAMPLES


def _with_noise(samples: Samples, seed: int) -> Samples:
    noise = np.random.default_rng(seed).normal(0, NOISE_AMPLITUDE, len(samples))
    return np.clip(samples + noise, -32768, 32767).astype(np.int16)


def _end_of_speech(samples: Samples) -> int:
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    loud = np.flatnonzero(np.sqrt(np.mean(blocks**2, axis=1)) > SPEECH_RMS)
    return (int(loud[-1]) + 1) * _BLOCK


def _transcripts(turn: SpokenTurn, transcript: str) -> dict[int, SpeechEvent]:
    words = transcript.split()
    step = round(INTERIM_SECONDS / FRAME_SECONDS)
    interims = (turn.end - turn.start) // step
    events = {}
    for number in range(1, interims + 1):
        heard = max(1, len(words) * number // (interims + 1))
        events[turn.start + number * step] = SpeechEvent(" ".join(words[:heard]), False, turn.start)
    events[turn.end] = SpeechEvent(transcript, True, turn.start)
    return events
