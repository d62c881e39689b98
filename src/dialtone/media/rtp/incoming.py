"""From the datagrams of one call to the caller's audio and keys."""

from typing import NamedTuple

from dialtone.media.rtp.codecs import Codec
from dialtone.media.rtp.datagram_socket import Address
from dialtone.media.rtp.dtmf import DtmfReceiver
from dialtone.media.rtp.latching import SourceLatch
from dialtone.media.rtp.packet import RtpPacket, parse
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.receiver import Receiver
from dialtone.media.rtp.reception import Reception
from dialtone.media.rtp.srtp import Srtp, SrtpError

STATIC_NOISE_TYPE, STATIC_NOISE_RATE = 13, 8000
"""Comfort noise has this payload type everywhere (RFC 3551 table 4). Gateways describe their silence by it without
having agreed on it: dropped it would count as loss, and the silence would be concealed.
"""


class Counts(NamedTuple):
    """How packets fared."""

    received: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    late: int = 0
    malformed: int = 0
    concealed_frames: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*map(sum, zip(self, other, strict=True)))


class Incoming:
    """Everything that is known of the far end's stream."""

    def __init__(
        self,
        parameters: RtpParameters,
        sending: Codec,
        latch: SourceLatch,
        srtp: Srtp | None,
        before: Counts = Counts(),
    ) -> None:
        """`before` counts what came under earlier parameters. Raises `ValueError` for codecs that can't be received."""
        codecs = parameters.received_codecs(sending)
        self._clock_rate = sending.clock_rate
        self._event_type = parameters.received_event
        self._noise_type = parameters.comfort_noise
        if self._noise_type is None and self._clock_rate == STATIC_NOISE_RATE:
            self._noise_type = STATIC_NOISE_TYPE
        self._types = {*codecs, self._event_type, self._noise_type} - {None}
        self._latch = latch
        self._srtp = srtp
        self._dtmf = DtmfReceiver()
        self.receiver = Receiver(codecs, self._noise_type)
        self.reception: Reception | None = None
        self._newcomer: tuple[RtpPacket, float] | None = None
        self._before = before
        """Of earlier parameters, and of the streams before this one."""
        self._malformed = 0
        self.heard_at: float | None = None
        """When the newest packet of the far end arrived."""
        self.in_step = False
        """The last datagram was the audio packet that had to come, and what is to be played next is here: nothing that
        may have come besides is needed yet.
        """

    def take(self, datagram: bytes, source: Address, arrival: float) -> str | None:
        """Take what came to the RTP port, whatever it is; returns a key that it presses."""
        self.in_step = False
        if self._srtp is not None:
            try:
                datagram = self._srtp.unprotect(datagram)
            except SrtpError:
                self._malformed += 1
                return None
        packet = parse(datagram)
        if packet is None or packet.payload_type not in self._types:
            self._malformed += 1
        elif self._latch.accepts(packet, source, arrival):
            self.heard_at = arrival
            reception = self.reception
            if reception is not None and packet.ssrc == reception.ssrc:
                return self._take_valid(reception, packet, arrival)
            return self._take_newcomer(packet, arrival)
        return None

    def _take_valid(self, reception: Reception, packet: RtpPacket, arrival: float) -> str | None:
        if packet.payload_type != self._event_type:
            if reception.receive(packet, arrival):
                self.in_step = self.receiver.insert(packet, arrival) and reception.in_order
            return None
        if not reception.receive(packet, arrival, timed=False):
            return None
        self.receiver.pause()
        return self._dtmf.receive(packet.timestamp, packet.payload)

    def _take_newcomer(self, packet: RtpPacket, arrival: float) -> str | None:
        """A packet of another SSRC. The first one is believed at once, later ones when two come in sequence."""
        if self.reception is None:
            self.reception = Reception(packet, self._clock_rate)
            return self._take_valid(self.reception, packet, arrival)
        former, self._newcomer = self._newcomer, (packet, arrival)
        if former is None or former[0].ssrc != packet.ssrc or (packet.sequence - former[0].sequence) & 0xFFFF != 1:
            return None
        self._newcomer = None
        self._before = self._before.plus(_counts_of(self.reception))
        self.receiver.restart()
        self._dtmf = DtmfReceiver()
        self.reception = Reception(former[0], self._clock_rate)
        keys = [self._take_valid(self.reception, *each) for each in (former, (packet, arrival))]
        return keys[0] or keys[1]

    @property
    def counts(self) -> Counts:
        """Of everything so far."""
        receiver = self.receiver
        now = Counts(
            late=receiver.late,
            malformed=self._malformed + receiver.undecodable,
            concealed_frames=receiver.concealed_frames,
        )
        return self._before.plus(now).plus(_counts_of(self.reception))


def _counts_of(reception: Reception | None) -> Counts:
    if reception is None:
        return Counts()
    return Counts(reception.received, reception.lost, reception.duplicates, reception.reordered)
