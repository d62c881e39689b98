"""One live call, from answer to goodbye: the only file that starts and ends things."""

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from dialtone.conversation.behaviours.apology import LastWords, apology
from dialtone.conversation.behaviours.background import Background
from dialtone.conversation.behaviours.consent import Consent
from dialtone.conversation.behaviours.keypad import Keypad
from dialtone.conversation.behaviours.silence import Silence
from dialtone.conversation.bridge import Bridge
from dialtone.conversation.control import Command, CommandError, Control, EndCall, not_in_progress
from dialtone.conversation.dialogue import Dialogue
from dialtone.conversation.handover import Handover, Sound
from dialtone.conversation.introduction import Introducer
from dialtone.conversation.journal import Ending, EndReason, Journal
from dialtone.conversation.listening import Listening
from dialtone.conversation.opening import opening_messages
from dialtone.conversation.placeholders import values_of
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.preparation import Preparation
from dialtone.conversation.shared import Shared
from dialtone.conversation.speaking import Speaker
from dialtone.conversation.transcript import Transcript
from dialtone.conversation.vendors import CallVendors
from dialtone.conversation.voice import Voice
from dialtone.lines.base import Line, Trouble
from dialtone.lines.second_leg import SecondLegs
from dialtone.media.convert import silence
from dialtone.media.recorder import Recorder
from dialtone.providers.base import ProviderError, TranscriptEvent, UtteranceEnd
from dialtone.tools.base import Destination
from dialtone.tools.toolbox import Toolbox

logger = logging.getLogger(__name__)

APOLOGY_SECONDS = 12.0
"""An apology that takes longer than this to be said is cut off by the end of the call."""


