"""Calls over Twilio's media streams through everything: webhooks, TwiML, the stream, engine, records."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.twilio import FakeTwilio
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.whole.carriers import (
    ANSWER,
    CALLER,
    GREETING,
    NUMBER,
    QUESTION,
    carrier_house,
    make_account,
    make_number,
    only_call,
)
from tests.whole.house import SPEECH, WholeHouse

ACCOUNT, TOKEN = "AC" + "0123456789abcdef" * 2, "auth token of the account".replace(" ", "-")
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("migrated_url"))


@asynccontextmanager
async def twilio_house(
    tmp_path: Path, database_url: str | None = None, **settings: Any
) -> AsyncIterator[tuple[WholeHouse, FakeTwilio]]:
    """A house with an account at Twilio."""
    async with FakeTwilio(ACCOUNT, TOKEN) as twilio:
        urls = {"twilio_base_url": twilio.url}
        async with carrier_house(tmp_path, urls, database_url, **settings) as house:
            await make_account(house, "twilio", TOKEN, account_sid=ACCOUNT)
            yield house, twilio


async def test_a_caller_talks_with_the_assistant_and_hangs_up(
    tmp_path: Path, database_url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER)])
    async with twilio_house(tmp_path, database_url, chat=chat) as (house, twilio), WebhookReceiver() as receiver:
        number = await make_number(house, "twilio", webhook_url=receiver.url)
        assert number["carrier_url"] == f"{house.url}/carriers/twilio/voice"
        call = await twilio.ring(number["carrier_url"], CALLER, NUMBER)
        await call.until_quiet()
        call.forget()
        call.speak(SPEECH)
        await call.until_heard(0.8)
        await call.hang_up()
        record = await only_call(house)
        await receiver.until(4)
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "inbound", "user_hangup")
    assert (record["caller_phone"], record["assistant_phone"]) == (CALLER, NUMBER)
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]
    assert record["recording_url"] is not None
    assert [received.event for received in receiver.received] == [
        "assistant-request",
        "status-update",
        "status-update",
        "end-of-call-report",
    ]
    assert call.statuses == [200]
    for private in (CALLER, QUESTION, TOKEN, ACCOUNT):
        assert private not in caplog.text
