"""From the assistant's audio to packets: speech, keys, and what is sent while there is neither."""

from collections.abc import Callable
from math import inf

from dialtone.media.audio import FRAME_SECONDS
from dialtone.media.clock import SKIP_SECONDS
from dialtone.media.convert import encode, silence
from dialtone.media.rtp.codecs import Codec, silent_payload
from dialtone.media.rtp.comfort_noise import payload_of
from dialtone.media.rtp.dtmf import DtmfSender
from dialtone.media.rtp.dtmf_tones import tone
from dialtone.media.rtp.packing import FRAME_MS, Packing
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.sender import Sender

NOISE_FRAMES = 10
"""A silence is described anew so often, five times a second, which also keeps the way through a NAT open."""
NOISE_DBFS = -66.0
"""Of the silence that we describe."""


class Outgoing:
    """Our stream. Every 20 ms `send` or `fill` is called, or both, in this order."""

    def __init__(self, parameters: RtpParameters, codec: Codec, transmit: Callable[[bytes], None]) -> None:
        self.sender = Sender(codec.clock_rate, transmit)
        self.dtmf = DtmfSender(codec.clock_rate)
        self._noise = payload_of(NOISE_DBFS)
        self._sent = False
        self._silent_frames = 0
        self._sent_at = inf
        self._packing: Packing | None = None
        self.update(parameters, codec)

    def update(self, parameters: RtpParameters, codec: Codec) -> None:
        """Something else was agreed on."""
        self.flush()
        self._codec = codec
        self._payload_type = parameters.payload_type
        self._event_type = parameters.sent_event
        self._noise_type = parameters.comfort_noise
        if codec.clock_rate != self.sender.clock_rate:
            self.sender.restart(codec.clock_rate)
            self.dtmf = DtmfSender(codec.clock_rate)
        self._pack(parameters.packet_ms)

    def _pack(self, packet_ms: int) -> None:
        """Let packets hold so much from now on."""
        codec, self._packing = self._codec, None
        if packet_ms == FRAME_MS:
            self._silence, self._silent_pieces = silent_payload(codec), []
        else:
            self._packing = Packing(self.sender, codec, self._payload_type, packet_ms)
            self._silence = b""
            self._silent_pieces = self._packing.pieces(silence(codec.audio, codec.audio.frame_bytes))

    def flush(self) -> None:
        """Send what waits for the rest of its packet."""
        if self._packing is not None:
            self._packing.flush(self._sent_at + FRAME_SECONDS)

    def send(self, frame: bytes, now: float) -> None:
        """Send 20 ms of audio; dropped while a key is being pressed."""
        if not self.dtmf.active:
            if now - self._sent_at > SKIP_SECONDS:
                self._pass_time(now)
            self._sent = True
            self._silent_frames = 0
            self._speak(frame, now)
            self._sent_at = now

    def fill(self, now: float) -> None:
        """20 ms are over: where no audio was sent in them, a key is pressed or silence is sent."""
        if self._sent:
            self._sent = False
            return
        if now - self._sent_at > SKIP_SECONDS:
            self._pass_time(now)
        if self.dtmf.active:
            self._press(now)
        elif self._noise_type is None:
            self._be_silent(now)
        else:
            self._describe_silence(self._noise_type, now)
        self._sent_at = now

    def _pass_time(self, now: float) -> None:
        """Frames were left out, which the timestamp must show. What waits for the rest of its packet is too old."""
        dropped = 0.0 if self._packing is None else self._packing.drop()
        left_out = int((now - self._sent_at) / FRAME_SECONDS) - 1
        self.dtmf.pass_time(left_out)
        self.sender.skip_frames(left_out + dropped, now)

    def _speak(self, frame: bytes, now: float) -> None:
        if self._packing is None:
            self.sender.send_frame(self._payload_type, self._codec.encode(frame), now)
        else:
            self._packing.add(self._packing.pieces(frame), now)

    def _be_silent(self, now: float) -> None:
        if self._packing is None:
            self.sender.send_frame(self._payload_type, self._silence, now)
        else:
            self._packing.add(self._silent_pieces, now)

    def _describe_silence(self, noise_type: int, now: float) -> None:
        self.flush()
        if self._silent_frames % NOISE_FRAMES:
            self.sender.skip_frames(1, now)
        else:
            self.sender.send_description(noise_type, self._noise, now)
        self._silent_frames += 1

    def _press(self, now: float) -> None:
        self._silent_frames = 0
        if self._event_type is None:
            self._sound(now)
            return
        self.flush()
        for packet in self.dtmf.next_packets():
            self.sender.send_event(self._event_type, packet.payload, packet.offset, marker=packet.marker)
        self.sender.skip_frames(1, now)

    def _sound(self, now: float) -> None:
        """20 ms of a key as a tone, or of the pause behind it."""
        sounding = self.dtmf.next_tone()
        if sounding is None:
            self._be_silent(now)
            return
        key, frame = sounding
        audio = self._codec.audio
        size = audio.sample_rate // 50
        self._speak(encode(tone(key, frame * size, size, audio.sample_rate), audio), now)
