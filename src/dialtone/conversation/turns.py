"""Whose turn it is: endpointing, barge-in, resume. Pure logic over timestamps; no I/O and no clock of its own.

Voice activity and transcripts go in with the time they belong to (seconds, any one clock); out come actions. The
owner asks `deadline` when to call `due` if nothing else happens before.

How a turn ends. The end of speech is where the voice detector last heard a voice, corrected by the transcriber's word
times, which know better than the detector's slow release. From there `endpointing_min_delay` must pass, or
`endpointing_max_delay` where the sentence looks unfinished or the final transcript is still out. As soon as the
transcript is settled the reply is thought out ahead (`Think`) and thrown away if the caller goes on (`Forget`).

How an interruption goes. A voice of `interruption_min_duration` (and `interruption_min_words`, if set) stops the
assistant (`Pause`). Words make it real (`Interrupt`). No words, or only a listener's "mhm", within
`false_interruption_timeout` of the voice's end, and the assistant goes on where it stopped (`Resume`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dialtone.conversation.plan import TurnTaking
from dialtone.conversation.wording import is_backchannel, looks_finished, words

VOICE_START = 0.06
"""Voiced seconds that make speech of what could be a click."""
VOICE_GAP = 0.25
"""Unvoiced seconds that end a stretch of speech."""
SETTLE_SILENCE = 0.1
"""Unvoiced seconds before a reply is thought out ahead."""
WORD_END_TOLERANCE = 0.35
"""The transcriber's last word may end this long before the detector's last voice and still be the last word."""
DETECTOR_RELEASE = 0.25
"""At most this much of the detector's release is taken back by the transcriber's word times."""
WORDLESS_PAUSE = 3.0
"""A voice without words (a television, a crying child) holds the assistant up no longer than this."""
STUCK_VOICE = 1.5
"""A voice goes on but no word has come for this long: it is background, the turn may end."""
SLOW_TRANSCRIBER = 8.0
"""As `STUCK_VOICE` where the last word is no final one: a transcriber that is still at work may take this long."""
ANSWER_OVERLAP = 1.0
"""A "yes" this close to the assistant's last word is an answer, not a listener's sign of life."""
MAX_TURN_CHARACTERS = 10_000
"""A caller who never stops is answered after this much."""
MAX_THOUGHTS = 3
"""Replies thought out ahead for one turn, at most."""


@dataclass(frozen=True, slots=True)
class CallerSpeech:
    """The caller began (or stopped) to speak."""

    started: bool


@dataclass(frozen=True, slots=True)
class Think:
    """The turn is probably over: think a reply to `text` out ahead, unheard."""

    text: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The caller goes on: throw away what was thought out ahead."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The turn is over: answer `text`."""

    text: str
    speech_end: float
    final_at: float | None
    """When the last final transcript came; None where the turn ends on an interim one."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the assistant's voice at once, keep what it had still to say."""


@dataclass(frozen=True, slots=True)
class Resume:
    """It was nothing: go on where the assistant stopped."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The caller has taken the turn: drop the rest of what the assistant had to say."""


Action = CallerSpeech | Think | Forget | EndTurn | Pause | Resume | Interrupt
_NOTHING: tuple[Action, ...] = ()


