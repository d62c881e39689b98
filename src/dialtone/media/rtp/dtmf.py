"""Keys of a telephone as events of their own in the stream (RFC 4733)."""

import struct
from collections import deque
from dataclasses import dataclass

EVENTS = "0123456789*#ABCD"
"""RFC 4733 table 3: the event code is the place in this text."""
MAX_SEGMENT = 0xFFFF
"""Longest duration of one event in units of the timestamp; a longer one goes on as another (section 2.5.1.3)."""
TONE_FRAMES = 6
"""Length of a key we press, in frames of 20 ms: 120 ms."""
PAUSE_FRAMES = 4
"""Silence between two keys. Both are well over the 40 ms that receivers must understand (ITU-T Q.24)."""
END_PACKETS = 3
"""The last packet is sent so many times in all (section 2.5.1.4)."""
MAX_QUEUED = 64
"""Keys that may wait to be pressed."""
VOLUME = 10
"""Tone level in -dBm0."""

_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_REMEMBERED = 16


class DtmfReceiver:
    """Tells each key once, when its first packet comes, whatever is lost, repeated or reordered later."""

    def __init__(self) -> None:
        self._begun: deque[int] = deque(maxlen=_REMEMBERED)
        """Timestamps of the last events."""
        self._last_event = -1
        self._last_end = 0

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """The key that a packet is the first one of. `timestamp` is extended beyond its 32 bits."""
        if len(payload) < _PAYLOAD.size:
            return None
        event, _, duration = _PAYLOAD.unpack_from(payload)
        if timestamp in self._begun:
            if timestamp == self._begun[-1]:
                self._last_end = max(self._last_end, timestamp + duration)
            return None
        if self._begun and timestamp < self._begun[0]:
            return None
        goes_on = event == self._last_event and timestamp == self._last_end and self._segment_was_full()
        self._begun.append(timestamp)
        self._last_event, self._last_end = event, timestamp + duration
        return EVENTS[event] if event < len(EVENTS) and not goes_on else None

    def _segment_was_full(self) -> bool:
        return self._last_end - self._begun[-1] == MAX_SEGMENT


@dataclass(frozen=True, slots=True)
class DtmfPacket:
    """One packet of an event to be sent."""

    marker: bool
    offset: int
    """The event's beginning, in units of the timestamp before the frame in whose place this packet goes."""
    payload: bytes


class DtmfSender:
    """Presses keys, one after another: what to send in place of each frame."""

    def __init__(self, clock_rate: int) -> None:
        self._frame = clock_rate // 50
        self._keys: deque[str] = deque()
        self._frames = 0
        """Of the key that sounds, and of the pause behind it, that are over."""
        self._tone_frames = TONE_FRAMES
        """Of them, in which that key sounds."""

    @property
    def active(self) -> bool:
        return bool(self._keys)

    def press(self, keys: str) -> None:
        """Queue keys. Raises `ValueError` for one that no telephone has, or too many."""
        keys = keys.upper()
        if wrong := next((key for key in keys if key not in EVENTS), None):
            raise ValueError(f"a key is one of {EVENTS} (got {wrong!r})")
        if len(self._keys) + len(keys) > MAX_QUEUED:
            raise ValueError(f"at most {MAX_QUEUED} keys may wait to be pressed")
        self._keys.extend(keys)

    def next_tone(self) -> tuple[str, int] | None:
        """The key that sounds in the next frame, and for how many frames it did before; None in a pause."""
        key, at, length = self._keys[0], self._frames, self._tone_frames
        self._frames += 1
        if self._frames == length + PAUSE_FRAMES:
            self._keys.popleft()
            self._frames, self._tone_frames = 0, TONE_FRAMES
        return (key, at) if at < length else None

    def pass_time(self, frames: int) -> None:
        """So many frames were left out. The key that sounded has been pressed for so much longer: all its packets
        carry the time of its beginning (section 2.2.1), and one with another time would be another key.
        """
        if not 0 < self._frames < self._tone_frames:
            return
        if (self._frames + frames + 1) * self._frame > MAX_SEGMENT:
            self._frames = self._tone_frames  # too long to be told: the far end has ended it by itself
            return
        self._frames += frames
        self._tone_frames = max(self._tone_frames, self._frames + 1)

    def next_packets(self) -> list[DtmfPacket]:
        """What goes in place of the next frame: one packet, all the last ones of a key, or nothing in a pause."""
        sounding = self.next_tone()
        if sounding is None:
            return []
        key, at = sounding
        ends = at == self._tone_frames - 1
        payload = _PAYLOAD.pack(EVENTS.index(key), VOLUME | (_END if ends else 0), (at + 1) * self._frame)
        return [DtmfPacket(at == 0, at * self._frame, payload)] * (END_PACKETS if ends else 1)
