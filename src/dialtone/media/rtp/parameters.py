"""What two ends agree on by SDP before audio flows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from dialtone.media.rtp.codecs import Codec, create
from dialtone.media.rtp.datagram_socket import Address
from dialtone.media.rtp.srtp import SrtpKey

PACKET_MS = (10, 20, 30, 40, 60)
"""What packets may hold, in milliseconds. Our audio comes in frames of 20, cut in two for 10 and 30: packets of 30 ms
leave by turns 40 and 20 ms apart, and those of 10 ms two at a time.
"""


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """The keys of both directions, from the SDP of both ends."""

    local: SrtpKey
    remote: SrtpKey


@dataclass(frozen=True, slots=True)
class RtpParameters:
    """One audio stream in both directions."""

    remote: Address
    """Where the far end wants its packets: a numeric IP address and port."""
    codec: str
    """Of what we send; the name in SDP, e.g. `PCMU`."""
    payload_type: int
    """Of what we send."""
    received: Mapping[int, str]
    """Codecs that may come, by payload type; all with the line format and the clock rate of `codec`."""
    received_event: int | None = None
    """Payload type of keys that come (RFC 4733), with the clock rate of `codec`. None: tones are listened for."""
    sent_event: int | None = None
    """The same of keys that we send: the two ends may number them differently. None: they are sent as tones."""
    packet_ms: int = 20
    """How much audio the far end wants in a packet: one of `PACKET_MS`."""
    comfort_noise: int | None = None
    """Payload type of comfort noise (RFC 3389), if it was agreed on."""
    remote_rtcp: Address | None = None
    """Default: the port above `remote`."""
    rtcp_mux: bool = False
    """RTCP goes through the ports of RTP (RFC 5761)."""
    srtp: SrtpKeys | None = field(default=None, repr=False)
    signalling_host: str | None = None
    """IP address that SIP came from: where packets probably come from, if SDP names another."""
    sends: bool = True
    """False while the far end wants nothing (`sendonly`, `inactive`)."""
    receives: bool = True
    """False while the far end sends nothing (`recvonly`, `inactive`)."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for an address that packets can't or must not go to, and for a length that they can't
        have.
        """
        if self.packet_ms not in PACKET_MS:
            raise ValueError(f"a packet holds {', '.join(map(str, PACKET_MS))} ms (got {self.packet_ms})")
        for host, port in (self.remote, *([self.remote_rtcp] if self.remote_rtcp else [])):
            address = ip_address(host)  # a name would be looked up, which takes time and trust
            if address.is_multicast or host == "255.255.255.255":
                raise ValueError(f"audio can't be sent to the group address {host}")
            if self.sends and address.is_unspecified:
                raise ValueError(f"audio can't be sent to {host}: it is nobody's address")
            if not 0 < port < 65536:
                raise ValueError(f"a port is 1 to 65535 (got {port})")

    @property
    def on_hold(self) -> bool:
        """Audio flows in one direction at most. Silence is then no fault: who holds a call (`sendonly`) may play music,
        and many telephones have none.
        """
        return not (self.sends and self.receives)

    def received_codecs(self, sending: Codec) -> dict[int, Codec]:
        """A decoder for each payload type. Raises `ValueError` for one that does not go with the others."""
        codecs = {}
        for payload_type, name in self.received.items():
            codec = create(name)
            if (codec.audio, codec.clock_rate) != (sending.audio, sending.clock_rate):
                raise ValueError(f"{name} and {self.codec} can't be used in one stream")
            codecs[payload_type] = codec
        if not codecs:
            raise ValueError("there must be at least one codec to receive")
        return codecs
