"""What the caller of a scripted call says and does, and the ears that hear it: a transcriber and a voice detector."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialtone.media.audio import AudioFormat
from dialtone.providers.base import Final, Interim, ProviderError, TranscriptEvent


@dataclass(frozen=True)
class Says:
    """The caller speaks from `start` to `end`, seconds after the answer."""

    start: float
    end: float
    text: str
    final_after: float | None = 0.3


@dataclass(frozen=True)
class Noise:
    start: float
    end: float


class ScriptedEars:
    """A transcriber that knows the script; each stream hears it by the audio it is given."""

    name = "ears"

    def __init__(self, says: Sequence[Says]) -> None:
        self.says = says
        self.opened = 0
        self.failures: list[ProviderError] = []
        self.lose_after: float | None = None
        self.always_lose = False
        self.heard: list[float] = []

    def input_format(self, line: AudioFormat) -> AudioFormat:
        return line

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> "ScriptedStream":
        await asyncio.sleep(0.05)
        self.opened += 1
        if self.failures:
            raise self.failures.pop(0)
        return ScriptedStream(self, audio, on_event, on_lost)


class ScriptedStream:
    def __init__(
        self,
        ears: ScriptedEars,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> None:
        self._ears, self._audio, self._on_event, self._on_lost = ears, audio, on_event, on_lost
        self._seconds = 0.0
        self._closed = False
        self._first: float | None = None
        self._frames_heard: dict[float, int] = {}

    def send(self, audio: bytes) -> None:
        if self._closed:
            return
        # The caller's audio carries its own position, so that a replayed piece is recognised as such.
        position = int.from_bytes(audio[:4], "big") / 8000
        if self._first is None:
            self._first = position
        before, after = position, position + self._audio.seconds(len(audio))
        self._ears.heard.append(position)
        if self._ears.always_lose or (self._ears.lose_after is not None and after > self._ears.lose_after):
            self._ears.lose_after = None
            self._closed = True
            self._on_lost(ProviderError("ears", "the connection was lost"))
            return
        for said in self._ears.says:
            self._follow(said, before, after)

    def _follow(self, said: Says, before: float, after: float) -> None:
        assert self._first is not None
        words = said.text.split()
        steps = int((said.end - said.start) / 0.2)
        for step in range(1, steps + 1):
            if before <= said.start + step * 0.2 < after:
                self._tell(Interim(" ".join(words[: max(1, len(words) * step // (steps + 1))])))
        if said.start <= before < said.end:
            self._frames_heard[said.start] = self._frames_heard.get(said.start, 0) + 1
        if before <= said.end < after and said.final_after is not None:
            # Who has heard half of the audio knows half of the words.
            share = self._frames_heard.get(said.start, 0) * 0.02 / (said.end - said.start)
            text = " ".join(words[-round(min(1.0, share) * len(words)) :]) if round(share * len(words)) else ""
            final = Final(text, max(0.0, said.start - self._first), said.end - self._first)
            asyncio.get_running_loop().call_later(said.final_after, self._tell, final)

    def _tell(self, event: TranscriptEvent) -> None:
        if not self._closed:
            self._on_event(event)

    async def close(self) -> None:
        self._closed = True


class ScriptedDetector:
    def __init__(self, voices: Sequence[tuple[float, float]]) -> None:
        self.voices = voices

    def open(self, audio: AudioFormat, on_window: Callable[[bool, float], None]) -> "ScriptedChannel":
        return ScriptedChannel(self, on_window)


class ScriptedChannel:
    def __init__(self, detector: ScriptedDetector, on_window: Callable[[bool, float], None]) -> None:
        self._detector, self._on_window = detector, on_window
        self._samples = 0
        self._windows = 0

    def push(self, audio: bytes) -> None:
        self._samples += len(audio)
        while (self._windows + 1) * 256 <= self._samples:
            self._windows += 1
            end = self._windows * 256 / 8000
            self._on_window(any(a <= end - 0.016 < b for a, b in self._detector.voices), end)

    def close(self) -> None:
        self._detector = ScriptedDetector([])
        self._on_window = lambda voiced, seconds: None
