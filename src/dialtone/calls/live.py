"""The live calls of this process: letting callers in, running their calls, and ending them in order."""

import asyncio
import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlalchemy import update

from dialtone.calls.journal import StoredJournal
from dialtone.calls.plans import may_record, web_call_plan
from dialtone.calls.recordings import recording_path
from dialtone.calls.service import Calls, ClaimedCall, ClaimError
from dialtone.calls.tables import Call
from dialtone.calls.writer import CallWriter
from dialtone.conversation.journal import Ending, EndReason, Journal
from dialtone.conversation.plan import CallPlan
from dialtone.lines.base import Line
from dialtone.lines.websocket.door import Admission, Refusal
from dialtone.lines.websocket.line import CLOSE_BUSY
from dialtone.media.audio import AudioFormat
from dialtone.platform.db import now
from dialtone.providers.factory import Vendors
from dialtone.settings import Settings

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long calls may take to end once they were told to."""
ASK_AGAIN_SECONDS = 0.2


class RunsCalls(Protocol):
    """What is needed of `conversation.engine.Engine`."""

    async def run(self, plan: CallPlan, line: Line, vendors: Vendors, journal: Journal) -> None: ...

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
        *,
        is_sqlite: bool,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._engine = engine
        self._writer = writer
        self._vendors = vendors
        self._is_sqlite = is_sqlite
        self._running: set[asyncio.Task[None]] = set()
        self._arriving = 0
        self._stopping = False

    def __len__(self) -> int:
        """Live calls, and callers about to be let in."""
        return len(self._running) + self._arriving

    async def claim(self, token: str, audio: AudioFormat) -> Admission | Refusal:
        """Let the holder of a token in. A server that is full or stopping leaves the token unused."""
        if self._stopping:
            return Refusal("server_shutdown", "The server is shutting down; try again in a moment.", CLOSE_BUSY)
        if len(self) >= self._settings.max_calls:
            most = self._settings.max_calls
            return Refusal("at_capacity", f"The server is full: it takes {most} calls at a time.", CLOSE_BUSY)
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
        journal = StoredJournal(
            self._writer,
            claimed.call_id,
            claimed.organization_id,
            is_sqlite=self._is_sqlite,
            keep_content=not claimed.assistant.gdpr_mode,
        )
        plan = web_call_plan(
            claimed.call_id,
            claimed.organization_id,
            claimed.assistant,
            claimed.variables,
            self._recording_path(claimed),
        )
        task = asyncio.get_running_loop().create_task(self._run(plan, line, journal))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _recording_path(self, claimed: ClaimedCall) -> Path | None:
        if not may_record(claimed.assistant, recording=self._settings.recording):
            return None
        path = recording_path(claimed.call_id, datetime.now(UTC))
        self._writer.put(update(Call).where(Call.id == claimed.call_id).values(recording=path), must=True)
        return self._settings.data_dir / path

    async def _run(self, plan: CallPlan, line: Line, journal: Journal) -> None:
        try:
            await self._engine.run(plan, line, self._vendors, journal)
        except Exception:
            logger.exception("call %s broke the engine", plan.call_id)
            journal.ended(Ending("error", "The server failed to run the call.", now(), 0))
            await line.close("error")

    def refuse(self) -> None:
        """Take no more callers."""
        self._stopping = True

    def end_all(self) -> None:
        """Tell every call to end because the server stops."""
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
