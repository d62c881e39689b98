"""A telephone call that comes in, until it is answered."""

import asyncio
from contextlib import ExitStack
from typing import Any

from dialtone.lines.inbound import CallerLeftError
from dialtone.lines.sip.early import EarlyMedia
from dialtone.lines.sip.line import SipLine
from dialtone.lines.sip.negotiation import Negotiation, NoCommonAudioError
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.media.rtp.codecs import create
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts, NoPortsError
from dialtone.sip.errors import SipError
from dialtone.sip.events import Confirmed, Ended, Event, IncomingCall, OfferReceived
from dialtone.sip.offer_answer import SrtpPolicy

SESSION_PROGRESS = 183
CONFIRM_SECONDS = 40.0
"""The user agent gives up before: after 64 times T1 without an ACK (RFC 3261 section 13.3.1.4)."""


class RefusedError(Exception):
    """The call can't be answered. `str()` says why, in words that name no caller."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class IncomingSipCall:
    """Follows the call; `ring`, then either `reject`, or `prepare` and `answer`."""

    def __init__(self, phone: SipPhone, invitation: IncomingCall) -> None:
        self._phone = phone
        self.invitation = invitation
        self._line: asyncio.Future[SipLine | CallerLeftError] = asyncio.get_running_loop().create_future()
        """What came of the call."""
        self._server: SipServer | None = None
        self._ports: MediaPorts | None = None
        self._negotiation: Negotiation | None = None
        self._parameters: RtpParameters | None = None
        self._description = ""
        self._early: EarlyMedia | None = None
        phone.follow(invitation.call, self)

    @property
    def is_over(self) -> bool:
        """The caller gave up, or we did, or there is a line."""
        return self._line.done()

    @property
    def audio(self) -> AudioFormat:
        """The line's format, or what it probably will be where the caller's telephone has not described its audio."""
        return MULAW_8K if self._parameters is None else create(self._parameters.codec).audio

    def ring(self) -> None:
        """Let the caller hear that it rings."""
        if not self.is_over:
            self._phone.agent.ring(self.invitation.call)

    def reject(self, status: int, *, retry_after: int | None = None) -> None:
        """Do not take the call."""
        self._give_back()
        if not self.is_over:
            self._phone.agent.reject(self.invitation.call, status, retry_after=retry_after)

    def prepare(self, codec: str | None = None) -> None:
        """Bind ports and settle the audio, so that an answer can be given at once; with `codec` in its format only.
        Raises `RefusedError`.
        """
        # Keys are taken wherever they are offered, but ours are offered only where nobody on the way can read them.
        may_have_keys = self.invitation.offer is not None or self.invitation.transport == "tls"
        encryption: SrtpPolicy = "optional" if may_have_keys else "off"
        try:
            self._ports, self._negotiation = self._phone.bind(self.invitation.source, encryption)
        except NoPortsError as error:
            raise RefusedError(503, f"There is no port for the call's audio: {error}.") from None
        except (OSError, SipError) as error:
            raise RefusedError(500, f"There is no way for audio to the trunk ({type(error).__name__}).") from None
        if codec is not None:
            self._negotiation.narrow(codec)
        if self.invitation.offer is None:
            self._description = self._negotiation.offer()
            return
        try:
            self._description, self._parameters = self._negotiation.answer(self.invitation.offer)
        except NoCommonAudioError as error:
            self._give_back()
            raise RefusedError(488, f"The trunk and this server have no audio in common: {error}.") from None
        self._negotiation.keep(self._description)
        self._negotiation.narrow(self._parameters.codec)

    async def answer(self, server: SipServer, ready: asyncio.Event | None = None) -> SipLine:
        """Pick up a call that is `prepare`d; returns once the caller has acknowledged. Raises `CallerLeftError`.

        `server`: where whoever the caller is handed over to has a telephone number. It rings until there is something
        to be heard, which is when `ready` is set.
        """
        with ExitStack() as undo:
            undo.callback(self._give_back)
            undo.callback(self._phone.agent.hangup, self.invitation.call)
            if ready is not None:
                await self._ring_until(ready)
            if not self.is_over:
                self._server = server
                self._phone.agent.answer(self.invitation.call, self._description)
            async with asyncio.timeout(CONFIRM_SECONDS):
                line = await self._line
            if isinstance(line, CallerLeftError):
                raise line
            undo.pop_all()
            return line

    async def take_over(self) -> None:
        """Let whoever calls go on in the place of the call that they name (RFC 3891). Raises `RefusedError` and
        `CallerLeftError`.
        """
        line = self._phone.line_of(self.invitation.replaces or "")
        if line is None or not line.is_with(self.invitation.source):
            raise RefusedError(603, "A call is taken over only by its own trunk, and once it was answered.")
        self.prepare(line.codec)
        line.await_successor()
        try:
            successor = await self.answer(line.server)
        except BaseException:
            line.lost_successor()
            raise
        if line.go_on_as(successor):
            self._phone.follow(self.invitation.call, line)

    def _line_to(self, confirmed: Confirmed) -> SipLine | CallerLeftError:
        assert self._negotiation is not None
        assert self._server is not None
        if self._early is not None:
            session, self._early = self._early.session, None
            return self._phone.line_over(session, self.invitation.call, self._negotiation, self._server)
        ports, self._ports = self._ports, None
        if ports is None:
            return CallerLeftError("There is no way for audio to the caller's telephone.")
        try:
            parameters = self._parameters or self._negotiation.answered(confirmed.description)
            return self._phone.line(self.invitation.call, ports, self._negotiation, parameters, self._server)
        except NoCommonAudioError as error:
            ports.close()
            return CallerLeftError(f"The caller's telephone has no audio in common with this server: {error}.")

    async def _ring_until(self, ready: asyncio.Event) -> None:
        """Or until the caller leaves."""
        waiting = asyncio.ensure_future(ready.wait())
        either: list[asyncio.Future[Any]] = [waiting, self._line]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    @property
    def can_play(self) -> bool:
        """Whether the caller can hear something before the call is answered: only who has described where."""
        return self.invitation.offer is not None and not self.is_over

    async def play(self, audio: bytes) -> None:
        """Have the caller of a `prepare`d call hear `audio`, whole frames in the line's format, without an answer.
        Returns when it is over, or the caller has left.
        """
        if self._early is None:
            if self._ports is None or self._parameters is None or self.is_over:
                return
            ports, self._ports = self._ports, None
            try:
                self._early = self._phone.early_media(ports, self._parameters)
            except ValueError:
                return
            self._phone.agent.ring(self.invitation.call, self._description, SESSION_PROGRESS)
        playing = asyncio.ensure_future(self._early.play(audio))
        either: list[asyncio.Future[Any]] = [playing, self._line]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            playing.cancel()

    def take(self, event: Event) -> None:
        """What the user agent tells of the call. The line is made here, not by who waits for it: a BYE or a re-INVITE
        may come with the caller's ACK, and is the line's.
        """
        if self._line.done():
            return
        if isinstance(event, Confirmed):
            self._line.set_result(self._line_to(event))
        elif isinstance(event, Ended):
            self._line.set_result(CallerLeftError("The caller hung up before the call was answered."))
        elif isinstance(event, OfferReceived):
            self._answer_offer(event)

    def _answer_offer(self, event: OfferReceived) -> None:
        """The caller moves its audio before there is a line (UPDATE, RFC 3311 section 5.1)."""
        assert self._negotiation is not None
        assert event.description is not None  # what asks for our offer is a re-INVITE, after the caller's ACK
        try:
            description, parameters = self._negotiation.answer(event.description)
            if self._early is not None:
                self._early.session.update(parameters)
        except (NoCommonAudioError, ValueError):
            self._phone.agent.refuse_offer(event.call)
            return
        self._negotiation.keep(description)
        self._description, self._parameters = description, parameters
        self._phone.agent.answer_offer(event.call, description)

    def _give_back(self) -> None:
        if self._early is not None:
            self._early.session.close()
            self._early = None
        if self._ports is not None:
            self._ports.close()
            self._ports = None
