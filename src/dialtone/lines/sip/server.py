"""Somebody's SIP server, and the telephone numbers behind it."""

from dataclasses import dataclass

from dialtone.platform.numbering import INTERNATIONAL, Numbering
from dialtone.sip.uri import host_in_uri


@dataclass(frozen=True, slots=True)
class SipServer:
    host: str
    """A name or an IP address, without brackets."""
    port: int | None = None
    """None: the one that the DNS names, else the transport's own (RFC 3263)."""
    transport: str | None = None
    numbering: Numbering = INTERNATIONAL

    @property
    def domain(self) -> str:
        """Host and port as a SIP URI has them."""
        host = host_in_uri(self.host)
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def uri(self) -> str:
        """Of the server itself."""
        return f"sip:{self.domain}{self._parameters}"

    def user(self, number: str) -> str:
        """A number in E.164 form as the server wants it written."""
        return self.numbering.dialled(number)

    def uri_of(self, number: str) -> str:
        """Where a number in E.164 form is reached."""
        return f"sip:{self.user(number)}@{self.domain}{self._parameters}"

    @property
    def _parameters(self) -> str:
        return "" if self.transport is None else f";transport={self.transport}"
