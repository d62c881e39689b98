"""One reply being spoken by ElevenLabs: one context of the connection."""

import asyncio
from collections.abc import AsyncIterator, Callable

from dialtone.media.audio import AudioFormat
from dialtone.providers.base import ProviderError, SpeechChunk
from dialtone.providers.tts.characters import SpokenCharacters
from dialtone.providers.tts.elevenlabs_wire import Incoming, Wire, close_context


class ElevenLabsUtterance:
    """Implements `Utterance`. What was sent is kept until audio comes, so that a lost connection costs nothing."""

    def __init__(
        self,
        context: str,
        wire: Wire,
        audio: AudioFormat,
        transmit: Callable[[list[str]], None],
        on_ended: Callable[["ElevenLabsUtterance"], None],
        audio_timeout: float,
    ) -> None:
        self.context = context
        self.unheard: list[str] | None = []
        """Messages to send again on a new connection; None once audio has come."""
        self._wire = wire
        self._audio = audio
        self._transmit = transmit
        self._on_ended = on_ended
        self._audio_timeout = audio_timeout
        self._characters = SpokenCharacters()
        self._queue: asyncio.Queue[SpeechChunk | ProviderError | None] = asyncio.Queue()
        self._odd = b""
        self._begun = False
        self._finished = False
        self._ended = False
        self._resent = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """The context exists at the vendor and takes text."""
        return self._begun and not self._finished and not self._ended

    def push(self, text: str) -> None:
        """Add text, at least a sentence or a clause, to be spoken without waiting for more."""
        if self._ended or self._finished:
            return
        if not text.strip():
            self._characters.push(text, "")
            return
        sent = text if text[-1].isspace() else text + " "
        self._characters.push(text, sent)
        messages = self._wire.text(self.context, sent)
        if not self._begun:
            self._begun = True
            messages = [self._wire.begin(self.context), *messages]
        self._send(messages)
        self._expect_audio()

    def finish(self) -> None:
        """No more text follows."""
        if self._ended or self._finished:
            return
        self._finished = True
        if self._begun:
            self._send([close_context(self.context)])
            self._expect_audio()
        else:
            self._complete()

    def cancel(self) -> None:
        """Stop at once; the iterator ends without further chunks. Idempotent."""
        if self._ended:
            return
        if self.is_open:
            self._transmit([close_context(self.context)])
        while not self._queue.empty():
            self._queue.get_nowait()
        self._end(None)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        """Audio in order. The last chunk may be empty: it counts characters that were not heard of before."""
        try:
            while True:
                item = await self._queue.get()
                if item is None:
                    return
                if isinstance(item, ProviderError):
                    raise item
                yield item
        finally:
            self.cancel()

    def received(self, message: Incoming) -> None:
        """A message for this context has come."""
        if message.audio:
            self.unheard = None
            self._add(message)
        if message.final:
            self._complete()

    def fail(self, error: ProviderError) -> None:
        """End with `error`, after the chunks that came before it."""
        if not self._ended:
            self._end(error)

    def connection_lost(self, error: ProviderError) -> bool:
        """True where the utterance is to be sent again on a new connection, which happens once."""
        if self._ended or not self._begun:
            return False
        if self.unheard is None or self._resent:
            self.fail(error)
            return False
        self._resent = True
        return True

    def _send(self, messages: list[str]) -> None:
        if self.unheard is not None:
            self.unheard += messages
        self._transmit(messages)

    def _add(self, message: Incoming) -> None:
        audio = self._odd + message.audio
        whole = len(audio) - len(audio) % self._audio.sample_bytes
        audio, self._odd = audio[:whole], audio[whole:]
        if message.characters is not None:
            characters = self._characters.aligned(message.characters)
        else:
            characters = self._characters.estimated(self._audio.seconds(whole))
        self._queue.put_nowait(SpeechChunk(audio, characters))
        self._cancel_timer()
        if self._finished:
            self._expect_audio()

    def _complete(self) -> None:
        rest = self._characters.rest()
        if rest:
            self._queue.put_nowait(SpeechChunk(b"", rest))
        self._end(None)

    def _end(self, error: ProviderError | None) -> None:
        self._ended = True
        self.unheard = None
        self._cancel_timer()
        self._queue.put_nowait(error)
        self._on_ended(self)

    def _expect_audio(self) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(self._audio_timeout, self._give_up)

    def _give_up(self) -> None:
        if self.is_open:
            self._transmit([close_context(self.context)])
        self.fail(ProviderError("elevenlabs", f"no audio within {self._audio_timeout:g} seconds"))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
