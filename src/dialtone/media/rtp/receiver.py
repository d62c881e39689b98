"""The caller's packets in, 20 ms of audio out at every tick: order, loss, silence and drift are dealt with here."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from dialtone.media.audio import FRAME_SECONDS
from dialtone.media.convert import decode, encode, silence
from dialtone.media.rtp.codecs import Codec
from dialtone.media.rtp.comfort_noise import ComfortNoise
from dialtone.media.rtp.concealment import HISTORY_SECONDS, Concealment
from dialtone.media.rtp.jitter_buffer import JitterBuffer
from dialtone.media.rtp.packet import RtpPacket
from dialtone.media.rtp.time_stretch import cut, shorten
from dialtone.media.samples import rms_dbfs

QUIET_DBFS = -45.0
"""Below this nobody hears that a frame is missing or there twice."""
PATIENCE_FRAMES = 100
"""So long a quiet moment is waited for before speech itself is shortened."""
ADJUST_FRAMES = 10
"""Least distance between two adjustments."""
_HISTORY_FRAMES = round(HISTORY_SECONDS / FRAME_SECONDS)


class Receiver:
    """Playing out one source. Audio comes in the codec's line format, G.711 without ever being decoded."""

    def __init__(self, codecs: Mapping[int, Codec], noise_type: int | None = None) -> None:
        """`codecs` by payload type, at least one, all of one line format and clock rate; `noise_type` is the payload
        type of comfort noise, if that was negotiated.
        """
        self._codecs = codecs
        self._noise_type = noise_type
        codec = next(iter(codecs.values()))
        self._clock_rate = codec.clock_rate
        self._audio = codec.audio
        self._rate = codec.audio.sample_rate
        self._frame_bytes = codec.audio.frame_bytes
        self._frame_units = codec.clock_rate // 50
        self._buffer = JitterBuffer(codec.clock_rate)
        self._rest = b""
        """Decoded and not yet played: packets need not be 20 ms long."""
        self._history: deque[bytes] = deque(maxlen=_HISTORY_FRAMES)
        self._concealment: Concealment | None = None
        self._noise = ComfortNoise(self._rate, seed=1)
        self._since_adjusted = 0
        self._adjusting_for = 0
        self.concealed_frames = 0
        self.undecodable = 0

    @property
    def late(self) -> int:
        return self._buffer.late

    @property
    def delay_seconds(self) -> float:
        """What the jitter buffer adds."""
        return self._buffer.delay_seconds

    def insert(self, packet: RtpPacket, arrival: float) -> bool:
        """Take a packet of audio or comfort noise, its numbers extended. Returns whether a frame can be played now."""
        silent = packet.payload_type == self._noise_type
        packet.duration = self._frame_units if silent else self._codecs[packet.payload_type].duration(packet.payload)
        if packet.duration:
            return self._buffer.insert(packet, arrival)
        self.undecodable += 1
        return False

    def restart(self) -> None:
        """Another stream follows."""
        self._buffer.restart()

    def pause(self) -> None:
        """Something else than audio comes (a key is pressed): what is missing meanwhile is no loss."""
        self._buffer.pause()
        self._concealment = None

    def next_frame(self, now: float) -> bytes:
        """The next 20 ms, whatever has come."""
        buffer = self._buffer
        if self._rest or self._concealment is not None or buffer.adjustment:
            frame = (self._adjust() if buffer.adjustment else None) or self._assemble(now)
        elif (packet := buffer.next(now)) is None or (audio := self._audio_of(packet)) is None:
            frame = self._fill()
        elif len(audio) == self._frame_bytes:
            frame = audio
        else:
            self._rest = audio
            frame = self._assemble(now)
        self._history.append(frame)
        return frame

    def _assemble(self, now: float) -> bytes:
        """A frame of what is left and of as many packets as it needs; made up where there is none."""
        while len(self._rest) < self._frame_bytes:
            ahead = len(self._rest) * self._clock_rate // self._audio.bytes_per_second
            packet = self._buffer.next(now, ahead)
            if packet is None or (audio := self._audio_of(packet)) is None:
                return self._fill()
            self._rest += audio
        frame, self._rest = self._rest[: self._frame_bytes], self._rest[self._frame_bytes :]
        return frame

    def _audio_of(self, packet: RtpPacket) -> bytes | None:
        """What a packet sounds like; None where it has no sound."""
        if packet.payload_type == self._noise_type:
            self._take_noise(packet)
            return None
        try:
            audio = self._codecs[packet.payload_type].decode(packet.payload)
        except ValueError:
            audio = b""
        if not audio:
            self.undecodable += 1
            return None
        if self._concealment is not None:
            audio = encode(self._concealment.merge(decode(audio, self._audio)), self._audio)
            self._concealment = None
        return audio

    def _take_noise(self, packet: RtpPacket) -> None:
        self._noise.update(packet.payload)
        self._buffer.pause()

    def _fill(self) -> bytes:
        """A frame of what was not received: concealed within speech, comfort noise in silence."""
        begun, self._rest = self._rest, b""
        missing = (self._frame_bytes - len(begun)) // self._audio.sample_bytes
        if not self._buffer.playing:
            self._concealment = None
            if self._noise.is_silent:
                return begun + silence(self._audio, self._frame_bytes - len(begun))
            return begun + encode(self._noise.next_samples(missing), self._audio)
        self.concealed_frames += 1
        if self._concealment is None:
            past = b"".join(self._history) + begun
            self._concealment = Concealment(decode(past, self._audio), self._rate)
        return begun + encode(self._concealment.next_samples(missing), self._audio)

    def _adjust(self) -> bytes | None:
        """Bring the delay nearer to what the network asks for, where that is not heard. A frame of its own, if that
        takes one.
        """
        self._since_adjusted += 1
        self._adjusting_for += 1
        if self._since_adjusted >= ADJUST_FRAMES and self._concealment is None:
            if self._buffer.adjustment < 0:
                return self._lengthen()
            self._shorten()
        return None

    def _lengthen(self) -> bytes | None:
        if not self._history:
            return None
        samples = decode(self._history[-1], self._audio)
        if rms_dbfs(samples) >= QUIET_DBFS:
            return None
        self._buffer.lengthened()
        self._adjusted()
        # Backwards it is as quiet, and joins without a step.
        return encode(np.ascontiguousarray(samples[::-1]), self._audio)

    def _shorten(self) -> None:
        """Two frames become one where they are quiet, else a little more than one."""
        wanted = 2 * self._frame_bytes
        while len(self._rest) < wanted:
            packet = self._buffer.next_if_here()
            if packet is None or (audio := self._audio_of(packet)) is None:
                return
            self._rest += audio
        samples = decode(self._rest[:wanted], self._audio)
        if rms_dbfs(samples) < QUIET_DBFS:
            shorter = cut(samples, self._rate, self._rate // 50)
        elif self._adjusting_for >= PATIENCE_FRAMES:
            shorter = shorten(samples, self._rate, self._rate // 50)
        else:
            return
        self._rest = encode(shorter, self._audio) + self._rest[wanted:]
        self._buffer.shortened((samples.size - shorter.size) * self._clock_rate // self._rate)
        self._adjusted()

    def _adjusted(self) -> None:
        self._since_adjusted = self._adjusting_for = 0
