"""All sockets of a user agent: where it listens, whom it is connected to, and what of it others see."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from dialtone.sip.acceptor import Acceptor
from dialtone.sip.connections import Connections, verified_name
from dialtone.sip.errors import Obstacle, ParseError, TransportError
from dialtone.sip.flow import DEFAULT_PORTS, Flow, SocketAddress, Target, Transport
from dialtone.sip.guard import Guard
from dialtone.sip.message import Message, Request, parse_datagram
from dialtone.sip.stream import StreamConnection, StreamEvents
from dialtone.sip.udp import UdpFlow, UdpSocket, bound_socket
from dialtone.sip.uri import host_in_uri

CONNECT_SECONDS = 5.0

_CERTIFICATE: dict[int, Obstacle] = {
    9: "certificate_expired",
    10: "certificate_expired",
    62: "certificate_of_another",
    64: "certificate_of_another",
}
"""By OpenSSL's codes (X509_V_ERR_*): not valid yet, expired, for another name, for another IP address."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on."""

    transport: Transport
    host: str
    port: int
    certificate: ssl.SSLContext | None = field(default=None, repr=False)
    """For TLS: what we prove ourselves with."""


@dataclass(frozen=True, slots=True)
class TransportOptions:
    listeners: tuple[Listener, ...]
    public_address: str | None = None
    """Our address as peers outside our network see it, where that is not the one of the socket; for those of its own
    family, IPv4 or IPv6."""
    tls_client: ssl.SSLContext | None = field(default=None, repr=False)
    """For TLS connections that we open; without it, certificates are verified by the system's authorities."""


class Transports:
    """Opens, finds and closes flows. `receive` is told of every message that came in whole, `lost` of every connection
    that is closed.
    """

    def __init__(
        self,
        options: TransportOptions,
        guard: Guard,
        receive: Callable[[Message, Flow], None],
        lost: Callable[[Flow], None],
    ) -> None:
        self._options = options
        self._guard = guard
        self._receive = receive
        self._lost = lost
        self._udp: list[UdpSocket] = []
        self._acceptor = Acceptor(guard, self._new_connection, self._let_a_stranger_go)
        self.connections = Connections()
        self._connecting: dict[Target, asyncio.Task[StreamConnection]] = {}
        self._mapped: dict[UdpSocket, SocketAddress] = {}
        self._source_addresses: dict[str, str] = {}
        self._client_tls = options.tls_client or ssl.create_default_context()

    async def open(self) -> None:
        """Listen. Raises `OSError` where an address cannot be had; nothing stays open then."""
        loop = asyncio.get_running_loop()
        try:
            for listener in self._options.listeners:
                if listener.transport == "udp":
                    await loop.create_datagram_endpoint(
                        self._new_udp_socket, sock=bound_socket(listener.host, listener.port)
                    )
                else:
                    self._listen(listener)
        except BaseException:
            await self.close()
            raise

    def _new_udp_socket(self) -> UdpSocket:
        udp = UdpSocket(self._datagram, self._guard.allows)
        self._udp.append(udp)
        return udp

    def _listen(self, listener: Listener) -> None:
        certificate = listener.certificate if listener.transport == "tls" else None
        if listener.transport == "tls" and certificate is None:
            raise TransportError("a TLS listener needs a certificate")
        self._acceptor.listen(listener.transport, listener.host, listener.port, certificate)

    def _new_connection(self, transport: Transport) -> StreamConnection:
        return StreamConnection(transport, self._events(), outgoing=False)

    def _let_a_stranger_go(self) -> bool:
        stranger = next((connection for connection in self.connections if not connection.trusted), None)
        if stranger is not None:
            stranger.abort()
        return stranger is not None

    def _events(self) -> StreamEvents:
        guard = self._guard
        return StreamEvents(
            self._receive, self.connections.add, self._closed, guard.refuse, guard.allows, guard.is_trusted
        )

    def _datagram(self, data: bytes, flow: UdpFlow) -> None:
        try:
            message = parse_datagram(data)
        except ParseError:
            self._guard.refuse(flow.remote[0])
            return
        self._receive(message, flow)

    def _closed(self, connection: StreamConnection) -> None:
        if self.connections.remove(connection):
            self._lost(connection)

    async def flow_to(self, target: Target) -> Flow:
        """A way to a server: an open connection where there is one. Raises `TransportError`."""
        self._guard.trust(target.host)
        if target.transport == "udp":
            return UdpFlow(self._udp_socket_for(target.host), (target.host, target.port))
        connection = self.connections.to(target)
        if connection is not None:
            return connection
        task = self._connecting.get(target)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._connect(target))
            self._connecting[target] = task
            task.add_done_callback(lambda done: self._connecting.pop(target, None))
        return await asyncio.shield(task)

    async def _connect(self, target: Target) -> StreamConnection:
        loop = asyncio.get_running_loop()
        tls = self._client_tls if target.transport == "tls" else None
        name = verified_name(target) if tls else ""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: StreamConnection(target.transport, self._events(), outgoing=True, server_name=name),
                    target.host,
                    target.port,
                    ssl=tls,
                    server_hostname=name or None,
                )
        except (OSError, TimeoutError, ValueError) as error:
            words = f"no connection over {target.transport}: {type(error).__name__}"
            raise TransportError(words, _obstacle(error)) from error
        return connection

    def _udp_socket_for(self, host: str) -> UdpSocket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for udp in self._udp:
            if udp.family == family:
                return udp
        raise TransportError("no UDP socket for this family of addresses")

    def speaks(self, transport: Transport, host: str) -> bool:
        """Whether a server at this IP address can be reached over `transport` at all."""
        if transport != "udp":
            return True
        return any((udp.family == socket.AF_INET6) == (":" in host) for udp in self._udp)

    async def learn_public_address(self, server: SocketAddress) -> SocketAddress:
        """Ask a STUN server how it sees our UDP socket, and be known by that. Raises `TransportError`."""
        udp = self._udp_socket_for(server[0])
        self._guard.trust(server[0])
        mapped = await udp.mapped_address(server)
        self._mapped[udp] = mapped
        return mapped

    def sent_by(self, flow: Flow) -> SocketAddress:
        """Host and port under which the peer of a flow reaches us."""
        host = flow.remote[0]
        if isinstance(flow, UdpFlow) and flow.socket in self._mapped and _is_outside(host):
            return self._mapped[flow.socket]
        return self._public_address(host) or self._address_on_the_way(flow.local[0], host), self._listening_port(flow)

    def _public_address(self, host: str) -> str | None:
        """What stands for us to a peer outside our network; None where that is of the other family of addresses."""
        public = self._options.public_address
        return public if public is not None and _is_outside(host) and (":" in public) == (":" in host) else None

    def _listening_port(self, flow: Flow) -> int:
        if isinstance(flow, StreamConnection) and flow.outgoing:
            ports = [address[1] for kind, address in self._acceptor.addresses if kind == flow.transport]
            return ports[0] if ports else flow.local[1]
        return flow.local[1]

    def address_for(self, host: str) -> str:
        """Our IP address as a peer at this one sees it: where it reaches what else this machine has for it. Raises
        `TransportError` where there is no way to it.
        """
        is_ipv6 = ":" in host
        sockets = [udp for udp in self._udp if (udp.family == socket.AF_INET6) == is_ipv6]
        if _is_outside(host):
            seen = next((self._mapped[udp][0] for udp in sockets if udp in self._mapped), self._public_address(host))
            if seen is not None:
                return seen
        bound = [listener.host for listener in self._options.listeners if (":" in listener.host) == is_ipv6]
        return self._address_on_the_way(bound[0] if bound else "::" if is_ipv6 else "0.0.0.0", host)

    def _address_on_the_way(self, bound: str, host: str) -> str:
        """Our address on the way to a peer: of a socket that is bound to all, the one the system would choose."""
        if bound not in ("0.0.0.0", "::"):
            return bound
        found = self._source_addresses.get(host)
        if found is None:
            found = _route_to(host)
            if len(self._source_addresses) > 10_000:
                self._source_addresses.clear()
            self._source_addresses[host] = found
        return found

    def contact(self, flow: Flow, user: str = "") -> str:
        """A URI under which the peer of a flow reaches us, without angle brackets."""
        host, port = self.sent_by(flow)
        address = host_in_uri(host) if port == DEFAULT_PORTS["udp"] else f"{host_in_uri(host)}:{port}"
        parameter = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"sip:{user}@{address}{parameter}" if user else f"sip:{address}{parameter}"

    async def close(self) -> None:
        for task in list(self._connecting.values()):
            task.cancel()
        await asyncio.gather(*self._connecting.values(), return_exceptions=True)
        await self._acceptor.close()
        for connection in self.connections:
            connection.close()
        for udp in self._udp:
            udp.close()
        self._udp.clear()
        await asyncio.sleep(0)

    def listening_on(self) -> list[tuple[Transport, SocketAddress]]:
        """Where we really listen, which tells the port where 0 was asked for."""
        return [("udp", udp.address) for udp in self._udp] + self._acceptor.addresses


