"""The TCP and TLS connections that are open, and which of them leads to a server (RFC 5923)."""

from collections.abc import Iterator

from dialtone.sip.flow import SocketAddress, Target, Transport
from dialtone.sip.stream import StreamConnection

_Way = tuple[Transport, SocketAddress, str]


class Connections:
    """All of them, whoever opened them, the oldest first."""

    def __init__(self) -> None:
        self._open: dict[StreamConnection, None] = {}
        self._ways: dict[_Way, StreamConnection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[StreamConnection]:
        return iter(list(self._open))

    def add(self, connection: StreamConnection) -> None:
        self._open[connection] = None
        self._ways[_way_of(connection)] = connection

    def remove(self, connection: StreamConnection) -> bool:
        """False for one that is none of these."""
        if connection not in self._open:
            return False
        del self._open[connection]
        if self._ways.get(_way_of(connection)) is connection:
            del self._ways[_way_of(connection)]
        return True

    def to(self, target: Target) -> StreamConnection | None:
        """An open connection on which requests to this server may go.

        Over TLS that is one on which the server proved its name (RFC 5922 section 7.3): neither one for another name at
        the same address, nor one that was opened from there, since who connects to us proves nothing (RFC 5923).
        """
        name = verified_name(target) if target.transport == "tls" else ""
        connection = self._ways.get((target.transport, (target.host, target.port), name))
        return connection if connection is not None and connection.is_open else None


def verified_name(target: Target) -> str:
    """What the certificate of a server that speaks TLS must be for."""
    return target.server_name or target.host


def _way_of(connection: StreamConnection) -> _Way:
    return connection.transport, connection.remote, connection.server_name
