"""Calls run on the keys that their organization brought, and their records say so."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import update

from dialtone.byok.tables import ProviderKey
from dialtone.lines.websocket.door import Refusal
from dialtone.media.audio import PCM_16K
from tests.calls.conftest import House

BYOK = "/api/v1/byok"


async def bring(client: httpx.AsyncClient, provider: str, key: str) -> None:
    assert (await client.post(BYOK, json={"provider": provider, "api_key": key})).status_code == 200


async def ended_call(house: House) -> tuple[dict[str, Any], dict[str, str]]:
    """The usage log of a call that was held, and the keys that it was held with."""
    call_id, running, _ = await house.begin()
    running.end("user_hangup")
    await asyncio.wait(house.room.live._running)  # type: ignore[union-attr]
    await house.room.flush()
    async with house.client() as client:
        logs = (await client.get("/api/v1/usage")).json()["logs"]
    return next(log for log in logs if log["id"] == call_id), dict(running.vendors.keys)


def own_parts(log: dict[str, Any]) -> tuple[bool, bool, bool]:
    return log["byok_stt"], log["byok_llm"], log["byok_tts"]


async def test_a_call_uses_the_keys_of_its_organization(calls_house: House) -> None:
    other_key = (await calls_house.organizations.create("Another"))[1]
    async with calls_house.client() as client, calls_house.client(other_key) as other:
        log, keys = await ended_call(calls_house)
        assert (own_parts(log), keys) == ((False, False, False), {})
        await bring(other, "deepgram", "of-the-other")
        await bring(client, "openai", "sk-own")
        await bring(client, "elevenlabs", "el-own")
        log, keys = await ended_call(calls_house)
        assert (own_parts(log), keys) == ((False, True, True), {"openai": "sk-own", "elevenlabs": "el-own"})
        await client.request("DELETE", BYOK, json={"provider": "openai"})
        log, keys = await ended_call(calls_house)
        assert (own_parts(log), keys) == ((False, False, True), {"elevenlabs": "el-own"})


async def test_a_running_call_keeps_the_keys_it_began_with(house: House) -> None:
    async with house.client() as client:
        await bring(client, "openai", "sk-first")
        await client.post(
            f"{BYOK}/config", json={"provider": "openai", "config": {"base_url": "https://eu.api.openai.com/v1/"}}
        )
        _, running, _ = await house.begin()
        await bring(client, "openai", "sk-second")
        assert running.vendors.keys["openai"] == "sk-first"
        assert running.vendors.base_urls["openai"] == "https://eu.api.openai.com/v1"
        assert (await house.begin())[1].vendors.keys["openai"] == "sk-second"


async def test_a_key_that_cannot_be_opened_refuses_the_call_in_words(house: House) -> None:
    async with house.client() as client:
        await bring(client, "openai", "sk-own")
    async with house.database.write() as session:
        await session.execute(update(ProviderKey).values(secret="nothing that was ever encrypted"))
    created = await house.create()
    refused = await house.room._claim(created["token"], PCM_16K)
    assert isinstance(refused, Refusal)
    assert refused.code == "assistant_unavailable"
    call = await house.get(created["call_id"])
    assert (call["status"], call["end_reason"]) == ("failed", "error")
    assert call["error"]
