"""SRTP with keys from SDP (RFC 3711, RFC 4568), by libsrtp through the package `pylibsrtp`."""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pylibsrtp

SrtpSuite = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]
SUITES: tuple[SrtpSuite, ...] = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""RFC 4568 section 6.2, those we speak, the one we prefer first."""
KEY_BYTES = 30
"""Master key of 16 bytes and master salt of 14."""
REPLAY_WINDOW = 1024
"""Packets back from the newest that may still come, once each."""


@cache
def is_available() -> bool:
    """Whether the package is installed."""
    return find_spec("pylibsrtp") is not None


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """One direction's suite and master key."""

    suite: SrtpSuite
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.suite not in SUITES:
            raise ValueError(f"the suite must be one of {', '.join(SUITES)} (got {self.suite!r})")
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"key and salt must be {KEY_BYTES} bytes together (got {len(self.key)})")

    @classmethod
    def generate(cls, suite: SrtpSuite = SUITES[0]) -> "SrtpKey":
        return cls(suite, secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_inline(cls, suite: SrtpSuite, inline: str) -> "SrtpKey":
        """The key of `inline:...` in SDP, without that word (RFC 4568 section 6.1). A lifetime is of no consequence to
        a call; a master key identifier changes the packets. Raises `ValueError` for that and anything malformed.
        """
        encoded, *parameters = inline.split("|")
        if any(":" in parameter for parameter in parameters):
            raise ValueError("SRTP with a master key identifier (MKI) is not spoken here")
        try:
            return cls(suite, base64.b64decode(encoded, validate=True))
        except binascii.Error:
            raise ValueError("the SRTP key is not base64") from None

    @property
    def inline(self) -> str:
        """As SDP has it."""
        return base64.b64encode(self.key).decode()


class SrtpError(Exception):
    """A packet that is not authentic, or was here before."""


def _context(key: SrtpKey, direction: int) -> "pylibsrtp.Session":
    """One direction's cryptographic context (RFC 3711 section 3.2)."""
    import pylibsrtp

    profiles = {
        "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        "AES_CM_128_HMAC_SHA1_32": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    }
    policy = pylibsrtp.Policy(key=key.key, ssrc_type=direction, srtp_profile=profiles[key.suite])
    policy.window_size = REPLAY_WINDOW
    return pylibsrtp.Session(policy=policy)


class Srtp:
    """Protection of one session in both directions, RTP and RTCP. libsrtp counts the rollovers of sequence numbers."""

    def __init__(self, local: SrtpKey, remote: SrtpKey, former: "Srtp | None" = None) -> None:
        """`local` protects what we send. A direction whose key is that of `former` goes on counting rollovers where it
        was: no packet tells how many there were (RFC 3711 section 3.3.1). Raises `ValueError` where the package is
        missing.
        """
        if not is_available():
            raise ValueError("SRTP needs the package pylibsrtp, which is not installed")
        import pylibsrtp

        self._error = pylibsrtp.Error
        self._local, self._remote = local, remote
        self._outgoing: pylibsrtp.Session = (
            former._outgoing
            if former is not None and former._local == local
            else _context(local, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        )
        self._incoming: pylibsrtp.Session = (
            former._incoming
            if former is not None and former._remote == remote
            else _context(remote, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        )

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet as it is sent."""
        return self._outgoing.protect(packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        return self._outgoing.protect_rtcp(packet)

    def unprotect(self, datagram: bytes) -> bytes:
        """The RTP packet in a datagram. Raises `SrtpError`."""
        try:
            return self._incoming.unprotect(datagram)
        except (self._error, ValueError) as error:
            raise SrtpError(str(error)) from None

    def unprotect_rtcp(self, datagram: bytes) -> bytes:
        """The RTCP packet in a datagram. Raises `SrtpError`."""
        try:
            return self._incoming.unprotect_rtcp(datagram)
        except (self._error, ValueError) as error:
            raise SrtpError(str(error)) from None