class TurnTaker:
    """The turn-taking of one call."""

    def __init__(self, settings: TurnTaking, language: str | None = None) -> None:
        self._settings = settings
        self._language = language
        self._speaking = False
        self._voiced = 0.0  # seconds of voice in the current stretch, or in the last one
        self._stretch_over = True
        self._stretch_start = float("-inf")
        self._last_voice = float("-inf")
        self._last_sound = float("-inf")  # as last_voice, clicks included
        self._deaf_until_silence = False  # a wordless voice held the assistant up long enough
        self._finals: list[str] = []
        self._interim = ""
        self._final_at: float | None = None
        self._heard_until = float("-inf")  # end of the last word of the last final
        self._last_text = float("-inf")
        self._answered_until = float("-inf")  # finals up to here belong to a turn already ended on an interim
        self._awaiting_final = False
        self._thought: str | None = None
        self._thoughts = 0
        self._assistant = False  # has the turn: thinking, speaking or paused
        self._audible = False  # its first word has left
        self._paused_at: float | None = None
        self._hearing = True
        self._hearing_since = float("-inf")

    @property
    def text(self) -> str:
        """What the caller has said in this turn so far."""
        return " ".join([*self._finals, self._interim] if self._interim else self._finals)

    @property
    def caller_speaking(self) -> bool:
        return self._speaking

    # What comes in

    def voice(self, at: float, voiced: bool, seconds: float) -> Sequence[Action]:
        """A window of the voice detector, `seconds` long, that ended at `at`."""
        if voiced:
            if self._stretch_over and at - self._last_sound > VOICE_GAP:
                self._stretch_start, self._voiced = at, 0.0
            self._voiced += seconds
            self._last_sound = at
            if self._stretch_over and self._voiced < VOICE_START:
                return _NOTHING  # a click so far: nothing that was decided is in doubt
            self._stretch_over, self._last_voice = False, at
            if self._deaf_until_silence:
                return _NOTHING
            if not self._speaking:
                return self._start_speech(at)
            return self._barge_in(at) if self._assistant else _NOTHING
        silence = at - self._last_voice
        if not self._stretch_over and silence >= VOICE_GAP:
            self._stretch_over, self._deaf_until_silence = True, False
            if self._speaking:
                self._speaking = False
                return [CallerSpeech(False), *self._words_came(at), *self._settle(at)]
        if self._finals and self._thought is None and silence >= SETTLE_SILENCE:
            return self._settle(at)
        return _NOTHING

    def interim(self, at: float, text: str) -> Sequence[Action]:
        """The transcriber's guess at the words since its last final one."""
        if self._awaiting_final:
            return _NOTHING
        self._interim = text.strip()
        if not self._interim:
            return _NOTHING
        self._last_text = at
        return [*self._reconsider(), *self._words_came(at)]

    def final(self, at: float, text: str, heard_until: float, utterance_end: bool = False) -> Sequence[Action]:
        """A piece of transcript that will not change; its last word ended at `heard_until`."""
        self._awaiting_final = False
        if heard_until <= self._answered_until + SETTLE_SILENCE:
            return _NOTHING
        self._interim = ""
        text = text.strip()
        if text:
            self._finals.append(text)
            self._final_at = self._last_text = at
            self._heard_until = at if utterance_end else heard_until
        actions = [*self._reconsider(), *self._words_came(at), *self._settle(at)]
        if len(self.text) > MAX_TURN_CHARACTERS and not self._assistant:
            actions += self._end_turn(at)
        return actions

    def utterance_end(self, at: float) -> Sequence[Action]:
        """The transcriber itself heard the utterance end."""
        self._heard_until = max(self._heard_until, self._last_voice)
        return self._settle(at)

    def hearing(self, at: float, able: bool) -> None:
        """No words can come for the moment (the transcriber is being replaced), or they can again."""
        self._hearing, self._hearing_since = able, at

    def assistant_began(self) -> None:
        """The assistant has the turn without having been asked (its greeting)."""
        self._assistant, self._audible = True, False

    def assistant_audible(self) -> None:
        """The assistant's first word has left."""
        self._audible = True

    def assistant_done(self, at: float) -> Sequence[Action]:
        """The assistant has said all it had to say, or gave up."""
        self._assistant, self._paused_at = False, None
        if self._finals and is_backchannel(self.text) and at - self._last_voice > ANSWER_OVERLAP:
            self._clear_text()
        return self._settle(at)

    def take_turn(self) -> str:
        """End the caller's turn from outside (a keypad, the end of the call): what was said in it so far."""
        text = self.text
        self._clear_text()
        self._assistant, self._paused_at = False, None
        return text

    # What time brings

    @property
    def deadline(self) -> float | None:
        """When to call `due`, if nothing happens before. Every method above may move it."""
        if self._paused_at is not None:
            if not self._stretch_over:
                return self._paused_at + WORDLESS_PAUSE
            timeout = self._settings.false_interruption_timeout
            return self._last_voice + (timeout if timeout is not None else 0.0)
        if self._assistant or not self._hearing:
            return None
        if not (self._finals or self._interim):
            # A voice without words is somebody else's, or its line went dead in the middle.
            return max(self._stretch_start, self._last_text) + SLOW_TRANSCRIBER if self._speaking else None
        return max(self._text_deadline, self._hearing_since + self._settings.endpointing_max_delay)

    @property
    def _text_deadline(self) -> float:
        max_delay = self._settings.endpointing_max_delay
        if self._voice_without_words:
            patience = SLOW_TRANSCRIBER if self._interim else max(max_delay, STUCK_VOICE)
            return max(self._last_text, self._stretch_start) + patience
        if self._settled and looks_finished(self.text, self._language):
            return self._speech_end + self._settings.endpointing_min_delay
        return max(self._speech_end, self._last_text - max_delay) + max_delay

    def due(self, at: float) -> Sequence[Action]:
        """The deadline has come."""
        deadline = self.deadline
        if deadline is None or at < deadline:
            return _NOTHING
        if self._paused_at is None and not self.text:
            self._deaf_until_silence, self._speaking = True, False
            return [CallerSpeech(False)]
        if self._paused_at is None:
            return self._end_turn(at)
        if self._stretch_over:
            return self._resume()
        self._deaf_until_silence, self._speaking = True, False
        return [CallerSpeech(False), *self._resume()]

    # Inside

    @property
    def _voice_without_words(self) -> bool:
        """A voice younger than the last words: more speech, or a noise that no words will follow."""
        return not self._stretch_over and self._last_voice > self._last_text

    @property
    def _settled(self) -> bool:
        """Every word of the speech so far is in a final transcript."""
        if self._interim or not self._finals or self._final_at is None:
            return False
        return self._final_at >= self._last_voice or self._heard_until >= self._last_voice - WORD_END_TOLERANCE

    @property
    def _speech_end(self) -> float:
        if self._voice_without_words or self._last_voice < self._last_text - STUCK_VOICE:
            return min(self._heard_until, self._last_text) if self._finals else self._last_text
        if self._settled:
            return min(self._last_voice, max(self._heard_until, self._last_voice - DETECTOR_RELEASE))
        return self._last_voice

    def _start_speech(self, at: float) -> Sequence[Action]:
        self._speaking, self._awaiting_final = True, False
        started = CallerSpeech(True)
        return [started, *self._reconsider(force=True), *(self._barge_in(at) if self._assistant else _NOTHING)]

    def _reconsider(self, force: bool = False) -> Sequence[Action]:
        """What was thought out ahead is void if the words changed, or speech goes on."""
        if self._thought is None or (not force and self._thought == self.text):
            return _NOTHING
        self._thought = None
        return [Forget()]

    def _settle(self, at: float) -> Sequence[Action]:
        if self._assistant or self._thought is not None or not self._settled:
            return _NOTHING
        if self._thoughts >= MAX_THOUGHTS or at - self._last_voice < SETTLE_SILENCE:
            return _NOTHING
        self._thought = self.text
        self._thoughts += 1
        return [Think(self._thought)]

    def _end_turn(self, at: float) -> Sequence[Action]:
        end = EndTurn(self.text, self._speech_end, self._final_at if not self._interim else None)
        self._awaiting_final = bool(self._interim)
        self._answered_until = max(self._last_voice, self._heard_until) if self._interim else self._answered_until
        actions: list[Action] = []
        if self._thought is not None and self._thought != end.text:
            actions.append(Forget())
        if self._speaking:
            self._speaking = False
            actions.append(CallerSpeech(False))
        self._clear_text()
        self.assistant_began()
        return [*actions, end]

    def _clear_text(self) -> None:
        self._finals.clear()
        self._interim = ""
        self._final_at = None
        self._thought = None
        self._thoughts = 0

    def _barge_in(self, at: float) -> Sequence[Action]:
        """The caller's voice goes on while the assistant has the turn."""
        if self._paused_at is not None:
            return _NOTHING
        if not self._audible:
            # Nothing was said yet: better wait a moment than talk over a caller who goes on.
            self._paused_at = at
            return [Pause(), *self._words_came(at)]
        if self._voiced < self._settings.interruption_min_duration:
            return _NOTHING
        if self._settings.interruption_min_words:
            return self._words_came(at)
        if self._settings.false_interruption_timeout is None:
            return self._interrupt()
        self._paused_at = at
        return [Pause(), *self._words_came(at)]

    def _words_came(self, at: float) -> Sequence[Action]:
        """Words while the assistant has the turn: is it being interrupted?"""
        if not self._assistant:
            return _NOTHING
        text = self.text
        if not text or is_backchannel(text):
            if text and self._paused_at is not None and not self._interim and self._stretch_over:
                return self._resume()
            return _NOTHING
        if self._paused_at is not None:
            return self._interrupt()
        count, enough_words = len(words(text)), self._settings.interruption_min_words
        long_enough = self._voiced >= self._settings.interruption_min_duration and self._last_voice > at - STUCK_VOICE
        unheard_voice = self._last_voice < at - STUCK_VOICE and count >= max(3, enough_words)
        if unheard_voice or self._deaf_until_silence or (enough_words and long_enough and count >= enough_words):
            return self._interrupt()
        return _NOTHING

    def _interrupt(self) -> Sequence[Action]:
        self._assistant, self._paused_at = False, None
        return [Interrupt()]

    def _resume(self) -> Sequence[Action]:
        self._paused_at = None
        self._clear_text()
        return [Resume()]
