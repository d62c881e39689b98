"""One caller on the telephone: an answered SIP call and its audio over RTP."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from dialtone.lines.base import Line, LineEvent, LineHandler, TransferError
from dialtone.lines.sip.negotiation import Negotiation, NoCommonAudioError
from dialtone.lines.sip.server import SipServer
from dialtone.media.audio import FRAME_SECONDS, AudioFormat
from dialtone.media.rtp.session import MEDIA_TIMEOUT_SECONDS, RtpSession
from dialtone.media.rtp.statistics import RtpStatistics
from dialtone.sip.errors import SipError
from dialtone.sip.events import (
    Cause,
    Ended,
    Event,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    ReferReceived,
    TransferProgress,
)
from dialtone.sip.reasons import REASON_PHRASES
from dialtone.sip.user_agent import UserAgent

EARLY_SECONDS = 1.0
"""Audio kept while nobody is attached yet; the oldest is dropped."""
TRANSFER_SECONDS = 60.0
"""How long the other side may take to reach whom the caller is handed over to."""
CONNECT_SECONDS = 20.0
"""How long it may take to connect the caller with somebody whom we have reached."""
SAME_KEY_SECONDS = 1.0
NORMAL_CLEARING = Cause("Q.850", 16, "Normal call clearing")

_INFO_DIGIT = re.compile(rb"\s*(?:Signal\s*=\s*)?([0-9*#A-Da-d])\s*(?:[\r\n]|$)")


class SipLine:
    """A `Line` over a confirmed call of the user agent. The session is started here, and closed with the call."""

    def __init__(
        self, agent: UserAgent, call: str, session: RtpSession, negotiation: Negotiation, server: SipServer
    ) -> None:
        """`server`: where whoever a caller is handed over to has a telephone number."""
        self._agent = agent
        self._call = call
        self._session = session
        self._negotiation = negotiation
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._handler: LineHandler | None = None
        self._early: deque[bytes] = deque(maxlen=round(EARLY_SECONDS / FRAME_SECONDS))
        self._over: tuple[str, bool] | None = None
        """Why the call is over, and whether it broke; None while it goes on."""
        self._closed = False
        self._last_key = ("", "", 0.0)
        """The key, the way it came, and when."""
        self._transfer: asyncio.Future[TransferProgress | None] | None = None
        """What came of it; None: the caller hung up."""
        self._handed_over = False
        self._awaits_successor = False
        negotiation.narrow(session.statistics.codec)
        session.start(self)

    # What the owner calls

    @property
    def audio(self) -> AudioFormat:
        return self._session.audio

    @property
    def can_transfer(self) -> bool:
        return True

    @property
    def can_send_dtmf(self) -> bool:
        return True

    @property
    def ticked(self) -> RtpSession:
        return self._session

    def attach(self, handler: LineHandler) -> None:
        """See `Line.attach`. A line that is over already tells so on the loop's next turn."""
        self._handler = handler
        early, self._early = self._early, deque(maxlen=0)
        for frame in early:
            handler.on_audio(frame)
        if self._over is not None:
            self._loop.call_soon(self._tell_over)

    def send_audio(self, frame: bytes) -> None:
        """See `Line.send_audio`."""
        self._session.send_audio(frame)

    def send_mark(self, name: str) -> None:
        """See `Line.send_mark`. What was sent left in real time; a telephone does not tell when it played it."""
        self._loop.call_soon(self._tell_mark, name)

    def send_dtmf(self, key: str) -> None:
        """See `Line.send_dtmf`: as an event (RFC 4733), or as a tone where the far end takes none."""
        with suppress(ValueError):  # too many wait already, since the far end takes no audio
            self._session.send_dtmf(key)

    def clear_audio(self) -> None:
        """See `Line.clear_audio`. Nothing waits here: frames leave as they come."""

    def publish(self, event: LineEvent) -> None:
        """See `Line.publish`. A telephone shows nothing."""

    async def transfer(self, destination: str) -> None:
        """See `Line.transfer`: a blind transfer (REFER, RFC 3515)."""
        target = destination if ":" in destination else self._server.uri_of(destination)
        await self._hand_over(lambda: self._agent.refer(self._call, target), TRANSFER_SECONDS)

    async def connect(self, other: Line) -> None:
        """See `Line.connect`: an attended transfer (REFER with Replaces, RFC 5589 section 7). Both calls must be with
        the same telephone system: another one would know nothing of the call that is to be replaced.
        """
        try:
            if not isinstance(other, SipLine) or other._negotiation.peer != self._negotiation.peer:
                raise TransferError("the two are not on the same trunk", refused=True)
            if not self._agent.can_connect(self._call, other._call):
                raise TransferError("the trunk does not connect calls with one another", refused=True)
        except SipError:
            raise TransferError("one of the two is not on the line any more") from None
        await self._hand_over(lambda: self._agent.refer(self._call, replaces=other._call), CONNECT_SECONDS)

    async def _hand_over(self, refer: Callable[[], None], seconds: float) -> None:
        try:
            refer()
        except SipError:
            raise TransferError("the call can't be transferred now") from None
        self._transfer = self._loop.create_future()
        try:
            async with asyncio.timeout(seconds):
                progress = await self._transfer
        except TimeoutError:
            raise TransferError(f"the other side did not say within {seconds:g} s that it worked") from None
        finally:
            self._transfer = None
            self._agent.abandon_refer(self._call)
        if progress is None:
            raise TransferError("the caller hung up")
        if progress.outcome != "succeeded":
            raise TransferError(_failure_in_words(progress.status), refused=progress.outcome == "refused")

    async def close(self, end_reason: str) -> None:
        """See `Line.close`."""
        if self._closed:
            return
        self._closed = True
        handler, self._handler = self._handler, None
        self._session.close()
        if handler is not None:
            handler.on_note(audio_in_words(self._session.statistics))
        self._agent.hangup(self._call, NORMAL_CLEARING)

    # Another call in the place of this one (RFC 3891)

    @property
    def codec(self) -> str:
        return self._session.statistics.codec

    @property
    def server(self) -> SipServer:
        return self._server

    def is_with(self, peer: str) -> bool:
        """Whether the far end's signalling comes from this IP address."""
        return self._negotiation.peer == peer

    def await_successor(self) -> None:
        """The call is about to end for another one: that is no news."""
        self._awaits_successor = True

    def go_on_as(self, successor: "SipLine") -> bool:
        """Whoever is on the line goes on from the other call, whose line is given up. False where either is over."""
        self._awaits_successor = False
        if successor._over is not None:
            reason, failed = successor._over
            self._finish(reason, failed=failed)
            return False
        if self._closed or self._over is not None:
            successor._finish("The call was over.", failed=False)
            return False
        self._session.close()
        if self._handler is not None:
            self._handler.on_note(audio_in_words(self._session.statistics))
        self._call, self._session, self._negotiation = successor._call, successor._session, successor._negotiation
        self._session.start(self)
        if self._handler is not None:
            self._handler.on_replaced()
        return True

    def lost_successor(self) -> None:
        """The other call came to nothing."""
        self._awaits_successor = False
        self._finish("The far end hung up.", failed=False)

    # What the user agent tells

    def take(self, event: Event) -> None:
        """Something happened to this call."""
        match event:
            case Ended():
                self._ended(event)
            case OfferReceived():
                self._offered(event)
            case OfferAnswered():
                self._offer_answered(event)
            case InfoReceived():
                self._info(event)
            case ReferReceived():
                self._agent.reject_refer(self._call)
            case TransferProgress() if event.outcome is not None:
                self._transferred(event)
            case _:
                pass

    def _offered(self, event: OfferReceived) -> None:
        """The other side holds, resumes or moves its audio."""
        if event.description is None:
            self._agent.answer_offer(self._call, self._negotiation.offer())
            return
        try:
            description, parameters = self._negotiation.answer(event.description)
            self._session.update(parameters)
        except (NoCommonAudioError, ValueError):
            self._agent.refuse_offer(self._call)
            return
        self._negotiation.keep(description)
        self._agent.answer_offer(self._call, description)

    def _offer_answered(self, event: OfferAnswered) -> None:
        try:
            self._session.update(self._negotiation.answered(event.description))
        except (NoCommonAudioError, ValueError):
            self._finish("The far end changed its audio to something that can't be used.", failed=True)

    def _info(self, event: InfoReceived) -> None:
        """Keys that come beside the audio; some PBXs send them so, whatever was agreed on."""
        if event.content_type.lower() in ("application/dtmf-relay", "application/dtmf"):
            found = _INFO_DIGIT.match(event.body)
            if found is not None:
                self._press(found[1].decode().upper(), "info")

    def _press(self, digit: str, way: str) -> None:
        """Some telephones send each key both beside the audio and in it."""
        now = self._loop.time()
        last, last_way, at = self._last_key
        if self._handler is None or (digit == last and way != last_way and now - at < SAME_KEY_SECONDS):
            return
        self._last_key = (digit, way, now)
        self._handler.on_dtmf(digit)

    def _transferred(self, progress: TransferProgress) -> None:
        if self._transfer is not None and not self._transfer.done():
            self._handed_over = progress.outcome == "succeeded"
            self._transfer.set_result(progress)

    def _ended(self, event: Ended) -> None:
        if self._awaits_successor:
            return
        if self._handed_over:
            self._session.close()
            return
        if self._transfer is not None and not self._transfer.done():
            self._transfer.set_result(None)
        if event.by == "failed":
            self._finish("The far end could not be reached any more.", failed=True)
        else:
            self._finish("The far end hung up.", failed=False)

    # What the audio tells

    def on_audio(self, frame: bytes) -> None:
        """See `RtpHandler.on_audio`."""
        if self._handler is not None:
            self._handler.on_audio(frame)
        else:
            self._early.append(frame)

    def on_dtmf(self, digit: str) -> None:
        """See `RtpHandler.on_dtmf`."""
        self._press(digit, "audio")

    def on_media_timeout(self) -> None:
        """See `RtpHandler.on_media_timeout`."""
        self._finish(f"No audio came from the far end for {MEDIA_TIMEOUT_SECONDS:g} s.", failed=True)

    def on_failed(self, error: Exception) -> None:
        """See `RtpHandler.on_failed`."""
        self._finish(f"The call's audio failed ({type(error).__name__}).", failed=True)

    # The end

    def _finish(self, reason: str, *, failed: bool) -> None:
        if self._over is not None or self._closed:
            return
        self._over = (reason, failed)
        self._session.close()
        self._agent.hangup(self._call, NORMAL_CLEARING)
        if self._handler is not None:
            self._tell_over()

    def _tell_over(self) -> None:
        if self._handler is not None and self._over is not None:
            reason, failed = self._over
            self._handler.on_closed(reason, failed=failed)

    def _tell_mark(self, name: str) -> None:
        if self._handler is not None:
            self._handler.on_mark(name)


def in_words(status: int) -> str:
    """A SIP status with its standard phrase: the far end's own may name somebody."""
    phrase = REASON_PHRASES.get(status)
    return f"{status} {phrase}" if phrase else str(status)


def _failure_in_words(status: int) -> str:
    """Of a transfer about which this was told last."""
    if status < 200:
        return "the other side stopped telling how it goes"
    return f"the other side answered {in_words(status)}"


def audio_in_words(statistics: RtpStatistics) -> str:
    """How the audio fared, for the call's notes."""
    encrypted = " by SRTP" if statistics.encrypted else ""
    words = (
        f"audio: {statistics.codec}{encrypted}, {statistics.packets_received} packets received, "
        f"{statistics.loss_percent:.1f} % lost, jitter {statistics.jitter_ms:.0f} ms, "
        f"{statistics.packets_sent} sent"
    )
    if statistics.remote_packets_lost is not None:
        words += f" ({statistics.remote_packets_lost} lost)"
    if statistics.round_trip_ms is not None:
        words += f", round trip {statistics.round_trip_ms:.0f} ms"
    return words
