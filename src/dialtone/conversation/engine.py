"""All live calls of one process, and what they share."""

import asyncio
from pathlib import Path

from dialtone.conversation.announcing import announcement
from dialtone.conversation.call import Call
from dialtone.conversation.control import Command, not_in_progress
from dialtone.conversation.journal import EndReason, Journal
from dialtone.conversation.listening import VoiceDetector
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.preparation import Preparation
from dialtone.conversation.shared import Shared
from dialtone.conversation.speech_cache import SpeechCache
from dialtone.conversation.toolboxes import make_toolbox
from dialtone.conversation.vendors import vendor_choice
from dialtone.lines.base import Line
from dialtone.lines.second_leg import SecondLegs
from dialtone.media.audio import AudioFormat
from dialtone.media.clock import MediaClock
from dialtone.media.recorder import RecordingWriter
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.factory import Vendors


class Engine:
    """Runs calls. Build it on the event loop; `stop` ends every call."""

    def __init__(self, data_dir: Path, http: GuardedHttp, detector: VoiceDetector, clock: MediaClock) -> None:
        """`clock`: also ticks the audio of lines that have to keep time themselves."""
        self._http = http
        self._shared = Shared(clock, detector, RecordingWriter(), SpeechCache(data_dir / "cache" / "speech"))
        self._calls: dict[str, Call] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Live calls."""
        return len(self._calls)

    def prepare(self, plan: CallPlan, audio: AudioFormat, vendors: Vendors, journal: Journal) -> Preparation:
        """Connect the vendors of a call that still rings, whose line will probably have this format. It is given to
        `run`, or closed.
        """
        prepared = Preparation(plan, vendor_choice(plan, vendors), audio, self._shared, journal.note)
        prepared.begin()
        return prepared

    async def announcement(
        self, text: str, language: str | None, audio: AudioFormat, vendors: Vendors, *, keep: bool
    ) -> bytes:
        """See `dialtone.conversation.announcing`."""
        return await announcement(text, language, audio, vendors, self._shared.speech, keep=keep)

    async def run(
        self,
        plan: CallPlan,
        line: Line,
        vendors: Vendors,
        journal: Journal,
        legs: SecondLegs | None = None,
        prepared: Preparation | None = None,
    ) -> None:
        """One call, from answer to goodbye. Never raises. `legs`: how its caller reaches somebody else."""
        if prepared is not None and prepared.audio == line.audio:
            await self._run(plan, line, prepared, journal, legs)
            return
        meter = None if prepared is None else prepared.meter
        fitting = Preparation(plan, vendor_choice(plan, vendors), line.audio, self._shared, journal.note, meter)
        closing = None if prepared is None else asyncio.ensure_future(prepared.close())
        await self._run(plan, line, fitting, journal, legs)
        if closing is not None:
            await closing

    async def _run(
        self, plan: CallPlan, line: Line, prepared: Preparation, journal: Journal, legs: SecondLegs | None
    ) -> None:
        toolbox = make_toolbox(
            plan,
            self._http,
            journal,
            can_transfer=line.can_transfer or (legs is not None and legs.possible),
            can_send_dtmf=line.can_send_dtmf,
        )
        call = Call(plan, line, prepared, toolbox, journal, self._shared, legs)
        self._calls[plan.call_id] = call
        self._empty.clear()
        try:
            await call.run()
        finally:
            del self._calls[plan.call_id]
            if not self._calls:
                self._empty.set()

    def command(self, call_id: str, command: Command) -> None:
        """Begin to carry out a command for a live call. Raises `CommandError`."""
        call = self._calls.get(call_id)
        if call is None:
            raise not_in_progress()
        call.command(command)

    def end_calls(self, reason: EndReason, error: str | None = None) -> None:
        """Ask every live call to end; their `run` returns shortly after."""
        for call in list(self._calls.values()):
            call.end(reason, error)

    async def wait_empty(self) -> None:
        """Return once no call is live."""
        await self._empty.wait()

    async def stop(self) -> None:
        """End every call and give back what they shared."""
        self.end_calls("server_shutdown", "the server was stopped")
        await self.wait_empty()
        await self._shared.recordings.close()
