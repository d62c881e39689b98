"""The live calls of this process: letting callers in, running their calls, and ending them in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dialtone.calls.costs import Costing
from dialtone.calls.ending import Endings
from dialtone.calls.journal import StoredJournal
from dialtone.calls.kept import Kept
from dialtone.calls.legs import Legs
from dialtone.calls.masking import who_called
from dialtone.calls.plans import (
    inbound_call_plan,
    may_record,
    outbound_call_plan,
    own_keys_used,
    wants_consent,
    web_call_plan,
    with_webhook,
)
from dialtone.calls.recordings import Recordings, recording_path
from dialtone.calls.ringing import Play, Ringing
from dialtone.calls.service import Calls, ClaimedCall, ClaimError
from dialtone.calls.tables import Call
from dialtone.calls.ways_out import DIAL_GRACE_SECONDS, WaysOut
from dialtone.calls.writer import CallWriter
from dialtone.conversation.control import Command
from dialtone.conversation.journal import Ending, EndReason, Journal
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.preparation import Preparation
from dialtone.lines.base import Line
from dialtone.lines.inbound import CallerLeftError, NotAnsweredError
from dialtone.lines.outbound import Dialer, DialError, DialRequest
from dialtone.lines.second_leg import SecondLegs
from dialtone.lines.websocket.door import Admission, Refusal
from dialtone.lines.websocket.socket_line import CLOSE_BUSY
from dialtone.media.audio import MULAW_8K, AudioFormat
from dialtone.platform.db import now
from dialtone.platform.errors import ApiError
from dialtone.platform.tenancy import change_owned, given
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from dialtone.providers.prices import Prices
from dialtone.providers.use import VendorUse
from dialtone.settings import Settings

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long calls may take to end once they were told to."""
ASK_AGAIN_SECONDS = 0.2
RETRY_AFTER_SECONDS = 5


class RunsCalls(Protocol):
    """What is needed of `conversation.engine.Engine`."""

    def prepare(self, plan: CallPlan, audio: AudioFormat, vendors: Vendors, journal: Journal) -> Preparation: ...

    async def announcement(
        self, text: str, language: str | None, audio: AudioFormat, vendors: Vendors, *, keep: bool
    ) -> bytes: ...

    async def run(
        self,
        plan: CallPlan,
        line: Line,
        vendors: Vendors,
        journal: Journal,
        legs: SecondLegs | None = None,
        prepared: Preparation | None = None,
    ) -> None: ...

    def command(self, call_id: str, command: Command) -> None: ...

    def end_calls(self, reason: EndReason, error: str | None = None) -> None: ...

    async def stop(self) -> None: ...