def trust_connection(flow: Flow) -> None:
    """The peer of this flow was let in; its connection may stay open for longer."""
    if isinstance(flow, StreamConnection):
        flow.let_in()


def response_flow(request: Request, flow: Flow) -> Flow:
    """Where the answer to a request goes (RFC 3261 section 18.2.2, RFC 3581 section 4)."""
    if not isinstance(flow, UdpFlow):
        return flow
    via = request.via
    port = flow.remote[1] if "rport" in via.params else via.port or DEFAULT_PORTS["udp"]
    return UdpFlow(flow.socket, (flow.remote[0], port))


def note_source(request: Request, flow: Flow) -> None:
    """Write into the topmost Via where the request really came from (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    via = request.via
    host, port = flow.remote
    if "rport" in via.params:
        via.params["rport"] = str(port)
        via.params["received"] = host
    elif via.host.strip("[]") != host:
        via.params["received"] = host
    else:
        return
    request.replace_via(via)


def _obstacle(error: Exception) -> Obstacle:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "certificate_untrusted")
    if isinstance(error, ssl.SSLError):
        return "tls_failed"
    if isinstance(error, ConnectionRefusedError):
        return "connection_refused"
    if isinstance(error, ConnectionError):
        return "connection_lost"
    return "connection_timeout" if isinstance(error, TimeoutError) else "no_route"


def _is_outside(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return not (address.is_private or address.is_loopback or address.is_link_local)


def _route_to(host: str) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # sends nothing: it only asks the routing table
        except OSError as error:
            raise TransportError("no route to the peer") from error
        return str(probe.getsockname()[0])
