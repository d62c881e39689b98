"""What a caller hears before the call is answered (early media, RFC 3960 section 3)."""

import asyncio

from dialtone.media.clock import MediaClock
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts
from dialtone.media.rtp.session import RtpSession


class EarlyMedia:
    """Plays, and listens to nothing. The session may go on as that of the answered call."""

    def __init__(self, ports: MediaPorts, clock: MediaClock, parameters: RtpParameters) -> None:
        """The ports are the session's from here on, also if it raises `ValueError` for what can't be done here."""
        self._clock = clock
        self.session = RtpSession(ports, clock, parameters)
        self._rest = memoryview(b"")
        self._played: asyncio.Future[None] | None = None
        self.session.start(self)

    async def play(self, audio: bytes) -> None:
        """Returns once all of it was sent. `audio` is whole frames in the session's format."""
        self._rest = memoryview(audio)
        self._played = asyncio.get_running_loop().create_future()
        self._clock.add(self, self.on_failed, before=self.session)
        try:
            await self._played
        finally:
            self._clock.remove(self)

    def tick(self, now: float) -> None:
        """Every 20 ms, from the media clock."""
        size = self.session.audio.frame_bytes
        frame, self._rest = self._rest[:size], self._rest[size:]
        if frame:
            self.session.send_audio(bytes(frame))
        else:
            self._over()

    def on_audio(self, frame: bytes) -> None:
        """Nobody listens."""

    def on_dtmf(self, digit: str) -> None:
        """Nobody listens."""

    def on_media_timeout(self) -> None:
        """Callers need not send anything yet."""

    def on_failed(self, error: Exception) -> None:
        """See `RtpHandler.on_failed`: it was logged; nothing more can be played."""
        self._over()

    def _over(self) -> None:
        if self._played is not None and not self._played.done():
            self._played.set_result(None)