class LiveCalls:
    """Admits callers and owns the task of each of their calls."""

    def __init__(
        self,
        settings: Settings,
        calls: Calls,
        engine: RunsCalls,
        writer: CallWriter,
        vendors: Vendors,
        endings: Endings,
        recordings: Recordings,
        prices: Prices,
        ways_out: WaysOut,
        *,
        is_sqlite: bool,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._endings = endings
        self._recordings = recordings
        self._prices = prices
        self._ways_out = ways_out
        self._engine = engine
        self._writer = writer
        self._vendors = vendors
        self._is_sqlite = is_sqlite
        self._running: set[asyncio.Task[None]] = set()
        self._dialing: set[asyncio.Task[Any]] = set()
        self._arriving = 0
        self._stopping = False

    def __len__(self) -> int:
        """Live calls, and callers about to be let in."""
        return len(self._running) + self._arriving

    @property
    def _most(self) -> str:
        most = self._settings.max_calls
        return "1 call" if most == 1 else f"{most} calls"

    async def claim(self, token: str, audio: AudioFormat) -> Admission | Refusal:
        """Let the holder of a token in. A server that is full or stopping leaves the token unused."""
        if self._stopping:
            return Refusal("server_shutdown", "The server is shutting down; try again in a moment.", CLOSE_BUSY)
        if len(self) >= self._settings.max_calls:
            return Refusal("at_capacity", f"The server is full: it takes {self._most} at a time.", CLOSE_BUSY)
        self._arriving += 1
        try:
            claimed = await self._calls.claim(token)
        except ClaimError as problem:
            self._arriving -= 1
            return Refusal(problem.code, str(problem))
        except BaseException:
            self._arriving -= 1
            raise
        return Admission(claimed.call_id, partial(self._start, claimed))

    def _start(self, claimed: ClaimedCall, line: Line) -> None:
        self._arriving -= 1
        recording = self._recording(claimed)
        journal = self._journal(claimed, recording)
        plan = web_call_plan(
            claimed.call_id,
            claimed.organization_id,
            claimed.assistant,
            claimed.variables,
            self._path(recording),
        )
        plan = with_webhook(plan, claimed.context)
        self._own(self._run(plan, line, self._vendors_of(claimed), journal))

    def reserve(self) -> None:
        """Keep a place for a call that is about to be placed; `dial` or `release` takes it back.

        Raises `ApiError` (503) where the server is full or stopping.
        """
        if self._stopping:
            raise ApiError(
                503, "server_shutdown", "Service unavailable", "The server is shutting down; try again in a moment."
            )
        if len(self) >= self._settings.max_calls:
            raise ApiError(
                503,
                "at_capacity",
                "Server is full",
                f"The server takes {self._most} at a time; try again when one has ended.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        self._arriving += 1

    def release(self) -> None:
        """Give a reserved place back."""
        self._arriving -= 1

    def dial(self, claimed: ClaimedCall, dialer: Dialer, request: DialRequest, first_message: str | None) -> None:
        """Place a call in the place that was reserved, and hold it once somebody answers."""
        self._arriving -= 1
        task = self._own(self._dial(claimed, dialer, request, first_message))
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    async def _dial(
        self, claimed: ClaimedCall, dialer: Dialer, request: DialRequest, first_message: str | None
    ) -> None:
        recording = self._recording(claimed)
        journal = self._journal(claimed, recording)
        plan = outbound_call_plan(
            claimed.call_id,
            claimed.organization_id,
            claimed.assistant,
            claimed.variables,
            self._path(recording),
            first_message=first_message,
            destination=request.destination,
            caller_number=request.caller_number,
        )
        plan = with_webhook(plan, claimed.context)
        ringing = self._ringing(claimed, plan, MULAW_8K, journal)

        def rings() -> None:
            journal.ringing()
            ringing.begin()

        answered = await self._answered(dialer, request, journal, rings)
        await self._hold(claimed, plan, answered, journal, ringing)

    async def _hold(
        self,
        claimed: ClaimedCall,
        plan: CallPlan,
        answered: "Line | _Unanswered",
        journal: StoredJournal,
        ringing: Ringing,
    ) -> None:
        """Hold the call that was answered, or write down why there is none."""
        task = asyncio.current_task()
        assert task is not None
        self._dialing.discard(task)
        if isinstance(answered, _Unanswered):
            uses: tuple[VendorUse, ...] = ()
            try:
                uses = await ringing.close()
            finally:
                journal.failed(answered.reason, answered.words, uses)
            return
        await self._run(plan, answered, self._vendors_of(claimed), journal, ringing.take())

    def _ringing(self, claimed: ClaimedCall, plan: CallPlan, audio: AudioFormat, journal: Journal) -> Ringing:
        return Ringing(lambda: self._engine.prepare(plan, audio, self._vendors_of(claimed), journal))

    async def _answered(
        self, dialer: Dialer, request: DialRequest, journal: StoredJournal, on_ringing: Callable[[], None]
    ) -> "Line | _Unanswered":
        """The line to whoever answers, or why nobody does."""
        try:
            async with asyncio.timeout(request.ring_seconds + DIAL_GRACE_SECONDS):
                return await dialer.dial(replace(request, on_note=journal.note), on_ringing)
        except DialError as problem:
            return _Unanswered(problem.reason, str(problem))
        except TimeoutError:
            return _Unanswered("no_answer", "Nobody answered in time.")
        except asyncio.CancelledError:
            return _Unanswered("server_shutdown", "The server was stopped before anybody answered.")
        except Exception:
            logger.exception("call %s could not be placed", request.call_id)
            return _Unanswered("error", "The server failed to place the call.")

    def take(
        self,
        claimed: ClaimedCall,
        answer: Awaitable[Line],
        caller: str | None,
        called: str,
        notes: Sequence[str],
        *,
        audio: AudioFormat = MULAW_8K,
        on_ready: Callable[[], None] = lambda: None,
        play: Play | None = None,
    ) -> None:
        """Answer a call that came in, in the place that was reserved, and hold it. `answer` raises `CallerLeftError`
        where there is nobody to talk to any more. `notes` are on the record already. The line will probably have the
        format `audio`; `on_ready` is called when there is something to be heard on it, after 1.5 s at the latest, or
        after an early message, which callers hear by `play`.
        """
        self._arriving -= 1
        task = self._own(self._take(claimed, answer, caller, called, notes, audio, on_ready, play))
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    async def _take(
        self,
        claimed: ClaimedCall,
        answer: Awaitable[Line],
        caller: str | None,
        called: str,
        notes: Sequence[str],
        audio: AudioFormat,
        on_ready: Callable[[], None],
        play: Play | None,
    ) -> None:
        recording = self._recording(claimed, asks_consent=True)
        journal = self._journal(claimed, recording, asks_consent=True)
        for note in notes:
            journal.note(note)
        plan = inbound_call_plan(
            claimed.call_id,
            claimed.organization_id,
            claimed.assistant,
            claimed.variables,
            self._path(recording),
            caller=caller,
            called=called,
            forwarded_from=claimed.context.forwarded_from,
        )
        plan = with_webhook(plan, claimed.context)
        ringing = self._ringing(claimed, plan, audio, journal)
        ringing.begin()
        if plan.early_message is not None and play is None:
            journal.note("the early message was not spoken: nothing can be heard on this line before the answer")
        ringing.when_ready(on_ready, None if plan.early_message is None else play)
        await self._hold(claimed, plan, await self._picked_up(claimed.call_id, answer), journal, ringing)

    async def _picked_up(self, call_id: str, answer: Awaitable[Line]) -> "Line | _Unanswered":
        """The line to the caller, or why there is none any more."""
        try:
            return await answer
        except CallerLeftError as problem:
            return _Unanswered("user_hangup", str(problem))
        except NotAnsweredError as problem:
            return _Unanswered("error", str(problem))
        except asyncio.CancelledError:
            return _Unanswered("server_shutdown", "The server was stopped before the call was answered.")
        except Exception:
            logger.exception("call %s could not be answered", call_id)
            return _Unanswered("error", "The server failed to answer the call.")

    async def announcement(self, text: str, language: str | None, audio: AudioFormat, *, keep: bool) -> bytes | None:
        """Words for a caller with whom no assistant talks, `keep` them if they are the same for every caller; None
        where the deployment has no voice of its own.
        """
        try:
            return await self._engine.announcement(text, language, audio, self._vendors, keep=keep)
        except ProviderError as problem:
            logger.warning("a caller was turned away without words: %s", problem.unquoted)
            return None

    def command(self, call_id: str, command: Command) -> None:
        """Begin to carry out a command for a call that lives here. Raises `CommandError`."""
        self._engine.command(call_id, command)

    def _own(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _journal(self, claimed: ClaimedCall, recording: str | None, *, asks_consent: bool = False) -> StoredJournal:
        kept = Kept.of(claimed.context, claimed.assistant)
        own = own_keys_used(claimed.assistant, claimed.own_keys)
        roles = {column.removeprefix("byok_") for column, used in own.items() if used}
        costing = Costing(self._prices, roles, self._is_sqlite)
        who = None
        if asks_consent and wants_consent(claimed.assistant):
            who = who_called(claimed.context, masks=claimed.assistant.gdpr_mode)
        return StoredJournal(self._writer, self._endings, claimed.organization_id, kept, costing, recording, who)

    def _vendors_of(self, claimed: ClaimedCall) -> Vendors:
        """The vendors with the organization's own keys; which of these the call uses is written down."""
        used = own_keys_used(claimed.assistant, claimed.own_keys)
        if any(used.values()):
            told = given(claimed.organization_id, claimed.call_id, **used)
            self._writer.put(claimed.call_id, (change_owned(Call, *used), told), must=True)
        return self._vendors.with_own_keys(claimed.own_keys)

    def _recording(self, claimed: ClaimedCall, *, asks_consent: bool = False) -> str | None:
        """Where the call's recording goes, below the data directory; None where it is not recorded."""
        if not may_record(claimed.assistant, recording=self._settings.recording, asks_consent=asks_consent):
            return None
        return recording_path(claimed.call_id, datetime.now(UTC))

    def _path(self, recording: str | None) -> Path | None:
        return None if recording is None else self._settings.data_dir / recording

    async def _run(
        self, plan: CallPlan, line: Line, vendors: Vendors, journal: Journal, prepared: Preparation | None = None
    ) -> None:
        try:
            with self._recordings.growing(plan.recording_path):
                await self._engine.run(plan, line, vendors, journal, Legs(self._ways_out, self, plan), prepared)
        except Exception:
            logger.exception("call %s broke the engine", plan.call_id)
            journal.ended(Ending("error", "The server failed to run the call.", now(), 0))
            await line.close("error")

    def refuse(self) -> None:
        """Take no more callers."""
        self._stopping = True

    def end_all(self) -> None:
        """Tell every call to end because the server stops."""
        while self._dialing:
            self._dialing.pop().cancel()
        self._engine.end_calls("server_shutdown", "The server was stopped.")

    async def stop(self, drain_seconds: float) -> None:
        """Take no more callers, let the calls go on for `drain_seconds`, then end them. Idempotent."""
        self.refuse()
        if self._running and drain_seconds > 0:
            await asyncio.wait(self._running, timeout=drain_seconds)
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while self._running and asyncio.get_running_loop().time() < deadline:
            # Again and again, since a call that was just admitted may not have reached the engine yet.
            self.end_all()
            await asyncio.wait(self._running, timeout=ASK_AGAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._engine.stop()


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """Why a call that was placed, or came in, has no line."""

    reason: EndReason
    words: str
