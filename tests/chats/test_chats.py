"""Chat messages: kept in the order in which they came, listed by contact, each organization only its own."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dialtone.chats import service

CHATS = "/api/v1/chats"
CONTACT = "+31201234567"
Client = httpx.AsyncClient


async def keep(client: Client, content: str = "Hello", **fields: Any) -> dict[str, Any]:
    body = {"contact_id": CONTACT, "channel": "whatsapp", "role": "user", "content": content, **fields}
    answer = await client.post(CHATS, json=body)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()
    return message


async def listed(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.get(CHATS, params={"contact_id": CONTACT, **query})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert page.keys() == {"messages", "pagination"}
    return page


async def new_assistant(client: Client) -> str:
    answer = await client.post("/api/v1/assistants", json={"name": "Ada"})
    assistant_id: str = answer.json()["assistant"]["id"]
    return assistant_id


async def test_a_message_is_kept_as_it_was_given(client: Client) -> None:
    assistant_id = await new_assistant(client)
    metadata = {"reply_to": None, "nested": {"list": [1, 2.5, "\u00e9"]}}
    message = await keep(client, "Héllo\nthere", agent_id=assistant_id.upper(), metadata=metadata)
    assert uuid.UUID(message["id"])
    assert message.pop("created_at").endswith("Z")
    assert message == {
        "id": message["id"],
        "agent_id": assistant_id,
        "assistant_id": assistant_id,
        "contact_id": CONTACT,
        "channel": "whatsapp",
        "role": "user",
        "content": "Héllo\nthere",
        "metadata": metadata,
    }
    plain = await keep(client)
    assert (plain["agent_id"], plain["metadata"]) == (None, {})
    by_alias = await keep(client, assistant_id=assistant_id)
    assert by_alias["agent_id"] == assistant_id
    assert (await listed(client))["messages"][0] == by_alias


async def test_messages_outlive_their_assistant(client: Client) -> None:
    assistant_id = await new_assistant(client)
    await keep(client, agent_id=assistant_id)
    assert (await client.delete(f"/api/v1/assistants/{assistant_id}")).status_code == 200
    assert (await listed(client))["messages"][0]["agent_id"] == assistant_id


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"contact_id": None}, "contact_id: must be a string"),
        ({"contact_id": ""}, "contact_id: must have at least 1 characters"),
        ({"contact_id": "x" * 256}, "contact_id: must have at most 255 characters"),
        ({"contact_id": "a\nb"}, "contact_id: must not hold control characters"),
        ({"channel": "what's up"}, "channel: must be letters, digits"),
        ({"channel": "x" * 33}, "channel: must have at most 32 characters"),
        ({"role": "user\nassistant"}, "role: must be letters, digits"),
        ({"role": 7}, "role: must be a string"),
        ({"content": ""}, "content: must have at least 1 characters"),
        ({"content": "x" * 20_001}, "content: must have at most 20000 characters (got 20001 characters)"),
        ({"metadata": []}, "metadata: must be an object"),
        ({"metadata": {"x": "é" * 9000}}, "metadata: must have at most 16384 bytes as JSON"),
        ({"agent_id": "not-an-id"}, "agent_id: must be the id of an assistant of your organization"),
        ({"assistant_id": str(uuid.uuid4())}, "assistant_id: must be the id of an assistant of your organization"),
        ({"agent_id": str(uuid.uuid4()), "assistant_id": str(uuid.uuid4())}, "body: agent_id and assistant_id must"),
    ],
)
@pytest.mark.parametrize("database_url", [None])
async def test_bad_messages_are_refused(
    client: Client, fields: dict[str, Any], detail: str, database_url: None
) -> None:
    body = {"contact_id": CONTACT, "channel": "whatsapp", "role": "user", "content": "Hello", **fields}
    answer = await client.post(CHATS, json=body)
    assert answer.status_code == 400
    assert answer.json()["details"][0].startswith(detail)
    assert (await listed(client))["pagination"]["total"] == 0


async def test_messages_are_listed_newest_first_page_by_page(client: Client) -> None:
    kept = [await keep(client, str(number)) for number in range(7)]
    await keep(client, "of somebody else", contact_id="other")
    page = await listed(client, limit=3)
    assert page["messages"] == kept[:3:-1]
    assert page["pagination"] == {"total": 7, "limit": 3, "offset": 0}
    rest = await listed(client, limit=3, offset=5)
    assert rest["messages"] == [kept[1], kept[0]]
    assert rest["pagination"] == {"total": 7, "limit": 3, "offset": 5}
    assert (await listed(client, offset=100))["messages"] == []
    assert (await listed(client))["pagination"]["limit"] == 100


async def test_messages_of_the_same_moment_keep_their_order(client: Client, app: FastAPI) -> None:
    for number in range(20):
        await keep(client, str(number))
    async with app.state.parts.database.write() as session:
        await session.execute(text("UPDATE chat_messages SET created_at = (SELECT min(created_at) FROM chat_messages)"))
    pages = [(await listed(client, limit=7, offset=offset))["messages"] for offset in (0, 7, 14)]
    assert [message["content"] for page in pages for message in page] == [str(number) for number in range(19, -1, -1)]


async def test_lists_are_narrowed_by_channel_and_assistant(client: Client) -> None:
    assistant_id = await new_assistant(client)
    await keep(client, "one", channel="sms")
    await keep(client, "two", agent_id=assistant_id)
    await keep(client, "three", channel="sms", agent_id=assistant_id)

    async def contents(**query: Any) -> list[str]:
        page = await listed(client, **query)
        assert page["pagination"]["total"] == len(page["messages"])
        return [message["content"] for message in page["messages"]]

    assert await contents(channel="sms") == ["three", "one"]
    assert await contents(agent_id=assistant_id) == ["three", "two"]
    assert await contents(assistant_id=assistant_id, channel="sms") == ["three"]
    assert await contents(agent_id=str(uuid.uuid4())) == []
    assert await contents(agent_id="not-an-id") == []


@pytest.mark.parametrize(
    "query",
    [
        *("", "contact_id=", "contact_id=a%00b", "contact_id=a&limit=0", "contact_id=a&limit=501"),
        *("contact_id=a&offset=-1", "contact_id=a&offset=99999999999", "contact_id=a&limit=ten"),
        "contact_id=a&channel=%00",
    ],
)
@pytest.mark.parametrize("database_url", [None])
async def test_bad_queries_are_refused(client: Client, query: str, database_url: None) -> None:
    answer = await client.get(f"{CHATS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]
    assert (await client.get(f"{CHATS}/context?contact_id=a&limit=201")).status_code == 400
    assert (await client.get(f"{CHATS}/context")).status_code == 400


async def test_the_context_is_the_latest_messages_as_a_text(client: Client) -> None:
    assistant_id = await new_assistant(client)
    await keep(client, "Too long ago.")
    first = await keep(client, "Are you open on Sunday?", agent_id=assistant_id)
    await keep(client, "Unrelated.")
    second = await keep(client, "Yes,\nfrom nine.", role="assistant", channel="web", agent_id=assistant_id)
    answer = await client.get(f"{CHATS}/context", params={"contact_id": CONTACT, "agent_id": assistant_id})
    assert answer.json() == {
        "contact_id": CONTACT,
        "agent_id": assistant_id,
        "assistant_id": assistant_id,
        "messages": [first, second],
        "formatted": "USER: Are you open on Sunday?\nASSISTANT: Yes,\nfrom nine.",
    }
    latest = (await client.get(f"{CHATS}/context", params={"contact_id": CONTACT, "limit": 1})).json()
    assert (latest["messages"], latest["agent_id"]) == ([second], None)
    nobody = (await client.get(f"{CHATS}/context", params={"contact_id": "nobody"})).json()
    assert (nobody["messages"], nobody["formatted"]) == ([], "")


async def test_a_message_is_deleted(client: Client) -> None:
    one, two = await keep(client, "one"), await keep(client, "two")
    assert (await client.delete(f"{CHATS}/{one['id']}")).json() == {"success": True}
    assert (await listed(client))["messages"] == [two]
    for unknown in (one["id"], str(uuid.uuid4()), "not-an-id"):
        answer = await client.delete(f"{CHATS}/{unknown}")
        assert answer.status_code == 404
    await keep(client, "three")
    assert [message["content"] for message in (await listed(client))["messages"]] == ["three", "two"]


async def test_messages_of_other_organizations_are_out_of_reach(client: Client, other_client: Client) -> None:
    message = await keep(client)
    assert (await listed(other_client))["pagination"]["total"] == 0
    foreign = await other_client.delete(f"{CHATS}/{message['id']}")
    unknown = await other_client.delete(f"{CHATS}/{uuid.uuid4()}")
    assert (foreign.status_code, foreign.json()) == (404, unknown.json())
    body = {"contact_id": CONTACT, "channel": "web", "role": "user", "content": "x"}
    theirs = await other_client.post(CHATS, json={**body, "agent_id": await new_assistant(client)})
    assert theirs.status_code == 400
    assert (await listed(client))["messages"] == [message]


async def test_messages_that_come_at_once_are_all_kept(client: Client) -> None:
    await asyncio.gather(*(keep(client, str(number)) for number in range(20)))
    messages = (await listed(client))["messages"]
    assert {message["content"] for message in messages} == {str(number) for number in range(20)}
    moments = [message["created_at"] for message in messages]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("limit", ["MAX_MESSAGES", "MAX_MESSAGES_OF_CONTACT"])
async def test_messages_are_limited(client: Client, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(service, limit, 2)
    first = await keep(client)
    await keep(client)
    body = {"contact_id": CONTACT, "channel": "web", "role": "user", "content": "x"}
    for _ in range(2):
        answer = await client.post(CHATS, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_messages")
    assert (await listed(client))["pagination"]["total"] == 2
    await client.delete(f"{CHATS}/{first['id']}")
    await keep(client)
