"""One thing the assistant says: text and audio go in, frames come out, and it knows how much of it was heard."""

import bisect
from collections import deque
from collections.abc import Callable

from dialtone.media.audio import AudioFormat
from dialtone.media.playout import Playout
from dialtone.providers.base import ProviderError


class Speech:
    """Text with its audio in the line's format. Times are the event loop's, in seconds."""

    def __init__(self, audio: AudioFormat) -> None:
        self._playout = Playout(audio)
        self._shown: list[str] = []
        self._spoken_ends: list[int] = []  # cumulative length of the spoken form of each sentence
        self._audio_ends: list[int] = [0]  # bytes ...
        self._character_ends: list[float] = [0.0]  # ... and spoken characters that they reach
        self._cues: deque[tuple[int, str]] = deque()
        self._cued = 0
        self.error: ProviderError | None = None
        self.first_text_at: float | None = None
        self.first_audio_at: float | None = None
        self.started_at: float | None = None
        self.on_ready: Callable[[], None] = lambda: None
        """Called when its first audio is there, and when no more follows."""

    # Made

    def add_text(self, shown: str, spoken_length: int, at: float) -> None:
        """A sentence whose audio will follow; `spoken_length` is that of the form given to the voice."""
        if self.first_text_at is None:
            self.first_text_at = at
        self._shown.append(shown)
        self._spoken_ends.append((self._spoken_ends[-1] if self._spoken_ends else 0) + spoken_length)

    def add_audio(self, audio: bytes, characters: float, at: float) -> None:
        """Audio in the line's format that speaks the next `characters` of the spoken form."""
        if not audio:
            self._character_ends[-1] += characters
            return
        if self.first_audio_at is None:
            self.first_audio_at = at
            self.on_ready()
        bytes_before, characters_before = self._audio_ends[-1], self._character_ends[-1]
        bytes_after, characters_after = bytes_before + len(audio), characters_before + characters
        while self._cued < len(self._shown):
            start = self._spoken_ends[self._cued - 1] if self._cued else 0
            if start >= characters_after and self._cued:
                break
            share = (start - characters_before) / characters if characters > 0 else 0.0
            self._cues.append((bytes_before + int(min(max(share, 0.0), 1.0) * len(audio)), self._shown[self._cued]))
            self._cued += 1
        self._audio_ends.append(bytes_after)
        self._character_ends.append(characters_after)
        self._playout.append(audio)

    def complete(self, error: ProviderError | None = None) -> None:
        """No more audio follows; `error` says why it is less than the text asks for."""
        self.error = error
        self._playout.finish()
        self.on_ready()

    @property
    def characters_made(self) -> float:
        """How far into the spoken form the audio reaches that has arrived."""
        return self._character_ends[-1]

    # Played

    def next_frame(self) -> bytes | None:
        """The next 20 ms, or None where there is nothing (yet, or any more)."""
        return self._playout.next_frame()

    def take_cue(self) -> str | None:
        """The sentence that begins with the frame just taken, if one does."""
        if self._cues and self._cues[0][0] < self._playout.played_bytes:
            return self._cues.popleft()[1]
        return None

    @property
    def finished(self) -> bool:
        """All of it has been played."""
        return self._playout.finished

    @property
    def text(self) -> str:
        return " ".join(self._shown)

    @property
    def heard(self) -> str:
        """What the caller heard of the text, to the last whole word."""
        if self.finished and self.error is None:
            return self.text
        played = self._playout.played_bytes
        if not played:
            return ""
        index = min(bisect.bisect_left(self._audio_ends, played), len(self._audio_ends) - 1)
        characters = self._character_ends[index]
        if index and played < self._audio_ends[index]:
            before = self._audio_ends[index - 1]
            share = (played - before) / (self._audio_ends[index] - before)
            characters = self._character_ends[index - 1] + share * (characters - self._character_ends[index - 1])
        return self._first_characters(characters)

    def _first_characters(self, characters: float) -> str:
        heard: list[str] = []
        start = 0
        for shown, end in zip(self._shown, self._spoken_ends, strict=True):
            if characters >= end - 1.5:
                heard.append(shown)
            else:
                share = max(0.0, characters - start) / max(1, end - start)
                part = shown[: int(share * len(shown)) + 1]
                whole_words = part.rsplit(None, 1)[0] if " " in part.strip() else ""
                if whole_words:
                    heard.append(whole_words)
                break
            start = end
        return " ".join(heard)