class Call:
    """Owns every task, timer, socket and file of one call; `run` returns when all of them are gone."""

    def __init__(
        self,
        plan: CallPlan,
        line: Line,
        prepared: Preparation,
        toolbox: Toolbox,
        journal: Journal,
        shared: Shared,
        legs: SecondLegs | None = None,
    ) -> None:
        """`prepared` for the format of `line`, and closed with the call."""
        self._loop = asyncio.get_running_loop()
        self._plan = plan
        self._line = line
        self._prepared = prepared
        self._spawn = prepared.tasks.spawn
        prepared.tasks.on_failure = self._task_failed
        self._toolbox = toolbox
        self._journal = journal
        self._shared = shared
        self._legs = legs
        self._timers: list[asyncio.TimerHandle] = []
        self._over: asyncio.Future[tuple[EndReason, str | None]] = self._loop.create_future()
        self._started_at = self._loop.time()
        self._caller_audio: list[bytes] = []
        self._background = Background(plan.call_id, line.audio, shared.ambience)
        self._consent: Consent | None = None
        self._consent_voice: Voice | None = None
        self._recorder: Recorder | None = None
        self._listening: Listening | None = None
        self._dialogue: Dialogue | None = None
        self._speaker: Speaker | None = None
        self._voice: Voice | None = None
        self._spare: Voice | None = None
        self._silence: Silence | None = None
        self._keypad: Keypad | None = None
        self._control: Control | None = None
        self._handover: Handover | None = None
        self._instead: Sound | None = None
        """What the caller hears in place of the assistant."""
        self._bridge: Bridge | None = None
        self._failure: ProviderError | None = None

    # From answer to goodbye

    async def run(self) -> None:
        """The whole call. Never raises; cancelling it ends the call in order, with `server_shutdown`."""
        self._journal.answered(datetime.now(UTC))
        reason: EndReason = "error"
        error: str | None = None
        try:
            self._start()
            reason, error = await self._over
        except asyncio.CancelledError:
            reason, error = "server_shutdown", "the server was stopped"
        except Exception as failure:
            logger.exception("call %s failed", self._plan.call_id)
            error = f"internal error ({type(failure).__name__})"
        teardown = self._loop.create_task(self._tear_down(Ending(reason, error, datetime.now(UTC), self._duration)))
        while not teardown.done():
            # Whoever is in a hurry waits all the same: it is bounded, and what is left half closed leaks.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(teardown)

    @property
    def _duration(self) -> int:
        """Whole seconds since the answer."""
        return round(self._loop.time() - self._started_at)

    def end(self, reason: EndReason, error: str | None = None) -> None:
        """End the call now, if it has not ended."""
        if not self._over.done():
            self._over.set_result((reason, error))

    hang_up = end

    def command(self, command: Command) -> None:
        """Begin to carry out a command from outside. Raises `CommandError`."""
        if self._consent is not None and isinstance(command, EndCall):
            self.end("api_end_call")  # without a last word: the caller has agreed to nothing yet
            return
        if self._control is None or self._failure is not None or self._over.done():
            raise not_in_progress()
        if self._bridge is not None:
            if not isinstance(command, EndCall):
                raise CommandError("call_transferred", "The caller was handed over; only end-call is taken now.")
            self.end("api_end_call")
            return
        self._control.carry_out(command)

    def transfer(self, destination: Destination) -> None:
        """The assistant wants to hand the caller over."""
        if self._control is not None:
            self._control.transfer(destination, announced=True)

    def caller_hears(self, sound: Sound) -> None:
        """Somebody else is being called for the caller."""
        self._instead = sound

    def stay(self, context: str) -> None:
        """The caller was not handed over."""
        self._instead = None
        if self._dialogue is not None and self._failure is None:
            self._dialogue.stay(context)

    def leave(self, bridge: Bridge) -> None:
        """The caller talks with somebody else from now on: the assistant and its vendors go."""
        self._instead = self._bridge = bridge
        self._end_consented_recording("whoever was called is not asked for consent")
        self._quiet()
        self._background.stop()
        listening, self._listening = self._listening, None
        closing = [part.close() for part in (listening, self._voice) if part]
        self._spawn(self._prepared.tasks.close(closing))

    def _start(self) -> None:
        self._timers.append(self._loop.call_later(self._plan.max_duration_seconds, self.end, "max_duration"))
        if self._plan.consent_message is None:
            self._converse()
        else:
            self._ask_consent(self._plan.consent_message)
        self._shared.clock.add(self, self._clock_failed, before=self._line.ticked)
        self._line.attach(self)

    def _ask_consent(self, message: str) -> None:
        try:
            voice = self._consent_voice = self._prepared.consent_voice()
        except ProviderError as error:
            self.vendor_failed(error)
            return
        self._consent = Consent(
            self._line, lambda: self._prepared.take_opening() or voice.say(message, keep=True), self
        )
        self._speaker = self._consent.speaker
        self._consent.ask()

    def consented(self) -> None:
        """The caller agrees to be recorded: the conversation begins."""
        self._journal.consented()
        self._consent = self._speaker = None
        if self._consent_voice is not None:
            self._spawn(self._consent_voice.close())
        self._converse()

    def _converse(self) -> None:
        """Begin to record, to listen and to speak."""
        plan = self._plan
        if plan.recording_path is not None:
            self._recorder = self._shared.recordings.open(plan.recording_path, self._line.audio, self._journal.note)
            self._journal.recording_began()
        if plan.background is not None:
            self._spawn(self._background.prepare(plan.background))
        try:
            vendors, self._voice = self._prepared.vendors(), self._prepared.voice()
        except ProviderError as error:
            self.vendor_failed(error)
            return
        self._join(vendors, self._voice)
        self._greet()
        self._spawn(self._connect(vendors))

    def _join(self, vendors: CallVendors, voice: Voice) -> None:
        plan = self._plan
        values = values_of(plan, datetime.now(UTC))
        transcript = Transcript(opening_messages(plan, values, self._prepared.unknown_placeholder))
        self._listening = Listening(self._line.audio, vendors.speech_to_text, self._shared.detector, self, self._spawn)
        self._dialogue = Dialogue(
            plan,
            self._line,
            self._journal,
            transcript,
            vendors.language_model,
            self._toolbox,
            voice,
            self._prepared.filled(plan.end_call_message),
            self,
            self._spawn,
        )
        self._speaker = self._dialogue.speaker
        self._silence = Silence(plan.silence, self._dialogue, self.end)
        self._keypad = Keypad(plan.keypad, self._dialogue.press)
        make_voice = partial(self._prepared.make_voice, vendors.text_to_speech)
        introducer = Introducer(plan, vendors, transcript, make_voice, self._shared, self._journal, self._spawn)
        self._handover = Handover(self._line, self._legs, introducer, self._journal, self, self._spawn)
        self._control = Control(self._dialogue, self._handover, plan.language, self.end)

    def _greet(self) -> None:
        assert self._dialogue is not None
        speech = self._prepared.take_opening()
        greeting, keep = self._prepared.greeting()
        if speech is not None:
            self._dialogue.play(speech)
        elif greeting:
            self._dialogue.say(greeting, keep=keep)
        else:
            self.activity()

    async def _connect(self, vendors: CallVendors) -> None:
        """Connect all vendors at once, while the greeting is already being said."""
        assert self._listening is not None
        assert self._voice is not None
        try:
            async with asyncio.TaskGroup() as connecting:
                connecting.create_task(self._listening.open())
                connecting.create_task(self._voice.session())
                connecting.create_task(vendors.language_model.connect())
        except* ProviderError as errors:
            self.vendor_failed(_first(errors))
        if self._failure is not None:
            return
        with contextlib.suppress(ProviderError):
            await self._voice.recorded(apology(self._plan.language))

    # What the line, the ears and the dialogue tell

    def on_audio(self, audio: bytes) -> None:
        if self._bridge is not None:
            self._bridge.hear(audio)
        elif self._listening is not None and self._failure is None:
            self._listening.hear(silence(self._line.audio, len(audio)) if self._hears_itself() else audio)
        if self._recorder is not None:
            self._caller_audio.append(audio)

    def on_dtmf(self, digit: str) -> None:
        if self._consent is not None:
            self._consent.press(digit)
        elif self._bridge is not None:
            self._bridge.press(digit)
        elif self._keypad is not None and self._failure is None and not self._hears_itself():
            self._keypad.press(digit)

    def _hears_itself(self) -> bool:
        """What comes may be the sound of the assistant's own keys."""
        return self._speaker is not None and self._speaker.hears_itself(self._loop.time())

    def on_mark(self, name: str) -> None:
        """Nothing here waits for marks."""

    def on_note(self, text: str) -> None:
        self._journal.note(text)

    def on_replaced(self) -> None:
        self._end_consented_recording("whoever took the caller's place was not asked for consent")

    def _end_consented_recording(self, why: str) -> None:
        """Consent is that of whoever gave it."""
        if self._recorder is not None and self._plan.consent_message is not None and not self._recorder.is_closing:
            self._recorder.finish()
            self._journal.note(f"the recording ended here: {why}")

    def on_closed(self, reason: str, *, failed: bool) -> None:
        if self._failure is not None:
            self.end("error", self._words(self._failure))
        elif self._bridge is not None:
            self.end("transferred", reason if failed else None)
        elif failed:
            self.end("error", reason)
        else:
            self.end("user_hangup")

    def heard_voice(self, at: float, voiced: bool) -> None:
        if self._dialogue is not None and self._failure is None:
            self._dialogue.heard_voice(at, voiced)

    def heard_words(self, event: TranscriptEvent, heard_until: float) -> None:
        if self._dialogue is not None and self._silence is not None and self._failure is None:
            self._dialogue.heard_words(event, heard_until)
            if not isinstance(event, UtteranceEnd) and event.text:
                self._silence.caller_spoke()

    def gone_deaf(self, error: ProviderError) -> None:
        self.vendor_failed(error)

    def hearing(self, able: bool) -> None:
        if self._dialogue is not None:
            self._dialogue.hearing(able)

    def trouble(self, text: str, error: ProviderError) -> None:
        self._journal.note(f"{text} ({self._words(error)})")

    def activity(self) -> None:
        if self._silence is not None and self._failure is None:
            self._silence.activity()

    def tick(self, now: float) -> None:
        """Every 20 ms, from the media clock."""
        sound = self._instead or self._speaker
        frame = sound.tick(now) if sound is not None else None
        if self._plan.background is not None:
            frame = self._background.under(frame)
        if frame is not None:
            self._line.send_audio(frame)
        if self._recorder is not None:
            heard = self._caller_audio
            if heard:
                self._caller_audio = []
            self._recorder.write(b"".join(heard) if heard else None, frame)

    # When things go wrong

    def vendor_failed(self, error: ProviderError) -> None:
        """No conversation is possible any more: apologise and end. A second failure changes nothing."""
        if self._failure is not None or self._over.done() or self._bridge is not None:
            return
        self._failure = error
        if self._handover is not None:
            self._handover.stop()
            self._instead = None
        logger.warning("call %s: %s", self._plan.call_id, error.unquoted)
        self._line.publish(Trouble(str(error)))
        self._timers.append(self._loop.call_later(APOLOGY_SECONDS, self.end, "error", self._words(error)))
        self._spawn(self._apologise(error))

    async def _apologise(self, error: ProviderError) -> None:
        """Say sorry in the assistant's voice, kept from an earlier call if it must be, or in one that needs nobody."""
        self._quiet()
        self._spare = self._spare_voice()
        for voice in (self._voice or self._consent_voice, self._spare):
            if voice is None:
                continue
            try:
                speech = await asyncio.wait_for(voice.recorded(apology(self._plan.language)), APOLOGY_SECONDS / 3)
            except (ProviderError, TimeoutError):
                continue
            journal = self._journal if self._consent is None else None
            self._speaker = Speaker(self._line, LastWords(journal, lambda: self.end("error", self._words(error))))
            self._speaker.play(speech)
            return
        self.end("error", self._words(error))

    def _words(self, error: ProviderError) -> str:
        """As the record may tell it."""
        return error.words(quoting=self._plan.keep_content)

    def _spare_voice(self) -> Voice | None:
        try:
            return self._prepared.make_voice(self._prepared.choice.spare_voice())
        except ProviderError:
            return None

    def _quiet(self) -> None:
        """Nobody says anything of their own accord any more."""
        if self._consent is not None:
            self._consent.stop()
        if self._silence is not None:
            self._silence.stop()
        if self._keypad is not None:
            self._keypad.stop()
        if self._dialogue is not None:
            self._dialogue.finish()

    def _clock_failed(self, error: Exception) -> None:
        self.end("error", f"internal error ({type(error).__name__})")

    # The one way out

    def _task_failed(self, failure: BaseException) -> None:
        self.end("error", f"internal error ({type(failure).__name__})")

    async def _tear_down(self, ending: Ending) -> None:
        try:
            self._shared.clock.remove(self)
            for timer in self._timers:
                timer.cancel()
            self._quiet()
            tasks = self._prepared.tasks
            ears = [self._listening.close()] if self._listening else []
            await tasks.close([*ears, self._line.close(ending.end_reason)])
            await self._prepared.close()
            await tasks.close(part.close() for part in (self._spare, self._recorder) if part)
        except Exception:
            logger.exception("call %s: could not be closed in order", self._plan.call_id)
        finally:
            self._journal.ended(replace(ending, uses=self._prepared.uses()))
        await self._toolbox.close()
        self._let_go()

    def _let_go(self) -> None:
        """The parts of a call know each other; without this they would wait for the garbage collector, which is kept
        from running often."""
        if self._dialogue is not None:
            self._dialogue.let_go()
        self._dialogue = self._speaker = self._listening = self._silence = self._keypad = None
        self._control = self._consent = self._handover = self._instead = self._bridge = None
        self._consent_voice = self._voice = self._spare = self._recorder = None
        self._timers.clear()


def _first(errors: "ExceptionGroup[ProviderError]") -> ProviderError:
    """One of the errors of a group, however deep."""
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, ExceptionGroup) else found
