"""A house whose number is at a carrier, and a carrier that reaches the house at its public address."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.fakes.deepgram import FakeDeepgram, final
from tests.fakes.openai_chat import FakeOpenAIChat
from tests.whole.house import SPEECH_SECONDS, WholeHouse, whole_house

NUMBER, CALLER, DESK = "+31201234567", "+31612345678", "+31207654321"
GREETING, QUESTION, ANSWER = "Hello, this is Ada.", "I would like to book a table", "At eight a table is free."


@asynccontextmanager
async def carrier_house(
    tmp_path: Path, base_urls: Mapping[str, str], database_url: str | None = None, **settings: Any
) -> AsyncIterator[WholeHouse]:
    """A house that knows its address. `base_urls`: of the carriers' APIs, by setting, such as `twilio_base_url`. The
    first thing that its callers say in their calls is the question, unless a `script` says otherwise.
    """
    script = settings.pop("script", [(3.0 + SPEECH_SECONDS, final(QUESTION, 3.0, 2.8 + SPEECH_SECONDS))])
    ears = FakeDeepgram(script)
    port = _free_port()
    known = {"port": port, "public_url": f"http://127.0.0.1:{port}", "byok_to_base_urls": True}
    chat = settings.pop("chat", None) or FakeOpenAIChat()
    async with whole_house(tmp_path, ears, chat, database_url=database_url, **known, **base_urls, **settings) as house:
        yield house


async def make_account(house: WholeHouse, carrier: str, key: str, **config: str) -> None:
    await post(house, "byok", {"provider": carrier, "api_key": key}, 200)
    await post(house, "byok/config", {"provider": carrier, "config": config}, 200)


async def make_number(house: WholeHouse, carrier: str, number: str = NUMBER, **assistant: Any) -> dict[str, Any]:
    """The number's voice URL is in it."""
    assistant_id = await house.create(first_message=GREETING, **assistant)
    body = {"phone_number": number, "assistant_id": assistant_id, "carrier": carrier}
    made: dict[str, Any] = (await post(house, "numbers", body))["number"]
    return made


async def place(house: WholeHouse, destination: str = CALLER, status: int = 200) -> dict[str, Any]:
    async with house.http.get(f"{house.url}/api/v1/assistants") as answered:
        assistant_id = (await answered.json())["assistants"][0]["id"]
    return await post(house, "calls/outbound", {"destination": destination, "assistant_id": assistant_id}, status)


async def post(house: WholeHouse, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
    async with house.http.post(f"{house.url}/api/v1/{path}", json=body) as answered:
        assert answered.status == status, await answered.text()
        document: dict[str, Any] = await answered.json()
        return document


async def only_call(house: WholeHouse) -> dict[str, Any]:
    """The record of the one call that there was, once nothing of it is live."""
    live = house.parts.calls.live
    assert live is not None
    if live._running:
        await asyncio.wait(live._running, timeout=20)
    return await only_call_now(house)


async def only_call_now(house: WholeHouse) -> dict[str, Any]:
    [call] = await all_calls(house)
    return await house.record(call["id"])


async def all_calls(house: WholeHouse) -> list[dict[str, Any]]:
    await house.parts.calls.flush()
    async with house.http.get(f"{house.url}/api/v1/calls") as answered:
        calls: list[dict[str, Any]] = (await answered.json())["calls"]
        return calls


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
