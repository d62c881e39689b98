"""Web calls: who gets a token, and what a token opens."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from dialtone.calls.tables import Call, WebCallToken
from dialtone.lines.websocket.door import Admission, Refusal
from dialtone.media.audio import PCM_16K
from dialtone.platform.db import now
from tests.calls.conftest import TRANSIENT, FakeLine, House


async def _stored_assistant(house: House, **fields: Any) -> str:
    from dialtone.assistants.schemas import AssistantCreate
    from dialtone.organizations.tables import Organization

    async with house.database.read() as session:
        organization_id = await session.scalar(select(Organization.id))
    assert organization_id is not None
    created, _ = await house.room.calls._assistants.create(
        organization_id, AssistantCreate.model_validate({**TRANSIENT, **fields})
    )
    return str(created["id"])


@pytest.mark.parametrize("path", ["/api/v1/web-calls", "/v1/web-calls"])
async def test_a_token_and_where_to_take_it(calls_house: House, path: str) -> None:
    assistant_id = await _stored_assistant(calls_house)
    async with calls_house.client() as client:
        answer = await client.post(path, json={"assistant_id": assistant_id, "metadata": {"order": 7}})
    assert answer.status_code == 201
    created = answer.json()
    assert created["token"].startswith("wc_")
    assert created["server_url"] == "ws://dialtone.test/api/v1/web-calls/stream"
    assert created["expires_at"].endswith("Z")
    call = await calls_house.get(created["call_id"])
    assert call["status"] == "connecting"
    assert call["direction"] == "web"
    assert call["assistant_id"] == call["agent_id"] == assistant_id
    assert call["assistant_name"] == call["agent_name"] == "Ada"
    assert call["metadata"] == {"order": 7}
    assert call["caller_phone"] is call["assistant_phone"] is call["phone_number"] is None
    assert (call["messages"], call["latency"], call["recording_url"]) == ([], [], None)


@pytest.mark.parametrize(
    "body",
    [
        lambda assistant_id: {"agent_id": assistant_id},
        lambda assistant_id: {"assistant_id": assistant_id, "agent_config": {"first_message": "Other."}},
        lambda _: {"agent": TRANSIENT},
    ],
)
async def test_older_names_are_taken(house: House, body: Any) -> None:
    assistant_id = await _stored_assistant(house)
    given = body(assistant_id)
    _, running, _ = await house.begin(**given)
    expected = "Other." if "agent_config" in given else "Hello {{first_name}}."
    assert running.plan.first_message == expected
    assert running.plan.assistant_id == (None if "agent" in given else assistant_id)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "assistant_id is required, unless assistant gives a whole assistant"),
        ({"assistant": TRANSIENT, "assistant_id": "x"}, 400, "assistant can't be combined with assistant_id"),
        ({"assistant": TRANSIENT, "assistant_override": {}}, 400, "assistant can't be combined with"),
        ({"assistant": {"name": "Ada"}}, 400, "assistant.llm_config: is required"),
        (
            {"assistant_id": "00000000-0000-4000-8000-000000000000"},
            404,
            "assistant_id: must be the id of one of your assistants",
        ),
        ({"assistant_id": 7}, 400, "assistant_id: must be a string (got 7)"),
        ({"assistant": TRANSIENT, "variables": {"a": 1}}, 400, "variables.a: must be a string (got 1)"),
        ({"assistant": TRANSIENT, "metadata": {"x": "y" * 20_000}}, 400, "metadata: must be at most 16384 bytes"),
    ],
)
async def test_wrong_requests_are_told_what_is_wrong(
    house: House, body: dict[str, Any], status: int, words: str
) -> None:
    async with house.client() as client:
        answer = await client.post("/api/v1/web-calls", json=body)
    assert answer.status_code == status
    assert words in answer.text.replace("\\u", "\\u")
    assert set(answer.json()) <= {"error", "code", "message", "details"}


async def test_an_override_is_checked_before_a_token_is_given(house: House) -> None:
    assistant_id = await _stored_assistant(house)
    body = {
        "assistant_id": assistant_id,
        "assistant_override": {"llm_config": {"provider": "openai", "model": "gpt-5.4", "temperature": 7}},
    }
    async with house.client() as client:
        answer = await client.post("/api/v1/web-calls", json=body)
    assert answer.status_code == 400
    assert "llm_config.temperature: must be between 0 and 2 (got 7)" in answer.text


async def test_an_inactive_assistant_takes_no_calls(house: House) -> None:
    assistant_id = await _stored_assistant(house, is_active=False)
    async with house.client() as client:
        answer = await client.post("/api/v1/web-calls", json={"assistant_id": assistant_id})
    assert answer.status_code == 409
    assert answer.json()["code"] == "assistant_inactive"


async def test_fields_without_effect_are_named(house: House) -> None:
    async with house.client() as client:
        answer = await client.post("/api/v1/web-calls", json={"assistant": {**TRANSIENT, "colour": 1}, "color": "red"})
    assert answer.status_code == 201
    assert answer.headers["X-Ignored-Fields"] == "color, assistant.colour"


async def test_no_key_no_token(house: House) -> None:
    async with house.client("fl_live_wrong") as client:
        answer = await client.post("/api/v1/web-calls", json={"assistant": TRANSIENT})
    assert answer.status_code == 401


async def test_anothers_assistant_is_unknown(calls_house: House) -> None:
    assistant_id = await _stored_assistant(calls_house)
    _, key = await calls_house.organizations.create("Another")
    async with calls_house.client(key) as client:
        answer = await client.post("/api/v1/web-calls", json={"assistant_id": assistant_id})
    assert answer.status_code == 404


async def test_of_many_who_use_one_token_one_gets_in(calls_house: House) -> None:
    created = await calls_house.create()
    outcomes = await asyncio.gather(*(calls_house.room._claim(created["token"], PCM_16K) for _ in range(8)))
    admitted = [outcome for outcome in outcomes if isinstance(outcome, Admission)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert [admission.call_id for admission in admitted] == [created["call_id"]]
    assert {refusal.code for refusal in refused} == {"invalid_token"}
    assert "used before" in refused[0].message
    admitted[0].start(FakeLine())


async def test_the_token_is_stored_as_a_hash_and_the_request_encrypted(house: House) -> None:
    created = await house.create(assistant={**TRANSIENT, "webhook_secret": "very-secret-words"})
    async with house.database.read() as session:
        stored = (await session.scalars(select(WebCallToken))).one()
    assert created["token"] not in stored.hash + stored.request
    assert "very-secret-words" not in stored.request


async def test_an_expired_token_fails_its_call(calls_house: House) -> None:
    created = await calls_house.create()
    async with calls_house.database.write() as session:
        await session.execute(update(WebCallToken).values(expires_at=now() - timedelta(seconds=1)))
    refusal = await calls_house.room._claim(created["token"], PCM_16K)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "token_expired"
    call = await calls_house.get(created["call_id"])
    assert (call["status"], call["end_reason"]) == ("failed", "no_answer")
    assert call["error"] == "The web call's token expired before it was used."


async def test_calls_nobody_came_to_fail(calls_house: House) -> None:
    old, fresh = await calls_house.create(), await calls_house.create()
    long_ago = now() - timedelta(minutes=5)
    async with calls_house.database.write() as session:
        await session.execute(update(Call).where(Call.id == old["call_id"]).values(created_at=long_ago))
        await session.execute(
            update(WebCallToken).where(WebCallToken.call_id == old["call_id"]).values(expires_at=long_ago)
        )
    await calls_house.room.calls.fail_unused()
    assert (await calls_house.get(old["call_id"]))["status"] == "failed"
    assert (await calls_house.get(fresh["call_id"]))["status"] == "connecting"
    assert isinstance(await calls_house.room._claim(old["token"], PCM_16K), Refusal)
    admission = await calls_house.room._claim(fresh["token"], PCM_16K)
    assert isinstance(admission, Admission)
    admission.start(FakeLine())


async def test_an_assistant_changed_meanwhile_is_told_and_recorded(house: House) -> None:
    assistant_id = await _stored_assistant(house)
    created = await house.create(assistant_id=assistant_id)
    async with house.database.read() as session:
        organization_id = await session.scalar(select(Call.organization_id))
    assert organization_id is not None
    await house.room.calls._assistants.delete(organization_id, assistant_id)
    refusal = await house.room._claim(created["token"], PCM_16K)
    assert isinstance(refusal, Refusal)
    assert refusal.message == "There is no assistant with this id."
    call = await house.get(created["call_id"])
    assert (call["status"], call["end_reason"], call["error"]) == ("failed", "error", refusal.message)
