"""Turns text into speech for one call: a vendor's session, pronunciation, the cache, and a second try."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dialtone.conversation.speech import Speech
from dialtone.conversation.speech_cache import SpeechCache, speech_key
from dialtone.media.audio import AudioFormat
from dialtone.media.convert import Converter
from dialtone.media.leading_silence import LeadingSilence
from dialtone.providers.base import ProviderError, SpeechSession, TextToSpeech, Utterance

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Runs a task that the call owns: it is cancelled and awaited when the call ends."""

OPEN_TRIES = 3
OPEN_BACKOFF = 0.3
"""Seconds before the second try to open a session; doubled for each further one."""


class Voice:
    """The assistant's voice in one call."""

    def __init__(
        self,
        provider: TextToSpeech,
        line_audio: AudioFormat,
        cache: SpeechCache,
        pronunciation: tuple[tuple[str, str], ...],
        spawn: Spawn,
        *,
        keeps: bool = True,
    ) -> None:
        """Without `keeps` nothing that is said in this call is put into the cache, but for what every assistant says
        (`recorded`): where an assistant was given for the call alone, its greeting may be for one person.
        """
        self._keeps = keeps
        self._provider = provider
        self.line_audio = line_audio
        self._audio = provider.output_format(line_audio)
        self._cache = cache
        self._pronunciation = pronunciation
        self._spawn = spawn
        self._session: SpeechSession | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def session(self) -> SpeechSession:
        """The open connection, made now if there is none. Raises `ProviderError` once all tries are used up."""
        async with self._opening:
            backoff = OPEN_BACKOFF
            for tries_left in range(OPEN_TRIES - 1, -1, -1):
                if self._session is not None:
                    return self._session
                try:
                    session = await self._provider.open(self._audio)
                    if self._closed:
                        await session.close()
                        raise ProviderError(self._provider.name, "the call has ended", retryable=False)
                    self._session = session
                except ProviderError as error:
                    if not tries_left or not error.retryable:
                        raise
                    await asyncio.sleep(backoff)
                    backoff *= 2
            assert self._session is not None
            return self._session

    async def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        if self._session is not None:
            await self.drop(self._session)

    async def drop(self, session: SpeechSession) -> None:
        """`session` has failed; the next word opens another, unless somebody has done so already."""
        if self._session is session:
            self._session = None
        await session.close()

    def begin(self) -> "Telling":
        """Begin a speech whose text comes sentence by sentence."""
        telling = Telling(self, Speech(self.line_audio))
        self._spawn(telling.run())
        return telling

    def say(self, text: str, *, keep: bool) -> Speech:
        """A whole text at once; `keep` it in the cache, or find it there, if it is the same for every caller."""
        speech = Speech(self.line_audio)
        self._spawn(self._say(speech, text, keep and self._keeps))
        return speech

    def nothing(self) -> Speech:
        """A speech that is over when its turn comes."""
        speech = Speech(self.line_audio)
        speech.complete()
        return speech

    async def recorded(self, text: str, *, keep: bool = True) -> Speech:
        """`text` with all of its audio, from the cache or made and kept there, so that it can be said when the
        vendor no longer answers. Raises `ProviderError`."""
        speech = Speech(self.line_audio)
        await self._say(speech, text, keep)
        if speech.error is not None:
            raise speech.error
        return speech

    def pronounced(self, text: str) -> str:
        """`text` as it is written for the vendor."""
        for written, spoken in self._pronunciation:
            text = text.replace(written, spoken)
        return text

    def converter(self) -> Converter:
        """From the vendor's format to the line's; one for each utterance."""
        return Converter(self._audio, self.line_audio)

    async def _say(self, speech: Speech, text: str, keep: bool) -> None:
        spoken = self.pronounced(text)
        key = speech_key(self._provider.cache_key, self.line_audio, spoken)
        audio = await self._cache.get(key) if keep else None
        if audio is not None:
            now = asyncio.get_running_loop().time()
            speech.add_text(text, len(spoken), now)
            speech.add_audio(audio, len(spoken), now)
            speech.complete()
            return
        telling = Telling(self, speech)
        telling.push(text)
        telling.finish()
        made = await telling.make()
        if keep and speech.error is None:
            await self._cache.put(key, made)


class Telling:
    """A speech in the making: `push` its sentences, then `finish`."""

    def __init__(self, voice: Voice, speech: Speech) -> None:
        self.speech = speech
        self._voice = voice
        self._spoken: list[str] = []
        self._finished = False
        self._cancelled = False
        self._session: SpeechSession | None = None
        self._utterance: Utterance | None = None

    def push(self, text: str) -> None:
        """The next sentence."""
        spoken = self._voice.pronounced(text)
        self.speech.add_text(text.strip(), len(spoken), asyncio.get_running_loop().time())
        self._spoken.append(spoken)
        if self._utterance is not None:
            self._utterance.push(spoken)

    def finish(self) -> None:
        """No more text follows."""
        self._finished = True
        if self._utterance is not None:
            self._utterance.finish()

    def cancel(self) -> None:
        """Nobody will hear the rest."""
        self._cancelled = True
        if self._utterance is not None:
            self._utterance.cancel()

    async def run(self) -> None:
        """`make` for nobody who wants the audio as a whole."""
        await self.make()

    async def make(self) -> bytes:
        """Fill the speech with audio until the text is finished, with one new session if the vendor fails on the
        way; returns all audio in the line's format. A failure ends up in `speech.error`."""
        made = bytearray()
        try:
            try:
                await self._speak(made)
            except ProviderError as error:
                if not error.retryable or self._cancelled or self._session is None:
                    raise
                self._utterance = None
                await self._voice.drop(self._session)
                await self._speak(made)
        except ProviderError as error:
            self.speech.complete(error)
        else:
            self.speech.complete()
        return bytes(made)

    def _rest(self) -> str:
        """The text whose audio has not arrived, from the beginning of the word that was cut."""
        text = "".join(self._spoken)
        start = min(int(self.speech.characters_made), len(text))
        return text[text.rfind(" ", 0, start) + 1 :] if start < len(text) else ""

    async def _speak(self, made: bytearray) -> None:
        """Speak what has no audio yet, and what is pushed meanwhile."""
        session = self._session = await self._voice.session()
        if self._cancelled:
            return
        utterance = self._utterance = session.speak()
        for text in [self._rest()] if made else self._spoken:
            if text:
                utterance.push(text)
        if self._finished:
            utterance.finish()
        converter = self._voice.converter()
        beginning = LeadingSilence(self._voice.line_audio)
        clock = asyncio.get_running_loop().time
        try:
            async for chunk in utterance:
                audio = beginning.process(converter.process(chunk.audio))
                made += audio
                self.speech.add_audio(audio, chunk.characters, clock())
            tail = beginning.process(converter.flush())
            made += tail
            self.speech.add_audio(tail, 0.0, clock())
        finally:
            utterance.cancel()
