"""Many requests for assistants at the same moment: they share statements, and nobody's rows or changes get mixed."""

import asyncio
from typing import Any

import httpx

ASSISTANTS = "/api/v1/assistants"
ROUNDS = 10


async def made(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(ASSISTANTS, json={"name": "A", **fields})
    assert answer.status_code == 201, answer.text
    assistant: dict[str, Any] = answer.json()["assistant"]
    return assistant


async def test_who_asks_at_the_same_moment_sees_only_its_own(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    own = [await made(client, name=f"Own {index}") for index in range(12)]
    foreign = await made(other_client, name="Foreign")
    clients = {0: client, 1: other_client}
    asked = [(who, one) for one in (*own, foreign, own[0]) for who in clients] * 2
    answers = await asyncio.gather(*(clients[who].get(f"{ASSISTANTS}/{one['id']}") for who, one in asked))
    for (who, one), answer in zip(asked, answers, strict=True):
        if (who == 1) is (one is foreign):
            assert answer.json() == {"assistant": one}
        else:
            assert answer.status_code == 404, answer.text


async def test_changes_at_the_same_moment_are_all_kept(client: httpx.AsyncClient) -> None:
    tool = {"type": "function", "name": "book", "description": "Books.", "server": {"secret": "first"}}
    assistant = await made(client)
    path = f"{ASSISTANTS}/{assistant['id']}"
    for index in range(ROUNDS):
        before = (await client.get(path)).json()["assistant"]["updated_at"]
        wanted: list[dict[str, Any]] = [
            {"name": f"Name {index}"},
            {"first_message": f"Hello {index}"},
            {"max_duration_seconds": 100 + index},
            {"speech_config": {"end_call_message": f"Bye {index}"}},
            {"llm_config": {"provider": "openai", "model": "gpt-5.4", "temperature": index / 10, "tools": [tool]}},
        ]
        answers = await asyncio.gather(*(client.patch(path, json=change) for change in wanted))
        assert [answer.status_code for answer in answers] == [200] * len(wanted)
        after = (await client.get(path)).json()["assistant"]
        for change in wanted[:-1]:
            assert {name: after[name] for name in change} == change
        assert after["llm_config"]["temperature"] == index / 10
        told = [answer.json()["assistant"]["updated_at"] for answer in answers]
        assert len(set(told)) == len(told), "each change has a moment of its own"
        assert max(told) == after["updated_at"]
        assert min(told) > before


async def test_a_deleted_assistant_is_not_changed(client: httpx.AsyncClient) -> None:
    for _ in range(ROUNDS):
        path = f"{ASSISTANTS}/{(await made(client))['id']}"
        changed, deleted = await asyncio.gather(client.patch(path, json={"name": "B"}), client.delete(path))
        assert deleted.status_code == 200
        assert changed.status_code in (200, 404)
        assert (await client.patch(path, json={"name": "C"})).status_code == 404
