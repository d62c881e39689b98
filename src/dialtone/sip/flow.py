"""Where messages go and come from."""

from dataclasses import dataclass
from typing import Literal, Protocol

Transport = Literal["udp", "tcp", "tls"]

DEFAULT_PORTS: dict[str, int] = {"udp": 5060, "tcp": 5060, "tls": 5061}

SocketAddress = tuple[str, int]
"""An IP address without brackets, and a port."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to send to."""

    transport: Transport
    host: str
    """An IP address."""
    port: int
    server_name: str = ""
    """The name that a TLS certificate must be for."""


class Flow(Protocol):
    """One way to one peer: a UDP socket with the peer's address, or a connection."""

    @property
    def transport(self) -> Transport: ...

    @property
    def local(self) -> SocketAddress: ...

    @property
    def remote(self) -> SocketAddress: ...

    @property
    def reliable(self) -> bool:
        """Nothing is lost on the way, so nothing is sent twice."""

    def send(self, data: bytes) -> None:
        """Send a whole message. Raises `TransportError` where that is known to be impossible."""


def normalized_host(host: str) -> str:
    """An IP address as peers are compared by: an IPv4 address in an IPv6 socket as IPv4, without a zone."""
    host = host.partition("%")[0]
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host
