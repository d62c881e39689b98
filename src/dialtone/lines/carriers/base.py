"""What the file of a carrier gives: a class that is a `Carrier`, and one that is its `Stream`.

A carrier does three kinds of things, and the file knows how it does them, nothing else:

- It sends requests (`Hook`): somebody calls, a telephone rings, a call is over. `read` says what a request tells
  (`HookEvent`), `is_genuine` whether the carrier signed it. Nothing is believed before that: `read` is asked first only
  to learn whose number it is about, and so whose secret signs.
- It takes orders over its API: `connect` an incoming call to a media stream, `turn_away`, `place`, `hang_up`,
  `transfer`. Where the carrier wants a document instead (TwiML, an NCCO), `connect` and `turn_away` return it, and it
  becomes the answer to the request; where it wants commands, they send them and return an empty answer.
- It opens a WebSocket for a call's audio, whose messages its `Stream` reads and writes.

The rest is in one place for all: which organization and which call (`dialtone.carriers`), the line of a stream
(`stream.py`), calls on their way to one (`waiting.py`), placing calls (`dialer.py`).

A new carrier: its name in `platform/carriers.py`, its settings in `byok/carriers.py`, its file here, a line in
`catalog.py`, a fake in `tests/fakes/`, a section of `docs/carriers.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dialtone.lines.outbound import DialFailure
from dialtone.media.audio import AudioFormat
from dialtone.platform.carriers import CarrierAccount

# What a carrier asks


@dataclass(frozen=True, slots=True)
class Hook:
    """A request that claims to be a carrier's."""

    name: str
    """What it is about: the part of its path behind the carrier's name, such as `voice` or `status`."""
    method: str
    url: str
    """As the carrier was told it, with its query: what carriers sign."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Incoming:
    """Somebody calls a number of ours, and waits."""

    call: str
    """The carrier's id of the call; likewise below."""
    number: str
    """The number of ours that the call is from or to, in E.164; likewise below."""
    caller: str | None
    """In E.164; None where it is withheld."""


@dataclass(frozen=True, slots=True)
class DocumentWanted:
    """A call goes on, and the carrier asks how: the hook is `answer` (of a call that we placed) or `transfer`."""

    call: str
    number: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """The telephone that we call rings."""

    call: str
    number: str


@dataclass(frozen=True, slots=True)
class Over:
    """The call is over."""

    call: str
    number: str
    failure: DialFailure | None
    """Why nobody answered; None where somebody had."""
    words: str
    """Why, naming nobody: it is kept with the call."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that nothing follows from."""

    call: str
    number: str


@dataclass(frozen=True, slots=True)
class Due:
    """The time has come for what was to follow on an order: `Carrier.carry_on` does it."""

    call: str
    number: str
    step: Mapping[str, str]
    """As the carrier's file wrote it down."""


HookEvent = Incoming | DocumentWanted | Ringing | Over | Noted | Due


class BadHookError(ValueError):
    """The request is none that the carrier sends. Nobody is told why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a carrier's request is answered with, status 200."""

    body: bytes = b""
    content_type: str = "text/plain"


# What a carrier is told


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the carrier reaches one call; they are good for this call only, and secret."""

    hooks: str
    """Begins every hook's address: `https://voice.example.com/carriers/twilio`."""
    token: str

    def hook(self, name: str) -> str:
        return f"{self.hooks}/{name}/{self.token}"

    @property
    def stream(self) -> str:
        """Of the media stream, which works once."""
        return f"ws{self.hooks.removeprefix('http')}/stream/{self.token}"


@dataclass(frozen=True, slots=True)
class CallOrder:
    """A call to be placed."""

    destination: str
    """E.164 or a SIP URI."""
    caller_number: str
    """Ours, in E.164."""
    ring_seconds: float
    addresses: Addresses


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """A caller to be handed over."""

    destination: str
    """E.164 or a SIP URI."""
    shown: str | None
    """The number that the destination sees, in E.164; None: the caller's own."""
    number: str
    """Ours, that the call is from or to, in E.164."""
    addresses: Addresses


class CarrierError(Exception):
    """The carrier did not do what it was told, or is not to be reached. `str()` says why, in words that name nobody and
    hold no secret: they are kept with the call.
    """

    def __init__(self, words: str, reason: DialFailure = "unreachable") -> None:
        super().__init__(words)
        self.reason: DialFailure = reason
        """Where a call was to be placed: what became of it."""


class Carrier(Protocol):
    """One per process and carrier; holds no state of calls. Orders raise `CarrierError`, in bounded time."""

    hangs_up_with_stream: bool
    """Whether the carrier ends a call whose media stream we close. Else it is told to hang up."""
    asks_for_transfer: bool
    """Whether it asks for the document of a transfer (`DocumentWanted`) after it was told."""

    def read(self, hook: Hook) -> HookEvent:
        """What the request tells. Raises `BadHookError`."""

    def is_genuine(self, account: CarrierAccount, hook: Hook) -> bool:
        """Whether the carrier sent it, for this account. Compares in constant time; never raises."""

    async def connect(self, account: CarrierAccount, call: str, number: str, addresses: Addresses) -> Answer:
        """Answer a call that waits, or go on with one that we placed, by opening its media stream."""

    async def turn_away(self, account: CarrierAccount, call: str, words: str | None, *, busy: bool) -> Answer:
        """Do not take a call that waits. `words` are spoken to the caller where there are any; else it is `busy`,
        or the number takes no calls.
        """

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        """Place a call whose media stream opens once somebody answers; returns its id, without waiting for that."""

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        """End a call, whether it rings or was answered. One that is over already is no error."""

    async def transfer(self, account: CarrierAccount, call: str, order: TransferOrder) -> None:
        """Hand the caller over. The media stream ends with it."""

    def transfer_document(self, order: TransferOrder) -> Answer:
        """For `DocumentWanted` of `transfer`; never called where the carrier does not ask for it."""

    def end_document(self) -> Answer:
        """For `DocumentWanted` of a call that nobody waits for any more: it ends. Never called where the carrier asks
        for no documents.
        """

    async def carry_on(self, account: CarrierAccount, due: Due) -> None:
        """Do what is `Due`, where a carrier takes commands one by one."""

    def open_stream(self) -> "Stream":
        """The reader and writer of a new media stream."""


# Messages of a media stream


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins: the first event of all."""

    call: str
    """The carrier's id of the call."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Audio of the caller, in the stream's format, whole samples."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Pressed:
    """One of 0-9 * # A-D."""

    key: str


@dataclass(frozen=True, slots=True)
class Played:
    """Everything up to the mark `name` was played, or dropped."""

    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The call is over, or was taken elsewhere."""


StreamEvent = Started | Heard | Pressed | Played | Stopped


class BadStreamMessageError(ValueError):
    """The message is none that the carrier sends. `str()` says what is wrong with it, without its contents."""


class Stream(Protocol):
    """Reads and writes the messages of one stream. Texts are UTF-8; None: the carrier knows no such message."""

    audio: AudioFormat
    sends_binary: bool
    """Whether our audio goes in binary messages."""

    def read(self, message: bytes, *, binary: bool) -> StreamEvent | None:
        """What a message of the carrier tells; None for what nothing follows from. Raises `BadStreamMessageError`."""

    def media(self, frame: bytes) -> bytes:
        """20 ms of audio to be played after what was sent before."""

    def mark(self, name: str) -> bytes | None:
        """Have the carrier tell (`Played`) when everything sent so far was played."""

    def clear(self) -> bytes | None:
        """Have the carrier drop what it has not played yet."""
