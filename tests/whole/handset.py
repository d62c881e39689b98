"""A telephone on the network, made of a user agent and an RTP session; the test plays the person who holds it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from dialtone.lines.sip.negotiation import Negotiation, audio_options
from dialtone.media.audio import MULAW_8K
from dialtone.media.clock import MediaClock
from dialtone.media.convert import decode
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import PortPool
from dialtone.media.rtp.session import RtpSession
from dialtone.sip.admission import Accept, Admission, RequestFacts
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Answered, Ended, Event, Identity, IncomingCall, OutgoingCall, Ringing
from dialtone.sip.offer_answer import AudioOptions, LocalAudio
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.sip.user_agent import UserAgent
from tests.sip.stage import Phone
from tests.whole.house import SPEECH, WholeHouse

LOUD = 500
QUIET_BYTES = 4000
PORTS = PortPool(33000, 33999)


class NotTakenError(Exception):
    def __init__(self, ended: Ended) -> None:
        super().__init__(ended.status)
        self.ended = ended


class Handset:
    """One call at a time."""

    def __init__(self, phone: Phone, clock: MediaClock, options: AudioOptions) -> None:
        self.phone = phone
        self._clock = clock
        self._ports = PORTS.bind("127.0.0.1")
        self._negotiation = Negotiation(LocalAudio("127.0.0.1", self._ports.port), options, "127.0.0.1")
        self._speech = b""
        self._news = asyncio.Event()
        self.session: RtpSession | None = None
        self.call = ""
        self.heard = bytearray()
        """All that came since the last `forget`, silence included."""
        self.keys: list[str] = []
        self.provisional: list[int] = []
        """Statuses that came before the answer."""

    # Calling and being called

    async def dial(self, target: str, caller: str = "sip:+31612345678@carrier.example", **more: Any) -> None:
        """Call somebody and talk once they answer. Raises `NotTakenError`."""
        order = OutgoingCall(target, Identity(caller, "Tom"), self._negotiation.offer(), **more)
        self.call = self.phone.agent.invite(order)
        while not isinstance(answered := await self.phone.expect(Event), Answered):
            if isinstance(answered, Ended):
                raise NotTakenError(answered)
            if isinstance(answered, Ringing):
                self.provisional.append(answered.status)
                if answered.description is not None and self.session is None:
                    self._talk(self._negotiation.answered(answered.description))
        if self.session is None:
            self._talk(self._negotiation.answered(answered.description))

    async def dial_without_offer(self, target: str) -> None:
        """Call somebody who has to offer the audio."""
        order = OutgoingCall(target, Identity("sip:+31612345678@carrier.example"), None)
        self.call = self.phone.agent.invite(order)
        answered = await self.phone.eventually(Answered)
        assert answered.wants_answer
        assert answered.description is not None
        description, parameters = self._negotiation.answer(answered.description)
        self.phone.agent.answer_offer(self.call, description)
        self._talk(parameters)

    async def pick_up(self, *, ring: bool = True) -> IncomingCall:
        """Take the next call."""
        invitation = await self.ringing(ring=ring)
        self.take(invitation)
        return invitation

    def take(self, invitation: IncomingCall) -> None:
        """Take a call that rings."""
        assert invitation.offer is not None
        description, parameters = self._negotiation.answer(invitation.offer)
        self._negotiation.keep(description)
        self.phone.agent.answer(self.call, description)
        self._talk(parameters)

    async def ringing(self, *, ring: bool = True) -> IncomingCall:
        invitation = await self.phone.eventually(IncomingCall)
        self.call = invitation.call
        if ring:
            self.phone.agent.ring(self.call)
        return invitation

    def hang_up(self) -> None:
        self.phone.agent.hangup(self.call)

    async def ended(self) -> Ended:
        return await self.phone.eventually(Ended)

    # The person

    def speak(self) -> None:
        """Say the recorded sentence."""
        self._speech = SPEECH

    def press(self, keys: str) -> None:
        assert self.session is not None
        self.session.send_dtmf(keys)

    def hold(self) -> None:
        """Let the other side hear nothing any more, and say so."""
        self.phone.agent.hold(self.call, "sendonly")

    def move(self) -> str:
        """Go on at another port, as after a handover between networks; returns the new offer."""
        assert self.session is not None
        self.session.close()
        self._ports = PORTS.bind("127.0.0.1")
        self._negotiation.local = LocalAudio("127.0.0.1", self._ports.port)
        self.phone.agent.offer(self.call, self._negotiation.offer())
        return self._negotiation.description or ""

    def moved(self, answer: str | None) -> None:
        """Our offer to move was answered."""
        self._talk(self._negotiation.answered(answer))

    def forget(self) -> None:
        self.heard.clear()

    async def until_heard(self, seconds: float) -> None:
        """Wait until so much was heard that is loud."""
        await self.until(lambda: self.loud_seconds() >= seconds)

    async def until_quiet(self) -> None:
        """Wait until somebody has spoken, and been silent for half a second since."""
        await self.until(lambda: self.loud_seconds() > 0 and self.loud_seconds(QUIET_BYTES) == 0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def loud_seconds(self, newest: int = 0) -> float:
        """Frames in which somebody speaks, together; of all, or of the `newest` bytes."""
        samples = decode(bytes(self.heard[-newest:]), MULAW_8K)
        frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
        return float((np.abs(frames.astype(int)).max(axis=1) > LOUD).sum()) * 0.02

    def close(self) -> None:
        self._clock.remove(self)
        if self.session is not None:
            self.session.close()
        self._ports.close()

    # What the clock and the session call

    def tick(self, now: float) -> None:
        frame, self._speech = self._speech[:160], self._speech[160:]
        if self.session is not None and frame:
            self.session.send_audio(frame.ljust(160, b"\xff"))

    def on_audio(self, frame: bytes) -> None:
        self.heard += frame
        self._news.set()

    def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)
        self._news.set()

    def on_media_timeout(self) -> None:
        raise AssertionError("no audio came")

    def on_failed(self, error: Exception) -> None:
        raise error

    def _talk(self, parameters: RtpParameters) -> None:
        self.session = RtpSession(self._ports, self._clock, parameters)
        self.session.start(self)
        self._clock.add(self)


async def everybody(facts: RequestFacts) -> Admission:
    return Accept("")


@asynccontextmanager
async def handset(*codecs: str) -> AsyncIterator[Handset]:
    """A telephone at a free port of this machine."""
    listeners = (Listener("udp", "127.0.0.1", 0), Listener("tcp", "127.0.0.1", 0))
    options = Options(TransportOptions(listeners))
    phone = Phone(lambda on_event: UserAgent(options, on_event, everybody))
    phone.patience = 20.0
    await phone.agent.open()
    audio = audio_options("off")
    made = Handset(phone, MediaClock(), AudioOptions(codecs or ("PCMU",), "off", suites=audio.suites))
    try:
        yield made
    finally:
        made.close()
        try:
            async with asyncio.timeout(2):
                await phone.agent.close()
        except TimeoutError:  # somebody does not answer, as is right
            await phone.agent.endpoint.close()


def sip_uri(house: WholeHouse, number: str, transport: str = "udp") -> str:
    """Where the house takes calls to a number."""
    port = next(address[1] for kind, address in house.parts.telephony.listening_on() if kind == transport)
    return f"sip:{number}@127.0.0.1:{port};transport={transport}"
