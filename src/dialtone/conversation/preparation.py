"""What a call needs of its vendors, got ready while it still rings: connections, and the first words spoken into a
buffer.

Nothing depends on it: what is missing or has failed when the call begins is got then. A call that nobody answers closes
it. Where the caller must first agree to be recorded, only the question is made; no other vendor is touched.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

from dialtone.conversation.metering import Meter
from dialtone.conversation.placeholders import fill, values_of
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.ready_transcriber import ReadyTranscriber
from dialtone.conversation.shared import Shared
from dialtone.conversation.speech import Speech
from dialtone.conversation.tasks import Tasks
from dialtone.conversation.vendors import CallVendors, VendorChoice
from dialtone.conversation.voice import Voice
from dialtone.media.audio import AudioFormat
from dialtone.providers.base import ProviderError, TextToSpeech
from dialtone.providers.use import VendorUse


class Preparation:
    """Belongs to one call, or to whoever waits for its answer, who closes it."""

    def __init__(
        self,
        plan: CallPlan,
        choice: VendorChoice,
        audio: AudioFormat,
        shared: Shared,
        on_note: Callable[[str], None],
        meter: Meter | None = None,
    ) -> None:
        """`audio`: the format that the call's line has, or will have. `meter` goes on counting what another preparation
        of the same call has begun to.
        """
        self.audio = audio
        self.choice = choice
        self.meter = meter or Meter(plan)
        self.tasks = Tasks(plan.call_id)
        """The call's own, too."""
        self._plan = plan
        self._shared = shared
        self.note = on_note
        self._transcriber: ReadyTranscriber | None = None
        self._vendors: CallVendors | None = None
        self._voice: Voice | None = None
        self._consent_voice: Voice | None = None
        self._greeting: tuple[str, bool] | None = None
        self._opening: Speech | None = None
        self._ready = asyncio.Event()

    # Ahead of the call

    def begin(self) -> None:
        """Connect, and have the first words spoken."""
        try:
            if self._plan.consent_message is not None:
                self._open_with(self.consent_voice(), self._plan.consent_message, keep=True)
                return
            vendors, voice = self.vendors(), self.voice()
        except ProviderError:
            self._ready.set()  # it is told when the call begins
            return
        assert self._transcriber is not None
        self._transcriber.connect(self.audio, self.tasks.spawn)
        self.tasks.spawn(vendors.language_model.connect())
        self.tasks.spawn(_opened(voice))
        text, keep = self.greeting()
        if text:
            self._open_with(voice, text, keep=keep)
        else:
            self._ready.set()

    def _open_with(self, voice: Voice, text: str, *, keep: bool) -> None:
        self._opening = voice.say(text, keep=keep)
        self._opening.on_ready = self._ready.set

    async def ready(self) -> None:
        """Returns once the first words can be heard, or will not be made here."""
        await self._ready.wait()

    async def early_message(self) -> bytes:
        """What is said before the answer, as whole frames. Raises `ProviderError`."""
        text, keep = self.filled(self._plan.early_message)
        voice = self.voice() if self._plan.consent_message is None else self.consent_voice()
        speech = await voice.recorded(text, keep=keep and self._plan.keep_content)
        return b"".join(iter(speech.next_frame, None))

    def uses(self) -> tuple[VendorUse, ...]:
        """What was used so far."""
        return self.meter.uses()

    # In the call

    def vendors(self) -> CallVendors:
        """The call's vendors, counted. Raises `ProviderError`."""
        if self._vendors is None:
            chosen = self.meter.behind(self.choice.choose())
            self._transcriber = ReadyTranscriber(chosen.speech_to_text)
            self._vendors = CallVendors(self._transcriber, chosen.language_model, chosen.text_to_speech)
        return self._vendors

    def voice(self) -> Voice:
        """The assistant's. Raises `ProviderError`."""
        if self._voice is None:
            self._voice = self.make_voice(self.vendors().text_to_speech)
        return self._voice

    def consent_voice(self) -> Voice:
        """What asks whether the call may be recorded. Raises `ProviderError`."""
        if self._consent_voice is None:
            self._consent_voice = self.make_voice(self.meter.behind_voice(self.choice.consent_voice()))
        return self._consent_voice

    def make_voice(self, provider: TextToSpeech, audio: AudioFormat | None = None) -> Voice:
        """A voice of the call, which closes it."""
        return Voice(
            provider,
            audio or self.audio,
            self._shared.speech,
            self._plan.pronunciation,
            self.tasks.spawn,
            keeps=self._plan.keep_content,
        )

    def take_opening(self) -> Speech | None:
        """The first words, where they are there or on their way; only once, since a speech can be said once."""
        opening, self._opening = self._opening, None
        return None if opening is None or opening.error is not None else opening

    def greeting(self) -> tuple[str, bool]:
        """The first words, and whether they are the same for every caller."""
        if self._greeting is None:
            self._greeting = self.filled(self._plan.first_message)
        return self._greeting

    def filled(self, written: str | None) -> tuple[str, bool]:
        """A text with its placeholders filled, and whether it is the same for every caller."""
        text = fill(written or "", values_of(self._plan, datetime.now(UTC)), self.unknown_placeholder)
        return text, text == written

    def unknown_placeholder(self, name: str) -> None:
        self.note(f"placeholder {{{{{name}}}}} has no value and was left empty")

    # The end

    async def close(self) -> None:
        """Give everything back. Idempotent, never raises."""
        await self.tasks.stop()
        parts = (self._transcriber, self._voice, self._consent_voice)
        await self.tasks.close([part.close() for part in parts if part is not None])
        self.tasks.on_failure = None


async def _opened(voice: Voice) -> None:
    """Connect the voice; what goes wrong shows when it speaks."""
    with contextlib.suppress(ProviderError):
        await voice.session()
