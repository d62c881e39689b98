"""A calls house whose language model, mail server and customer's server are fakes on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from dialtone.conversation.journal import Ending
from dialtone.platform.db import now
from dialtone.providers.use import VendorUse
from dialtone.settings import Settings
from tests.calls.conftest import House, build_house
from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.smtp import FakeSmtp
from tests.fakes.webhook_receiver import WebhookReceiver

SAID = [
    ("assistant", "Luigi's, good evening."),
    ("user", "A table for four tomorrow, my name is Zoë."),
    ("assistant", "It is booked. Goodbye."),
]
SUMMARY = "Zoë booked a table for four."


@dataclass
class Clock:
    passed: timedelta = timedelta()

    def __call__(self) -> datetime:
        return now() + self.passed


@dataclass
class Office:
    """A house in which calls are examined once they are over."""

    house: House
    receiver: WebhookReceiver
    smtp: FakeSmtp
    clock: Clock
    chat: FakeOpenAIChat
    replies: list[Reply] = field(default_factory=list)
    """What the model answers, one after the other; then the summary for ever."""

    async def assistant(self, **fields: Any) -> str:
        llm = {"provider": "openai", "model": "gpt-5.4-mini"}
        body = {"name": "Ada", "webhook_url": self.receiver.url, "webhook_events": ["end-of-call-report"]}
        async with self.house.client() as client:
            answer = await client.post("/api/v1/assistants", json={**body, "llm_config": llm, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["assistant"]["id"])

    async def call(self, said: list[tuple[Any, str]] | None = None, **fields: Any) -> str:
        """The id of a call that is over."""
        call_id, call, _ = await self.house.begin(assistant_id=await self.assistant(**fields))
        for role, content in SAID if said is None else said:
            call.journal.message(role, content)
        call.end("user_hangup")
        return call_id

    async def report(self) -> dict[str, Any]:
        """The report of the only call."""
        return (await self.receiver.until(1))[0].message

    def pass_time(self, seconds: float) -> None:
        self.clock.passed += timedelta(seconds=seconds)
        self.house.app.state.parts.jobs.wake()

    async def waits_again(self, kind: str, words: str = "") -> str:
        """Why the only job of this kind is to be run again, once it is, in these words."""
        query = text("SELECT reason FROM jobs WHERE kind = :kind AND state = 'waiting' AND reason IS NOT NULL")
        async with asyncio.timeout(20):
            while True:
                async with self.house.database.read() as session:
                    reason = await session.scalar(query, {"kind": kind})
                if reason and words in reason:
                    return str(reason)
                await asyncio.sleep(0.02)

    async def noted(self, call_id: str, words: str) -> dict[str, Any]:
        """The call, once a note on it has these words."""
        async with asyncio.timeout(20):
            while True:
                call = await self.house.get(call_id)
                if words in str(call["notes"]):
                    return call
                await asyncio.sleep(0.02)


def uses_of(plan: Any, duration: int) -> Ending:
    uses = (
        VendorUse("stt", "deepgram", "nova-3", "en", audio_seconds=60),
        VendorUse("llm", "openai", "gpt-5.4-mini", input_tokens=10_000, output_tokens=1000),
        VendorUse("tts", "elevenlabs", "eleven_flash_v2_5", characters=400),
    )
    return Ending("user_hangup", None, now(), duration, uses)


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def office(settings: Settings, more_settings: dict[str, Any]) -> AsyncIterator[Office]:
    """On both databases."""
    replies: list[Reply] = []
    chat = FakeOpenAIChat(lambda _: replies.pop(0) if replies else Reply(SUMMARY))
    async with chat, WebhookReceiver() as receiver, FakeSmtp() as smtp:
        changes: dict[str, Any] = {
            "allow_private_addresses": True,
            "openai_base_url": chat.url,
            "openai_api_key": SecretStr("sk-of-the-deployment"),
            "smtp_url": SecretStr(f"smtp://mailer:mail%20secret@127.0.0.1:{smtp.port}?starttls=off"),
            "mail_from": "Dialtone <calls@dialtone.example>",
        }
        house, clock = build_house(settings.model_copy(update={**changes, **more_settings})), Clock()
        parts = house.app.state.parts
        parts.jobs._clock = parts.jobs._runner._clock = clock
        parts.analysis._clock = parts.analysis._mailing._clock = clock
        async with house.app.router.lifespan_context(house.app):
            try:
                yield Office(house, receiver, smtp, clock, chat, replies)
            finally:
                house.engine.end_calls("server_shutdown")
