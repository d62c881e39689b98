"""Addresses to which nothing would ever be sent are refused when they are saved."""

from typing import Any

import httpx
import pytest

from dialtone.settings import Settings
from tests.calls.conftest import TRANSIENT, open_house

REFUSED = {
    "http://127.0.0.1/": "must not lead to the non-public address 127.0.0.1",
    "http://localhost:9000/hook": "must not lead to this machine itself",
    "http://10.1.2.3/": "must not lead to the non-public address",
    "https://192.168.1.5/": "must not lead to the non-public address",
    "http://169.254.169.254/latest/meta-data": "must not lead to the non-public address",
    "http://[::1]/": "must not lead to the non-public address",
    "http://[fe80::1]/": "must not lead to the non-public address",
    "http://[::ffff:127.0.0.1]/": "must not lead to the non-public address",
    "http://2130706433/": "must spell an address as four decimal numbers",
    "http://0x7f000001/": "must spell an address as four decimal numbers",
    "http://017700000001/": "must spell an address as four decimal numbers",
    "http://127.1/": "must spell an address as four decimal numbers",
    "https://user:password@example.com/": "must not contain a user name or password",
}
ADDRESSES = pytest.mark.parametrize(("url", "words"), REFUSED.items())
TOOL = {"name": "look_up", "description": "Looks up"}


def _llm(tool: dict[str, Any]) -> dict[str, Any]:
    return {"llm_config": {"provider": "openai", "model": "gpt-5.4", "tools": [{**TOOL, **tool}]}}


def _is_refused(answer: httpx.Response, path: str, words: str) -> bool:
    details = answer.json().get("details", [])
    return answer.status_code == 400 and any(one.startswith(f"{path}: {words}") for one in details)


@ADDRESSES
async def test_of_an_assistant_and_its_tools(client: httpx.AsyncClient, url: str, words: str) -> None:
    for fields, path in (
        ({"webhook_url": url}, "webhook_url"),
        (_llm({"url": url}), "llm_config.tools[0].url"),
        (_llm({"server": {"url": url}}), "llm_config.tools[0].server.url"),
    ):
        answer = await client.post("/api/v1/assistants", json={"name": "x", **fields})
        assert _is_refused(answer, path, words), answer.text
    created = (await client.post("/api/v1/assistants", json={"name": "x"})).json()["assistant"]
    changed = await client.patch(f"/api/v1/assistants/{created['id']}", json={"webhook_url": url})
    assert _is_refused(changed, "webhook_url", words)


@ADDRESSES
async def test_of_what_is_given_for_one_call(client: httpx.AsyncClient, url: str, words: str) -> None:
    created = (await client.post("/api/v1/assistants", json={"name": "x"})).json()["assistant"]
    body = {"assistant_id": created["id"], "assistant_override": {"webhook_url": url}}
    assert _is_refused(await client.post("/api/v1/web-calls", json=body), "assistant_override.webhook_url", words)
    body = {"assistant": {**TRANSIENT, "webhook_url": url}}
    assert _is_refused(await client.post("/api/v1/web-calls", json=body), "assistant.webhook_url", words)


@ADDRESSES
async def test_of_the_account(client: httpx.AsyncClient, url: str, words: str) -> None:
    answer = await client.patch("/api/v1/organizations", json={"webhook_url": url})
    assert _is_refused(answer, "webhook_url", words), answer.text


@ADDRESSES
async def test_of_a_tool_template(client: httpx.AsyncClient, url: str, words: str) -> None:
    for config, path in (({"url": url}, "tool_config.url"), ({"server": {"url": url}}, "tool_config.server.url")):
        body = {"name": "look_up", "tool_type": "function", "tool_config": config}
        answer = await client.post("/api/v1/tool-templates", json=body)
        assert _is_refused(answer, path, words), answer.text


async def test_what_was_saved_while_it_was_allowed_can_be_read_and_sent_back(settings: Settings) -> None:
    private = "http://127.0.0.1:9000/hook"
    async with (
        open_house(settings.model_copy(update={"allow_private_addresses": True})) as house,
        house.client() as all_,
    ):
        body = {"name": "x", "webhook_url": private, **_llm({"url": private})}
        created = await all_.post("/api/v1/assistants", json=body)
        assert created.status_code == 201, created.text
        assert (await all_.patch("/api/v1/organizations", json={"webhook_url": private})).status_code == 200
    async with open_house(settings) as house, house.client() as public:
        assistant = created.json()["assistant"]
        path = f"/api/v1/assistants/{assistant['id']}"
        again = await public.patch(path, json=assistant)
        assert (again.status_code, again.json()["assistant"]) == (200, assistant)
        assert (await public.patch("/api/v1/organizations", json={"webhook_url": private})).status_code == 200
        other = await public.patch(path, json={"webhook_url": f"{private}/other"})
        assert _is_refused(other, "webhook_url", "must not lead to the non-public address 127.0.0.1")
