"""A whole call on the keys that an organization brought itself, beside a deployment that has its own."""

from pathlib import Path

import pytest

from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.whole.house import VENDOR_SECRETS, calling, whole_house
from tests.whole.test_whole_calls import GREETING, SPEAKS_AT, ears

OWN = {"openai": "sk-brought-along", "elevenlabs": "el-brought-along"}


async def test_vendors_see_the_organizations_own_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chat = FakeOpenAIChat([Reply("It is booked. Goodbye.", [Call("end_call", "{}")])])
    async with whole_house(tmp_path, ears(), chat, byok_to_base_urls=True) as house:
        for provider, key in OWN.items():
            body = {"provider": provider, "api_key": key}
            async with house.http.post(f"{house.url}/api/v1/byok", json=body) as answer:
                assert answer.status == 200
        assistant = await house.create(
            first_message=GREETING,
            llm_config={"provider": "openai", "model": "gpt-4.1", "tools": [{"type": "end_call"}]},
        )
        async with calling(house, assistant, SPEAKS_AT) as caller:
            await caller.until_over()
        record = await house.ended(caller.call.call_id)
        async with house.http.get(f"{house.url}/api/v1/usage") as answer:
            logs = (await answer.json())["logs"]
    assert (record["status"], record["end_reason"]) == ("ended", "assistant_hangup"), record["error"]
    assert {request.headers["Authorization"] for request in chat.requests} == {f"Bearer {OWN['openai']}"}
    assert {one.headers["xi-api-key"] for one in house.elevenlabs.connections} == {OWN["elevenlabs"]}
    assert {one.headers["Authorization"] for one in house.deepgram.connections} == {
        f"Token {VENDOR_SECRETS['deepgram']}"
    }
    assert [(log["byok_stt"], log["byok_llm"], log["byok_tts"]) for log in logs] == [(False, True, True)]
    for key in OWN.values():
        assert key not in caplog.text
