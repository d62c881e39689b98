"""Who says what when: joins turn-taking, the replies being made, and the speaking, and keeps the transcript true."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Protocol

from dialtone.conversation.answer import Answer
from dialtone.conversation.journal import EndReason, Journal
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.speaking import Speaker
from dialtone.conversation.speech import Speech
from dialtone.conversation.thinking import Reply
from dialtone.conversation.tool_use import Tools, ToolUses
from dialtone.conversation.transcript import Transcript
from dialtone.conversation.turns import (
    Action,
    CallerSpeech,
    EndTurn,
    Forget,
    Interrupt,
    Pause,
    Resume,
    Think,
    TurnTaker,
)
from dialtone.conversation.voice import Spawn, Voice
from dialtone.lines.base import AssistantHeard, Line, SpeechStarted, TurnMeasured
from dialtone.lines.base import Transcript as TranscriptShown
from dialtone.media.vad import WINDOW_SECONDS
from dialtone.providers.base import Final, Interim, LanguageModel, Message, ProviderError, TranscriptEvent
from dialtone.tools.base import Destination

MOST_WAITING = 20
"""Texts from outside that may wait until nobody speaks."""


class DialogueOwner(Protocol):
    def hang_up(self, reason: EndReason) -> None:
        """The assistant has said its last word."""

    def vendor_failed(self, error: ProviderError) -> None:
        """No answer can be given any more."""

    def activity(self) -> None:
        """Somebody began or stopped to speak."""

    def transfer(self, destination: Destination) -> None:
        """The assistant hands the caller over, who was told so; ends in the call's end, or in `stay`."""


