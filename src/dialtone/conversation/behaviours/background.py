"""The ambience under a call: it goes on while the assistant speaks, pauses, listens and says goodbye."""

import logging
import zlib

from dialtone.conversation.plan import BackgroundPlan
from dialtone.media.ambience import AmbienceLibrary
from dialtone.media.audio import AudioFormat
from dialtone.media.mixing import LoopMixer

logger = logging.getLogger(__name__)


class Background:
    """Turns what the assistant says in one call into what is sent."""

    def __init__(self, call_id: str, audio: AudioFormat, library: AmbienceLibrary) -> None:
        self._call_id = call_id
        self._audio = audio
        self._library = library
        self._mixer: LoopMixer | None = None
        self._stopped = False

    async def prepare(self, wanted: BackgroundPlan) -> None:
        """Fetch the clip and begin. A clip that cannot be made only leaves the call without background."""
        try:
            loop = await self._library.loop(wanted.clip, self._audio.sample_rate)
        except Exception:
            logger.exception("call %s has no background: the clip could not be made", self._call_id)
            return
        if self._stopped:
            return
        # Each call enters the loop elsewhere, so that not every call opens with the same sound.
        start = zlib.crc32(self._call_id.encode())
        self._mixer = LoopMixer(loop, wanted.volume, self._audio, start)

    def stop(self) -> None:
        """The assistant leaves, and its surroundings with it."""
        self._stopped = True
        self._mixer = None

    def under(self, frame: bytes | None) -> bytes | None:
        """The frame to send at this tick, given the assistant's (None: it is silent); None: send nothing."""
        return frame if self._mixer is None else self._mixer.next_frame(frame)
