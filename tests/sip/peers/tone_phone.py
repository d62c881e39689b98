"""A telephone of ours that says one tone all the time and notes what it hears: a user agent with an RTP session."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from dialtone.lines.sip.negotiation import Negotiation, audio_options
from dialtone.media.clock import MediaClock
from dialtone.media.convert import decode
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts, PortPool
from dialtone.media.rtp.session import RtpSession
from dialtone.sip.events import Answered, Confirmed, IncomingCall, OfferAnswered, OfferReceived
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, SrtpPolicy
from tests.sip.peers.programs import real_phone
from tests.sip.peers.tones import OURS, Samples, second_of, seconds_of
from tests.sip.stage import Phone, order

PATIENCE_SECONDS = 20.0
PORTS = PortPool(35000, 35999)
FRAMES_PER_LOOK = 5
"""To look for a tone after every frame would keep the frames waiting."""


class TonePhone:
    """Any number of calls on one user agent."""

    def __init__(self, phone: Phone, options: AudioOptions, hertz: float) -> None:
        self.phone = phone
        self.agent = phone.agent
        self.options = options
        self.hertz = hertz
        self.clock = MediaClock()
        self.lines: list[ToneLine] = []

    def line(self) -> "ToneLine":
        self.lines.append(ToneLine(self))
        return self.lines[-1]

    async def dial(self, target: str, **more: Any) -> "ToneLine":
        """Call somebody and talk once they answer."""
        line = self.line()
        line.call = self.agent.invite(order(target, line.negotiation.offer(), **more))
        line.talk((await self.phone.eventually(Answered)).description)
        return line

    async def pick_up(self) -> tuple["ToneLine", IncomingCall]:
        """Take the next call."""
        invitation = await self.phone.eventually(IncomingCall)
        line = self.line()
        line.answer(invitation)
        await self.phone.eventually(Confirmed)
        return line, invitation


class ToneLine:
    """One call and its audio."""

    def __init__(self, owner: TonePhone) -> None:
        self._owner = owner
        self._news = asyncio.Event()
        self._ports = PORTS.bind("127.0.0.1")
        self.negotiation = Negotiation(LocalAudio("127.0.0.1", self._ports.port), owner.options, "127.0.0.1")
        self._session: RtpSession | None = None
        self._said = 0
        self._second = b""
        self.call = ""
        self.heard = bytearray()
        """Since the last `forget`, silence included."""
        self.keys: list[str] = []

    @property
    def session(self) -> RtpSession:
        assert self._session is not None
        return self._session

    def answer(self, invitation: IncomingCall) -> None:
        assert invitation.offer is not None
        self.call = invitation.call
        description, parameters = self.negotiation.answer(invitation.offer)
        self.negotiation.keep(description)
        self._owner.agent.answer(self.call, description)
        self._begin(parameters)

    def talk(self, answer: str | None) -> None:
        """Our offer was answered."""
        self._begin(self.negotiation.answered(answer))

    def answer_offer(self, offer: OfferReceived) -> None:
        """The other side holds, resumes or moves its audio."""
        assert offer.description is not None
        description, parameters = self.negotiation.answer(offer.description)
        self.negotiation.keep(description)
        self.session.update(parameters)
        self._owner.agent.answer_offer(self.call, description)

    async def agree(self) -> None:
        """Our offer in the call, already made by the agent, is answered."""
        answered = await self._owner.phone.eventually(OfferAnswered)
        self.session.update(self.negotiation.answered(answered.description))

    async def move(self) -> None:
        """Go on at other ports."""
        former: MediaPorts = self._ports
        self._ports = PORTS.bind("127.0.0.1")
        self.negotiation.local = LocalAudio("127.0.0.1", self._ports.port)
        self._owner.agent.offer(self.call, self.negotiation.offer())
        answered = await self._owner.phone.eventually(OfferAnswered)
        self.session.close()
        former.close()
        self._begin(self.negotiation.answered(answered.description))

    def hang_up(self) -> None:
        self._owner.agent.hangup(self.call)
        self.close()

    def forget(self) -> None:
        self.heard.clear()

    def samples(self) -> Samples:
        return decode(bytes(self.heard), self.session.audio)

    def seconds_of(self, hertz: float) -> float:
        return seconds_of(hertz, self.samples(), self.session.audio.sample_rate)

    async def until_heard(self, hertz: float, seconds: float = 0.5) -> None:
        await self.until(lambda: self.seconds_of(hertz) >= seconds)

    async def until_keys(self, keys: str) -> None:
        await self.until(lambda: "".join(self.keys) == keys)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def close(self) -> None:
        """Say and hear no more."""
        if self._session is not None:
            self._session.close()
        self._ports.close()

    def _begin(self, parameters: RtpParameters) -> None:
        self._session = RtpSession(self._ports, self._owner.clock, parameters)
        self._second = second_of(self._owner.hertz, self._session.audio)
        self._session.start(self)

    # What the session calls

    def on_audio(self, frame: bytes) -> None:
        self.heard += frame
        size = len(frame)
        at = self._said * size % len(self._second)
        self._said += 1
        self.session.send_audio(self._second[at : at + size])
        if self._said % FRAMES_PER_LOOK == 0:
            self._news.set()

    def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)
        self._news.set()

    def on_media_timeout(self) -> None:
        raise AssertionError("no audio came")

    def on_failed(self, error: Exception) -> None:
        raise error


@asynccontextmanager
async def tone_phone(
    *codecs: str,
    hertz: float = OURS,
    encryption: SrtpPolicy = "off",
    transports: tuple[str, ...] = ("udp", "tcp"),
    certificate: ssl.SSLContext | None = None,
    tls_client: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[TonePhone]:
    suites = audio_options("off").suites
    audio = AudioOptions(codecs or ("PCMU",), encryption, suites=suites)
    async with real_phone(transports=transports, certificate=certificate, tls_client=tls_client, **options) as phone:
        made = TonePhone(phone, audio, hertz)
        try:
            yield made
        finally:
            for line in made.lines:
                line.close()