class Dialogue:
    """The exchange of one call, from the first word to the last."""

    def __init__(
        self,
        plan: CallPlan,
        line: Line,
        journal: Journal,
        transcript: Transcript,
        model: LanguageModel,
        tools: Tools,
        voice: Voice,
        goodbye: tuple[str, bool],
        owner: DialogueOwner,
        spawn: Spawn,
    ) -> None:
        """`goodbye` is said before the assistant hangs up: the text, and whether it is the same for every caller."""
        self._loop = asyncio.get_running_loop()
        self._plan = plan
        self._line = line
        self._journal = journal
        self._transcript = transcript
        self._model = model
        self._tools = tools
        self._tool_uses = ToolUses(tools, line, journal, spawn, self._late_result)
        self._voice = voice
        self._goodbye = goodbye
        self._owner = owner
        self._spawn = spawn
        self._turns = TurnTaker(plan.turn_taking, plan.language)
        self.speaker = Speaker(line, self)
        self._draft: Answer | None = None
        self._answer: Answer | None = None
        self._closing: EndReason | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._broken_off = 0  # answers in a row that the model did not finish
        self._finished = False
        self._to_say: deque[tuple[str, EndReason | None]] = deque()
        self._to_answer = False
        self._entered: list[str] = []  # on the keypad, which the caller's next turn tells
        self._leaving: Callable[[], None] | None = None  # what comes after the last words

    # What the assistant says unasked

    def say(self, text: str, *, keep: bool, then: EndReason | None = None) -> None:
        """Speak `text`, `then` hang up for that reason, unless the caller takes the turn meanwhile."""
        if self._finished:
            return
        if not text and (then is None or not self.speaker.busy):
            if then:
                self._owner.hang_up(then)
            return
        self._closing = then or self._closing
        self.play(self._voice.say(text, keep=keep) if text else self._voice.nothing())

    def play(self, speech: Speech) -> None:
        """Speak what is made already, or is being made."""
        self._turns.assistant_began()
        self.speaker.play(speech)
        self._owner.activity()

    def say_something(self, hint: str) -> None:
        """Have the model word something unasked; `hint` tells it what, and is not kept in the transcript."""
        if self._finished:
            return
        messages = (*self._transcript.messages, Message("system", hint))
        self._speak_unasked(messages)

    def press(self, digits: str) -> None:
        """The caller entered `digits` on the keypad: a turn of its own, or part of the next one where the assistant
        is not to be interrupted.
        """
        if self._finished or self._leaving:
            return
        if not self._plan.keypad.interrupts and (self.speaker.busy or self._answer is not None):
            self._entered.append(_in_words(digits))
            return
        self._drop_draft()
        if self.speaker.busy or self._answer is not None:
            self._interrupt()
        now = self._loop.time()
        said = self._turns.take_turn()
        self._turns.assistant_began()
        self._end_turn(EndTurn(f"{said} {_in_words(digits)}".strip(), now, now))

    # What is asked from outside

    def tell_model(self, context: str) -> None:
        """The model knows `context` from its next answer on, also from one that is being thought out ahead."""
        self._transcript.add_system(context)
        self._journal.message("system", context)
        self._think_again()

    def _think_again(self) -> None:
        """What is being thought out ahead is thought out anew, with what has become known."""
        if self._draft is not None:
            text = self._draft.reply.text
            self._drop_draft()
            self._draft = self._begin(text, self._transcript.with_user(text))

    def _late_result(self) -> None:
        """A tool has answered whose reply the caller cut off: nobody has spoken of its result yet."""
        if not self._finished:
            self._think_again()
            self.answer_next()

    def answer_next(self) -> None:
        """Have the model speak once nobody does; if the caller says something first, the answer to that is enough."""
        self._to_answer = True
        self._go_on()

    def say_next(self, text: str, *, then: EndReason | None = None) -> bool:
        """Speak `text` once nobody does; with `then`, as the last words before hanging up for that reason. False if
        too much is waiting already.
        """
        if len(self._to_say) >= MOST_WAITING:
            return False
        self._to_say.append((text, then))
        self._go_on()
        return True

    def press_keys(self, digits: str) -> bool:
        """Press keys on the line after what is being said. False where it has none."""
        if not self._line.can_send_dtmf:
            return False
        self.speaker.press(digits, self._keys_pressed)
        self._owner.activity()
        return True

    @property
    def leaving(self) -> bool:
        """The last words are being said, or the caller is being handed over."""
        return self._leaving is not None

    def leave(self, text: str, then: Callable[[], None]) -> None:
        """Drop what is being said and thought, say `text`, whatever the caller does meanwhile, and do `then`, which
        ends the call or calls `stay`.
        """
        if self._finished:
            return
        self._drop_draft()
        if self.speaker.busy:
            self._settle_all(self.speaker.cut())
        self._closing = None
        self._turns.assistant_began()
        self._leaving = then
        self._owner.activity()
        if text or self.speaker.busy:  # keys are being pressed, to their end
            self.speaker.play(self._voice.say(text, keep=False) if text else self._voice.nothing())
        else:
            then()

    def stay(self, context: str) -> None:
        """Leaving came to nothing: the model is told why, and speaks."""
        if self._finished:
            return
        self._leaving = None
        self._transcript.add_system(context)
        self._to_answer = True
        self._act(self._turns.assistant_done(self._loop.time()))

    def _go_on(self) -> None:
        """Do the next thing that waits for a moment in which nobody speaks."""
        if self._finished or not self.idle:
            return
        if self._entered:
            now = self._loop.time()
            self._turns.assistant_began()
            self._end_turn(EndTurn("", now, now))
        elif self._to_say:
            text, then = self._to_say.popleft()
            if then is None:
                self.say(text, keep=False)
            else:
                self.leave(text, partial(self._owner.hang_up, then))
        elif self._to_answer:
            self._speak_unasked(self._transcript.messages)

    # What is heard

    def heard_voice(self, at: float, voiced: bool) -> None:
        if not self._finished and (actions := self._turns.voice(at, voiced, WINDOW_SECONDS)):
            self._act(actions)

    def heard_words(self, event: TranscriptEvent, heard_until: float) -> None:
        if self._finished:
            return
        now = self._loop.time()
        if isinstance(event, Interim):
            self._line.publish(TranscriptShown(event.text, final=False))
            self._act(self._turns.interim(now, event.text))
        elif isinstance(event, Final):
            if event.text:
                self._line.publish(TranscriptShown(event.text, final=True))
            self._act(self._turns.final(now, event.text, heard_until, event.utterance_end))
        else:
            self._act(self._turns.utterance_end(now))

    def hearing(self, able: bool) -> None:
        """Words can come (again), or cannot for the moment."""
        if not self._finished:
            self._turns.hearing(self._loop.time(), able)
            self._arm()

    @property
    def idle(self) -> bool:
        """Nobody speaks, and nobody is about to."""
        assistant = self.speaker.busy or self._answer or self._leaving
        return not (assistant or self._turns.caller_speaking or self._turns.text)

    def finish(self) -> None:
        """The call is over: what was heard goes into the transcript, what was begun is dropped."""
        if self._finished:
            return
        self._finished = True
        self._to_say.clear()
        if self._alarm is not None:
            self._alarm.cancel()
        self._drop_draft()
        self._settle_all(self.speaker.cut())
        self._tool_uses.close()
        rest = " ".join([self._turns.take_turn(), *self._entered]).strip()
        if rest:
            self._journal.message("user", rest)

    def let_go(self) -> None:
        """Nobody uses this any more: come apart, so that memory is free at once."""
        del self.speaker, self._tool_uses
        self._leaving = None
        self._alarm = None

    # Turn-taking

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if self._leaving is None or isinstance(action, CallerSpeech):
                self._react(action)
            elif isinstance(action, EndTurn):
                self._take_down(action.text)
        self._arm()
        self._go_on()

    def _react(self, action: Action) -> None:
        match action:
            case CallerSpeech():
                self._line.publish(SpeechStarted(action.started))
                self._owner.activity()
            case Think():
                self._drop_draft()
                self._draft = self._begin(action.text, self._transcript.with_user(action.text))
            case Forget():
                self._drop_draft()
            case EndTurn():
                self._end_turn(action)
            case Pause():
                self.speaker.pause()
            case Resume():
                self.speaker.resume()
            case Interrupt():
                self._interrupt()

    def _arm(self) -> None:
        deadline = self._turns.deadline
        if deadline is None:
            return
        if self._alarm is None or deadline < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = deadline
            self._alarm = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._act(self._turns.due(self._loop.time()))

    # Replies

    def _begin(self, text: str, messages: Iterable[Message]) -> Answer:
        reply = Reply(
            text, tuple(messages), self._model, self._tools, self._tool_uses, self._voice.begin(), self._journal.note
        )
        return Answer(reply, self._spawn(reply.make()))

    def _end_turn(self, turn: EndTurn) -> None:
        if self._entered:
            turn = replace(turn, text=" ".join([turn.text, *self._entered]).strip())
            self._entered.clear()
        answer, self._draft = self._draft, None
        if answer is not None and answer.reply.text != turn.text:
            answer.drop()
            answer = None
        answer = answer or self._begin(turn.text, self._transcript.with_user(turn.text))
        answer.turn, answer.decided_at = turn, self._loop.time()
        self._take_down(turn.text)
        self._give(answer)

    def _take_down(self, text: str) -> None:
        self._transcript.add_user(text)
        self._journal.message("user", text)

    def _speak_unasked(self, messages: Iterable[Message]) -> None:
        answer = self._begin("", messages)
        self._turns.assistant_began()
        self._give(answer)

    def _give(self, answer: Answer) -> None:
        self._to_answer = False
        self._answer = answer
        answer.reply.commit()
        self.speaker.play(answer.speech)
        self._owner.activity()

    def _drop_draft(self) -> None:
        if self._draft is not None:
            self._draft.drop()
            self._draft = None

    def _interrupt(self) -> None:
        self._closing = None
        self._settle_all(self.speaker.cut())
        self._owner.activity()

    def _settle_all(self, speeches: list[Speech]) -> None:
        for speech in speeches:
            self._settle(speech, interrupted=True)

    # Speaking

    def speech_started(self, speech: Speech, at: float) -> None:
        self._turns.assistant_audible()
        answer = self._answer
        if answer is not None and answer.speech is speech and answer.turn is not None:
            answer.latency = answer.measure(at)
            self._line.publish(TurnMeasured(answer.latency_shown()))

    def speech_finished(self, speech: Speech) -> None:
        answer = self._answer if self._answer and self._answer.speech is speech else None
        self._settle(speech, interrupted=False)
        if self._leaving is not None:
            self._said_last_words(speech, self._leaving)
            return
        error = (answer.reply.error if answer else None) or speech.error
        if error is None and answer is not None:
            error = self._broken(answer.reply)
        if error is None and answer and answer.reply.keys:
            self.speaker.press(answer.reply.keys, self._keys_pressed)
        if error is not None:
            self._owner.vendor_failed(error)
        elif answer and answer.reply.transfer_to:
            self._owner.transfer(answer.reply.transfer_to)
        elif answer and answer.reply.hang_up:
            text, keep = self._goodbye
            self.say(text, keep=keep, then="assistant_hangup")
        elif self._closing and not self.speaker.busy:
            self._owner.hang_up(self._closing)
        elif self._says_goodbye(speech.text):
            self.say("", keep=False, then="end_call_phrase")
        elif not self.speaker.talking:
            self._act(self._turns.assistant_done(self._loop.time()))
            self._owner.activity()

    def _keys_pressed(self) -> None:
        self._go_on()
        self._owner.activity()

    def _said_last_words(self, speech: Speech, then: Callable[[], None]) -> None:
        if speech.error is not None:
            why = speech.error.words(quoting=self._plan.keep_content)
            self._journal.note(f"the last words could not be spoken to their end ({why})")
        then()

    def _broken(self, reply: Reply) -> ProviderError | None:
        """One answer that breaks off is a pity; two in a row, and no conversation is possible."""
        self._broken_off = self._broken_off + 1 if reply.broken_off else 0
        if reply.broken_off is not None:
            why = reply.broken_off.words(quoting=self._plan.keep_content)
            self._journal.note(f"an answer broke off ({why})")
        return reply.broken_off if self._broken_off > 1 else None

    def _settle(self, speech: Speech, *, interrupted: bool) -> None:
        """Whatever was heard of `speech` is now part of the conversation."""
        heard = speech.heard
        answer = self._answer
        if answer is not None and answer.speech is speech:
            self._answer = None
            answer.drop()
            rest = heard
            for used in answer.reply.rounds:
                rest = used.heard(rest, cut_short=interrupted)
                self._transcript.add_tool_round(used)
                self._tool_uses.settle(used)
            self._transcript.add_assistant(rest)
            if answer.latency is not None:
                self._journal.turn(answer.with_outcome(interrupted))
        else:
            self._transcript.add_assistant(heard)
        if heard:
            self._journal.message("assistant", heard)
        if speech.started_at is not None:
            self._line.publish(AssistantHeard(heard, interrupted))

    def _says_goodbye(self, text: str) -> bool:
        said = text.casefold()
        return any(phrase.casefold() in said for phrase in self._plan.end_call_phrases)


def _in_words(digits: str) -> str:
    return f"(pressed {' '.join(digits)})"
