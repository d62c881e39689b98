"""A house whose phone calls leave all that calls can leave, and whose nights come when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection

from dialtone.calls.inbound import Acceptance
from dialtone.conversation.journal import TurnLatency
from dialtone.lines.base import Line
from dialtone.platform.db import now
from dialtone.platform.forwarding import Forwarding
from dialtone.settings import Settings
from tests.calls.conftest import FakeLine, House, RunningCall, build_house
from tests.calls.dialing import Exchange, exchange_of
from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.upgrades.stored import Rows, stored

CALLER = "+31623731537"
LIKE_CALLER = "+31687654337"
"""Another number that is masked alike."""
OTHER = "+491701234567"
CALLED = "+31209876543"
WORDS = "Pomegranate"
"""Is in all that the caller says."""
SUMMARY = "The caller wants a pomegranate pie."


@dataclass
class Clock:
    passed: timedelta = timedelta()

    def __call__(self) -> datetime:
        return now() + self.passed


@dataclass
class Practice:
    house: House
    exchange: Exchange
    receiver: WebhookReceiver
    clock: Clock
    replies: list[Reply] = field(default_factory=list)
    """What the model answers, one after the other; then the summary for ever."""

    async def request(self, method: str, path: str, status: int = 200, key: str | None = None, **more: Any) -> Any:
        async with self.house.client(key) as client:
            answer = await client.request(method, f"/api/v1{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def assistant(self, **fields: Any) -> str:
        llm = {"provider": "openai", "model": "gpt-5.4-mini"}
        body = {"name": "Ada", "webhook_url": self.receiver.url, "llm_config": llm, **fields}
        return str((await self.request("POST", "/assistants", 201, json=body))["assistant"]["id"])

    async def live_call(self, caller: str = CALLER, **fields: Any) -> tuple[str, RunningCall]:
        """A call with that caller, in which all was said already."""
        metadata = {"order": f"{WORDS} pie"}
        call_id = await self.exchange.place(
            assistant_id=await self.assistant(**fields), destination=caller, metadata=metadata
        )
        running = await self.exchange.answered(await self.exchange.dialer.attempt(), FakeLine())
        running.journal.message("assistant", "Hello.")
        running.journal.message("user", f"{WORDS}, please.")
        running.journal.note("the model refused: pomegranate")
        running.journal.turn(TurnLatency(400, 100, 200, 100, 20, 820))
        if running.plan.recording_path is not None:
            running.plan.recording_path.parent.mkdir(parents=True, exist_ok=True)
            running.plan.recording_path.write_bytes(b"RIFF")
        return call_id, running

    async def forwarded_call(self, forwarded_from: Sequence[Forwarding], **fields: Any) -> tuple[str, RunningCall]:
        """A call of somebody else that comes in by way of others."""
        number = {"phone_number": CALLED, "assistant_id": await self.assistant(**fields)}
        await self.request("POST", "/numbers", 201, json=number)
        number = await self.house.app.state.parts.numbers.for_inbound(CALLED)
        assert number is not None
        decision = await self.house.room.inbound.decide(number, OTHER, tuple(forwarded_from))
        assert isinstance(decision, Acceptance)
        await self.house.room.calls.create_inbound_call(decision.call, decision.number, ())
        live = self.house.room.started()
        live.reserve()
        live.take(decision.call, _picked_up(), OTHER, CALLED, ())
        async with asyncio.timeout(5):
            running = await self.house.engine.arrived.get()
        running.journal.message("user", f"{WORDS}, please.")
        return decision.call.call_id, running

    async def call(self, caller: str = CALLER, **fields: Any) -> str:
        """A call that is over and reported, if its webhook takes it."""
        call_id, running = await self.live_call(caller, **fields)
        await self.hang_up(running)
        await self.settled("after-call")
        return call_id

    async def hang_up(self, running: RunningCall) -> None:
        """End the only live call, and have its end written down."""
        running.end("user_hangup")
        await self.exchange.over()
        await self.house.room.flush()

    async def settled(self, *kinds: str) -> None:
        """Wait until no job of these kinds is left to do now."""
        await self.house.room.flush()
        await self.until(lambda rows: not any(job["kind"] in kinds for job in rows["jobs"].values()))

    async def until(self, condition: Any) -> Rows:
        """The database's rows, once they fulfil a condition."""
        async with asyncio.timeout(20):
            while True:
                rows = await self.rows()
                if condition(rows):
                    return rows
                await asyncio.sleep(0.02)

    async def rows(self) -> Rows:
        async with self.house.database.engine.connect() as connection:
            return await connection.run_sync(_stored)

    async def record(self, call_id: str, key: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = await self.request("GET", f"/calls/{call_id}", key=key)
        return found

    async def retain(self, content: int, metadata: int) -> None:
        periods = {"content_retention_days": content, "metadata_retention_days": metadata}
        await self.request("PATCH", "/organizations", json=periods)

    async def nights(self, days: float) -> None:
        """Let so much time pass at once, and wait until the nightly work is done."""
        before = _nightly(await self.rows())
        self.pass_time(days=days)
        await self.until(lambda rows: _nightly(rows) and before.isdisjoint(_nightly(rows)))
        await self.settled("retention-of", f"delete-recordings.{self.house.room.calls._node}")

    def pass_time(self, **time: float) -> None:
        self.clock.passed += timedelta(**time)
        self.house.app.state.parts.jobs.wake()

    async def erased(self, caller: str = CALLER, key: str | None = None) -> dict[str, Any]:
        """The erasure of a caller, done."""
        body = {"phone_number": caller}
        erasure = (await self.request("POST", "/privacy/erase", 202, key, json=body))["erasure"]
        assert (erasure["status"], erasure["finished_at"]) == ("running", None)
        async with asyncio.timeout(20):
            while erasure["status"] != "done":
                await asyncio.sleep(0.02)
                erasure = (await self.request("GET", f"/privacy/erasures/{erasure['id']}", key=key))["erasure"]
        await self.settled(f"delete-recordings.{self.house.room.calls._node}")
        return dict(erasure)

    async def audit_log(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await self.request("GET", "/audit-log"))["audit_log"]
        return lines

    def recordings(self) -> list[Path]:
        return list((self.house.settings.data_dir / "recordings").rglob("*.wav"))


async def _picked_up() -> Line:
    return FakeLine()


def _stored(connection: Connection) -> Rows:
    return stored(connection)


def _nightly(rows: Rows) -> set[Any]:
    """The nightly job that waits."""
    jobs = rows["jobs"].items()
    return {key for key, job in jobs if (job["kind"], job["state"]) == ("retention", "waiting")}


@pytest.fixture
async def practice(settings: Settings) -> AsyncIterator[Practice]:
    """On both databases."""
    replies: list[Reply] = []
    chat = FakeOpenAIChat(lambda _: replies.pop(0) if replies else Reply(SUMMARY))
    async with chat, WebhookReceiver() as receiver:
        changes: dict[str, Any] = {
            "allow_private_addresses": True,
            "openai_base_url": chat.url,
            "openai_api_key": SecretStr("sk-of-the-deployment"),
        }
        house, clock = build_house(settings.model_copy(update=changes)), Clock()
        parts = house.app.state.parts
        parts.jobs._clock = parts.jobs._runner._clock = parts.privacy.retention._clock = clock
        async with house.app.router.lifespan_context(house.app):
            try:
                yield Practice(house, await exchange_of(house), receiver, clock, replies)
            finally:
                house.engine.end_calls("server_shutdown")
