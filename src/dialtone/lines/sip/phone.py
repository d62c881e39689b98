"""The telephone of a process: the SIP user agent, the calls that it carries, and their ports for audio."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from dialtone.lines.sip.early import EarlyMedia
from dialtone.lines.sip.line import SipLine
from dialtone.lines.sip.negotiation import Negotiation, NoCommonAudioError, audio_options
from dialtone.lines.sip.server import SipServer
from dialtone.media.clock import MediaClock
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts, PortPool
from dialtone.media.rtp.session import RtpSession
from dialtone.sip.admission import Admit
from dialtone.sip.endpoint import Options
from dialtone.sip.events import (
    Ended,
    Event,
    IncomingCall,
    LoginRefused,
    OutgoingCall,
    PeerChanged,
    RegistrationChanged,
)
from dialtone.sip.flow import SocketAddress, Transport
from dialtone.sip.offer_answer import LocalAudio, SrtpPolicy
from dialtone.sip.user_agent import UserAgent

GOODBYE_SECONDS = 3.0


class Party(Protocol):
    """Whoever follows one call."""

    def take(self, event: Event) -> None:
        """What the user agent tells of the call."""


class SipPhone:
    """Build it on the event loop, then `open` it. All calls of the process share one."""

    def __init__(
        self,
        options: Options,
        ports: PortPool,
        clock: MediaClock,
        admit: Admit,
        on_call: Callable[["SipPhone", IncomingCall], None],
        on_trunk: Callable[[LoginRefused | RegistrationChanged | PeerChanged], None] | None = None,
    ) -> None:
        """`on_call` gives each incoming call a party by `follow`, or rejects it, before it returns. `on_trunk` is told
        what belongs to no call.
        """
        self.agent = UserAgent(options, self._on_event, admit)
        self._listeners = options.transports.listeners
        self._ports = ports
        self._clock = clock
        self._on_call = on_call
        self._on_trunk = on_trunk
        self._parties: dict[str, Party] = {}

    async def open(self) -> None:
        """Listen. Raises `OSError` where an address cannot be had."""
        await self.agent.open()

    async def close(self) -> None:
        """Hang up what is left, and stop. A far end that does not answer is waited for only `GOODBYE_SECONDS`."""
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.agent.close()
        except TimeoutError:
            await self.agent.endpoint.close()

    def listening_on(self) -> list[tuple[Transport, SocketAddress]]:
        return self.agent.listening_on()

    @property
    def calls(self) -> int:
        """How many calls somebody follows."""
        return len(self._parties)

    def speaks(self, transport: str) -> bool:
        """Whether calls can go out by this transport: for UDP a socket must be open, connections are opened anew."""
        return transport in ("tcp", "tls") or any(listener.transport == "udp" for listener in self._listeners)

    def follow(self, call: str, party: Party) -> None:
        """From now on `party` is told of this call, in place of whoever was before."""
        self._parties[call] = party

    def invite(self, order: OutgoingCall, party: Party) -> str:
        """Place a call. Raises `SipError` or `ValueError` for an order that makes no sense."""
        call = self.agent.invite(order)
        self._parties[call] = party
        return call

    def bind(self, peer: str, encryption: SrtpPolicy) -> tuple[MediaPorts, Negotiation]:
        """Ports for the audio of a call with a peer at this IP address.

        Raises `NoPortsError`; `OSError` and `SipError` where there is no way to the peer.
        """
        seen = self.agent.address_for(peer)
        ports = self._ports.bind(self._media_host(seen))
        return ports, Negotiation(LocalAudio(seen, ports.port), audio_options(encryption), peer)

    def line(
        self, call: str, ports: MediaPorts, negotiation: Negotiation, parameters: RtpParameters, server: SipServer
    ) -> SipLine:
        """The line of a call that is answered. The ports are its own from here on, also where it raises
        `NoCommonAudioError`.
        """
        try:
            session = RtpSession(ports, self._clock, parameters)
        except ValueError as error:
            raise NoCommonAudioError(str(error)) from None
        return self.line_over(session, call, negotiation, server)

    def line_over(self, session: RtpSession, call: str, negotiation: Negotiation, server: SipServer) -> SipLine:
        """The line of an answered call whose audio flows already."""
        line = SipLine(self.agent, call, session, negotiation, server)
        self.follow(call, line)
        return line

    def early_media(self, ports: MediaPorts, parameters: RtpParameters) -> EarlyMedia:
        """What the caller hears before the answer. The ports are its own from here on, also where it raises
        `ValueError`.
        """
        return EarlyMedia(ports, self._clock, parameters)

    def line_of(self, call: str) -> SipLine | None:
        """The line of a call; None for one that is not answered."""
        party = self._parties.get(call)
        return party if isinstance(party, SipLine) else None

    def _media_host(self, seen: str) -> str:
        """Where audio is received: beside the signalling."""
        is_ipv6 = ":" in seen
        hosts = [listener.host for listener in self._listeners if (":" in listener.host) == is_ipv6]
        return hosts[0] if hosts else "::" if is_ipv6 else "0.0.0.0"

    def _on_event(self, event: Event) -> None:
        if isinstance(event, LoginRefused | RegistrationChanged | PeerChanged):
            if self._on_trunk is not None:
                self._on_trunk(event)
            return
        if isinstance(event, IncomingCall):
            self._on_call(self, event)
            return
        party = self._parties.get(event.call)
        if isinstance(event, Ended):
            self._parties.pop(event.call, None)
        if party is not None:
            party.take(event)
