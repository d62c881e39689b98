"""The calls room on both databases, with an engine of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from dialtone.calls.room import CallsRoom
from dialtone.conversation.control import Command, not_in_progress
from dialtone.conversation.journal import Ending, EndReason, Journal
from dialtone.conversation.plan import CallPlan
from dialtone.conversation.preparation import Preparation
from dialtone.conversation.shared import Shared
from dialtone.conversation.speech_cache import SpeechCache
from dialtone.conversation.vendors import VendorChoice
from dialtone.lines.base import Line, LineEvent, LineHandler
from dialtone.lines.second_leg import SecondLegs
from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.media.clock import MediaClock
from dialtone.organizations.service import Organizations
from dialtone.platform.db import Database
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors
from dialtone.server import create_app
from dialtone.settings import Settings

TRANSIENT = {
    "name": "Ada",
    "first_message": "Hello {{first_name}}.",
    "llm_config": {"provider": "openai", "model": "gpt-5.4"},
    "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
    "tts_config": {"provider": "elevenlabs", "voice_id": "v", "model": "eleven_flash_v2_5"},
}


class FakeLine:
    """A line whose far end does nothing."""

    audio: AudioFormat = PCM_16K
    can_transfer = False
    can_send_dtmf = False
    ticked = None

    def __init__(self) -> None:
        self.closed: list[str] = []

    def attach(self, handler: LineHandler) -> None: ...

    def send_audio(self, frame: bytes) -> None: ...

    def send_mark(self, name: str) -> None: ...

    def send_dtmf(self, key: str) -> None: ...

    def clear_audio(self) -> None: ...

    def publish(self, event: LineEvent) -> None: ...

    async def transfer(self, destination: str) -> None: ...

    async def connect(self, other: Line) -> None: ...

    async def close(self, end_reason: str) -> None:
        self.closed.append(end_reason)


@dataclass
class RunningCall:
    plan: CallPlan
    vendors: Vendors
    journal: Journal
    over: asyncio.Future[tuple[EndReason, str | None]]
    legs: SecondLegs

    def end(self, reason: EndReason, error: str | None = None) -> None:
        if not self.over.done():
            self.over.set_result((reason, error))


def no_vendors() -> Any:
    raise ProviderError("nobody", "there is no vendor")


@dataclass
class FakeEngine:
    """Runs each call until the test ends it."""

    calls: list[RunningCall] = field(default_factory=list)
    commands: list[tuple[str, Command]] = field(default_factory=list)
    arrived: "asyncio.Queue[RunningCall]" = field(default_factory=asyncio.Queue)
    broken: bool = False
    stopped: int = 0

    def prepare(self, plan: CallPlan, audio: AudioFormat, vendors: Vendors, journal: Journal) -> Preparation:
        shared = Shared(MediaClock(), None, None, SpeechCache(Path("/nonexistent")))  # type: ignore[arg-type]
        prepared = Preparation(plan, VendorChoice(no_vendors, no_vendors, no_vendors), audio, shared, journal.note)
        prepared.begin()
        return prepared

    async def announcement(
        self, text: str, language: str | None, audio: AudioFormat, vendors: Vendors, *, keep: bool
    ) -> bytes:
        raise ProviderError("nobody", "there is no voice")

    async def run(
        self,
        plan: CallPlan,
        line: Line,
        vendors: Vendors,
        journal: Journal,
        legs: SecondLegs | None = None,
        prepared: Preparation | None = None,
    ) -> None:
        if prepared is not None:
            await prepared.close()
        if self.broken:
            raise RuntimeError("no engine")
        journal.answered(datetime.now(UTC))
        if plan.recording_path is not None:
            journal.recording_began()
        assert legs is not None
        call = RunningCall(plan, vendors, journal, asyncio.get_running_loop().create_future(), legs)
        self.calls.append(call)
        self.arrived.put_nowait(call)
        reason, error = await call.over
        await line.close(reason)
        journal.ended(Ending(reason, error, datetime.now(UTC), 7))

    def command(self, call_id: str, command: Command) -> None:
        if not any(call.plan.call_id == call_id and not call.over.done() for call in self.calls):
            raise not_in_progress()
        self.commands.append((call_id, command))

    def end_calls(self, reason: EndReason, error: str | None = None) -> None:
        for call in self.calls:
            call.end(reason, error)

    async def stop(self) -> None:
        self.stopped += 1


@dataclass
class House:
    """A started calls room and its surroundings."""

    room: CallsRoom
    engine: FakeEngine
    database: Database
    app: FastAPI
    organizations: Organizations
    settings: Settings
    key: str

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://dialtone.test",
            headers={"Authorization": f"Bearer {key or self.key}"},
        )

    async def create(self, **body: Any) -> dict[str, Any]:
        """A web call through the API."""
        async with self.client() as client:
            answer = await client.post("/api/v1/web-calls", json=body or {"assistant": TRANSIENT})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def begin(self, **body: Any) -> tuple[str, RunningCall, FakeLine]:
        """A call that runs."""
        created = await self.create(**body)
        admission = await self.room._claim(created["token"], PCM_16K)
        assert not hasattr(admission, "message"), admission
        line = FakeLine()
        before = len(self.engine.calls)
        admission.start(line)  # type: ignore[union-attr]
        await asyncio.sleep(0)
        assert len(self.engine.calls) == before + 1
        return created["call_id"], self.engine.calls[-1], line

    async def get(self, call_id: str) -> dict[str, Any]:
        """A call as the API shows it, once everything told so far is written."""
        await self.room.flush()
        async with self.client() as client:
            answer = await client.get(f"/api/v1/calls/{call_id}")
        assert answer.status_code == 200, answer.text
        call: dict[str, Any] = answer.json()
        return call


def build_house(settings: Settings) -> House:
    """The whole server with the test's engine, not started."""
    app = create_app(settings)
    parts, engine = app.state.parts, FakeEngine()
    parts.calls._make_engine = lambda: engine
    assert settings.api_key is not None
    key = settings.api_key.get_secret_value()
    return House(parts.calls, engine, parts.database, app, parts.organizations, settings, key)


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    house = build_house(settings)
    async with house.app.router.lifespan_context(house.app):
        try:
            yield house
        finally:
            house.engine.end_calls("server_shutdown")


@pytest.fixture
async def calls_house(settings: Settings) -> AsyncIterator[House]:
    """On both databases."""
    async with open_house(settings) as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """On SQLite alone, for what does not depend on the database."""
    async with open_house(
        Settings(data_dir=tmp_path / "data", api_key=SecretStr("fl_test_of_the_calls_room"))
    ) as opened:
        yield opened
