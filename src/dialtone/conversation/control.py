"""Commands from outside for a live call: what may be asked of it, and how it is carried out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from dialtone.conversation.introduction_wording import wording
from dialtone.conversation.journal import EndReason
from dialtone.tools.base import Destination, TransferMode


@dataclass(frozen=True, slots=True)
class InjectContext:
    """Tell the language model something that the caller does not hear."""

    content: str
    trigger_response: bool
    """Have it answer at once, as soon as nobody speaks."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a text word for word, once nobody else speaks. The caller may interrupt it."""

    content: str
    end_after: bool
    """Hang up afterwards; nothing the caller says then stops the text or the end."""


@dataclass(frozen=True, slots=True)
class EndCall:
    """Stop what is being said, say `message`, and hang up."""

    message: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Stop what is being said, say `message`, and hand the caller over."""

    destination: str
    """E.164 or a SIP URI."""
    message: str | None = None
    mode: TransferMode = "blind"


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """Press keys on the line, after what is being said."""

    digits: str = field(repr=False)
    """Pauses among them; see `dialtone.conversation.keys`."""


Command = InjectContext | Say | EndCall | Transfer | SendDtmf


class CommandError(Exception):
    """A command that this call can't carry out. `str()` says why, in words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def not_in_progress() -> CommandError:
    """The call has not been answered yet, or is over."""
    return CommandError("call_not_in_progress", "Commands are taken only while the call is in progress.")


class Conversation(Protocol):
    """See `dialtone.conversation.dialogue`."""

    @property
    def leaving(self) -> bool: ...

    def tell_model(self, context: str) -> None: ...

    def answer_next(self) -> None: ...

    def say_next(self, text: str, *, then: EndReason | None = None) -> bool: ...

    def leave(self, text: str, then: Callable[[], None]) -> None: ...

    def press_keys(self, digits: str) -> bool: ...


class HandsOver(Protocol):
    """See `dialtone.conversation.handover`."""

    @property
    def possible(self) -> bool: ...

    def begin(self, destination: Destination) -> None: ...


class Control:
    """Carries out the commands for one call."""

    def __init__(
        self,
        dialogue: Conversation,
        handover: HandsOver,
        language: str | None,
        end: Callable[[EndReason], None],
    ) -> None:
        self._dialogue = dialogue
        self._handover = handover
        self._language = language
        self._end = end

    def carry_out(self, command: Command) -> None:
        """Begin to carry `command` out. Raises `CommandError`."""
        if self._dialogue.leaving:
            if not isinstance(command, EndCall):
                raise CommandError("call_is_leaving", "The call is already being ended or transferred.")
            self._end("api_end_call")
            return
        match command:
            case InjectContext():
                self._dialogue.tell_model(command.content)
                if command.trigger_response:
                    self._dialogue.answer_next()
            case Say():
                if not self._dialogue.say_next(command.content, then="api_end_call" if command.end_after else None):
                    raise CommandError("too_many_commands", "Too many texts are already waiting to be said.")
            case SendDtmf():
                if not self._dialogue.press_keys(command.digits):
                    raise CommandError("dtmf_not_possible", "This call's line has no keys.")
            case EndCall():
                self._dialogue.leave(_line(command.message), partial(self._end, "api_end_call"))
            case Transfer():
                if not self._handover.possible:
                    raise CommandError("transfer_not_possible", "This call's line can't be transferred.")
                self.transfer(Destination(command.destination, "", _line(command.message) or None, command.mode))

    def transfer(self, destination: Destination, *, announced: bool = False) -> None:
        """Hand the caller over, once they were told; where that fails, the conversation goes on. `announced`: the
        destination's message was spoken.
        """
        said = "" if announced else destination.message or ""
        if destination.mode == "warm" and not destination.message:
            said = wording(self._language).announcement  # they will wait for a while
        self._dialogue.leave(said, partial(self._handover.begin, destination))


def _line(message: str | None) -> str:
    """What is said before leaving; no voice speaks a text of blanks."""
    return (message or "").strip()
