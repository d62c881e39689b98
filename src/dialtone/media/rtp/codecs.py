"""What a payload type stands for: how its payload becomes audio of the line, and back."""

from collections.abc import Callable, Sequence
from typing import Protocol

from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.media.convert import silence
from dialtone.media.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from dialtone.media.rtp import g722, opus
from dialtone.media.rtp.octet_stream import OctetStream


class Codec(Protocol):
    """One stream's coder and decoder; both may remember what came before."""

    @property
    def audio(self) -> AudioFormat:
        """The line's format in both directions."""

    @property
    def clock_rate(self) -> int:
        """Units of the RTP timestamp in a second, which need not be samples."""

    def duration(self, payload: bytes) -> int:
        """How long a payload lasts, in units of the timestamp; 0 if it cannot be decoded."""

    def decode(self, payload: bytes) -> bytes:
        """Audio of a payload. Raises `ValueError` for one that is none."""

    def encode(self, frame: bytes) -> bytes:
        """The payload of one 20 ms frame."""

    def pieces(self, frame: bytes, milliseconds: int) -> list[bytes]:
        """Payloads of 10 or 20 ms each, of one 20 ms frame. One stream keeps to one length."""

    def joins(self, piece: bytes, following: bytes) -> bool:
        """Whether two pieces can go in one packet."""

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """The payload of pieces that follow one another, and join."""


class Pcmu(OctetStream):
    """G.711 mu-law (RFC 3551 section 4.5.14): the payload is the line's audio itself, untouched in both directions."""

    audio = MULAW_8K
    clock_rate = 8000

    def duration(self, payload: bytes) -> int:
        return len(payload)

    def decode(self, payload: bytes) -> bytes:
        return payload

    def encode(self, frame: bytes) -> bytes:
        return frame


_CODES = bytes(range(256))
_MULAW_OF_ALAW = encode_mulaw(decode_alaw(_CODES))
_ALAW_OF_MULAW = encode_alaw(decode_mulaw(_CODES))


class Pcma(Pcmu):
    """G.711 A-law. On the line it is mu-law, which every vendor takes; a table leads from one to the other."""

    def decode(self, payload: bytes) -> bytes:
        return payload.translate(_MULAW_OF_ALAW)

    def encode(self, frame: bytes) -> bytes:
        return frame.translate(_ALAW_OF_MULAW)


_CODECS: dict[str, tuple[Callable[[], Codec], Callable[[], bool]]] = {
    "PCMU": (Pcmu, lambda: True),
    "PCMA": (Pcma, lambda: True),
    "G722": (g722.G722, g722.is_available),
    "opus": (opus.Opus, opus.is_available),
}


def available() -> list[str]:
    """Names, as SDP has them, of the codecs that work on this machine."""
    return [name for name, (_, is_available) in _CODECS.items() if is_available()]


def create(name: str) -> Codec:
    """The codec of this name in SDP, in any case. Raises `ValueError` where it is unknown or not installed."""
    for known, (make, is_available) in _CODECS.items():
        if known.lower() == name.lower():
            if not is_available():
                raise ValueError(f"the codec {known} needs a library that is not installed")
            return make()
    raise ValueError(f"the codec {name!r} is unknown; known are {', '.join(_CODECS)}")


def silent_payload(codec: Codec) -> bytes:
    """One frame of silence."""
    return codec.encode(silence(codec.audio, codec.audio.frame_bytes))
