"""The talk with somebody to whom a caller is about to be handed: who it is, and whether they take the call."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

from dialtone.conversation.introduction_wording import Wording, wording
from dialtone.conversation.journal import Journal
from dialtone.conversation.listening import Listening, ListeningOwner
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.shared import Shared
from dialtone.conversation.speaking import Speaker
from dialtone.conversation.speech import Speech
from dialtone.conversation.transcript import Transcript
from dialtone.conversation.vendors import CallVendors
from dialtone.conversation.voice import Spawn, Voice
from dialtone.lines.base import Line, TransferError
from dialtone.media.audio import AudioFormat
from dialtone.media.clock import MediaClock
from dialtone.providers.base import Final, Message, ProviderError, TextDelta, TranscriptEvent

YES, NO = "1", "2"
"""Other keys are no answer."""
ANSWER_SECONDS = 10.0
"""How long they have for an answer once the question was asked."""
TIMES_ASKED = 2
SUMMARY_SECONDS = 8.0
"""A model that takes longer to sum up is not waited for."""
MAX_SUMMARY_CHARACTERS = 800
HINT = (
    "The caller is now handed over to a colleague, who has not heard this conversation. Tell the colleague, who is "
    "listening now, who is calling, what they want, and what was agreed on. At most three short spoken sentences in "
    "{language}, nothing else."
)


class Introducer:
    """What it takes to introduce the caller of one call to somebody."""

    def __init__(
        self,
        plan: CallPlan,
        vendors: CallVendors,
        transcript: Transcript,
        make_voice: Callable[[AudioFormat], Voice],
        shared: Shared,
        journal: Journal,
        spawn: Spawn,
    ) -> None:
        """`transcript` tells what was said so far."""
        self._wording = wording(plan.language)
        self._vendors = vendors
        self._transcript = transcript
        self._make_voice = make_voice
        self._shared = shared
        self._journal = journal
        self._spawn = spawn

    async def sum_up(self) -> str:
        """What somebody is told of the caller: by the model, or in plain words where it has none in time. Never raises
        but when cancelled.
        """
        model = self._vendors.language_model
        messages = (*self._transcript.messages, Message("system", HINT.format(language=self._wording.name)))
        written = ""
        try:
            async with (
                asyncio.timeout(SUMMARY_SECONDS),
                aclosing(model.reply(messages, ())) as events,  # type: ignore[type-var]
            ):
                async for event in events:
                    if isinstance(event, TextDelta):
                        written += event.text
                    if len(written) > MAX_SUMMARY_CHARACTERS:
                        break
        except (ProviderError, TimeoutError) as error:
            why = error.unquoted if isinstance(error, ProviderError) else f"it took longer than {SUMMARY_SECONDS:g} s"
            self._journal.note(f"the caller could not be summed up for the transfer ({why})")
            written = ""
        return written.strip()[:MAX_SUMMARY_CHARACTERS] or self._wording.plain

    def talk(self, line: Line) -> "Introduction":
        """With whoever has answered on `line`."""
        voice = self._make_voice(line.audio)
        ears = partial(self._ears, line.audio)
        return Introduction(line, voice, ears, self._wording, self._shared.clock, self._journal, self._spawn)

    def _ears(self, audio: AudioFormat, owner: ListeningOwner) -> Listening:
        return Listening(audio, self._vendors.speech_to_text, self._shared.detector, owner, self._spawn)


class Introduction:
    """One talk, on the line of whoever picked up. Nothing of it is kept."""

    def __init__(
        self,
        line: Line,
        voice: Voice,
        ears: Callable[[ListeningOwner], Listening],
        wording: Wording,
        clock: MediaClock,
        journal: Journal,
        spawn: Spawn,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._line = line
        self._voice = voice
        self._listening: Listening | None = ears(self)
        self._wording = wording
        self._clock = clock
        self._journal = journal
        self._spawn = spawn
        self._speaker = Speaker(line, self)
        self._question: Speech | None = None
        self._asked = 0
        self._asked_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answer: asyncio.Future[str | None] = self._loop.create_future()
        """Why they don't take the call; None: they do."""

    async def run(self, summary: "asyncio.Future[str]") -> None:
        """Returns once they take the call. Raises `TransferError` where they don't."""
        try:
            refused = await self._talk(summary)
        except BaseException:
            await self._close()
            raise
        # The two talk, or the caller is told, at once: vendors take their time to say goodbye.
        self._spawn(self._close())
        if refused is not None:
            raise TransferError(refused)

    async def _talk(self, summary: "asyncio.Future[str]") -> str | None:
        """Why they don't take the call; None: they do."""
        self._clock.add(self, self._clock_failed, before=self._line.ticked)
        self._line.attach(self)
        self._spawn(self._open_ears())
        telling = self._spawn(self._tell(summary))
        try:
            return await self._answer
        finally:
            self._clock.remove(self)
            telling.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._speaker.cut()
            del self._speaker

    async def _close(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.close()
        await self._voice.close()

    async def _open_ears(self) -> None:
        try:
            if self._listening is not None:
                await self._listening.open()
        except ProviderError as error:
            self.gone_deaf(error)

    async def _tell(self, summary: "asyncio.Future[str]") -> None:
        text = await summary
        if not self._answer.done():
            self._speaker.play(self._voice.say(text, keep=False))
            self._ask()

    def _ask(self) -> None:
        self._asked += 1
        self._question = self._voice.say(self._wording.question, keep=True)
        self._speaker.play(self._question)

    def _unanswered(self) -> None:
        if self._asked < TIMES_ASKED:
            self._ask()
        else:
            self._settle("nobody said whether they take the call")

    def _settle(self, refused: str | None) -> None:
        if not self._answer.done():
            self._answer.set_result(refused)

    def _clock_failed(self, error: Exception) -> None:
        self._settle(f"the introduction failed ({type(error).__name__})")

    # What the line tells

    def on_audio(self, audio: bytes) -> None:
        if self._listening is not None:
            self._listening.hear(audio)

    def on_dtmf(self, digit: str) -> None:
        if digit == YES:
            self._settle(None)
        elif digit == NO:
            self._settle("they declined the call")

    def on_mark(self, name: str) -> None:
        """Nothing here waits for marks."""

    def on_note(self, text: str) -> None:
        self._journal.note(f"second leg: {text}")

    def on_replaced(self) -> None:
        """Whoever listens now can take the call as well."""

    def on_closed(self, reason: str, *, failed: bool) -> None:
        self._settle("they hung up before they took the call")

    def tick(self, now: float) -> None:
        """Every 20 ms, from the media clock."""
        frame = self._speaker.tick(now)
        if frame is not None:
            self._line.send_audio(frame)

    # What was said, and heard

    def speech_started(self, speech: Speech, at: float) -> None:
        if speech is self._question and self._asked_at is None:
            self._asked_at = at

    def speech_finished(self, speech: Speech) -> None:
        if speech.error is not None:
            self._settle(f"the introduction could not be spoken ({speech.error.unquoted})")
        elif speech is self._question:
            self._timer = self._loop.call_later(ANSWER_SECONDS, self._unanswered)

    def heard_voice(self, at: float, voiced: bool) -> None:
        """They may speak whenever they like."""

    def heard_words(self, event: TranscriptEvent, heard_until: float) -> None:
        """A yes before the question is how people pick up a telephone."""
        if not isinstance(event, Final) or self._asked_at is None or heard_until <= self._asked_at:
            return
        takes = self._wording.answer_in(event.text)
        if takes is not None:
            self._settle(None if takes else "they declined the call")

    def hearing(self, able: bool) -> None:
        """Keys count all the same."""

    def gone_deaf(self, error: ProviderError) -> None:
        self._journal.note(f"the destination of the transfer can answer by keys only ({error.unquoted})")

    def trouble(self, text: str, error: ProviderError) -> None:
        self._journal.note(f"{text} ({error.unquoted})")
