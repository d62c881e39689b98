"""The assistant of one call: stored, overridden block by block, or given whole."""

import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.platform.errors import ApiError
from tests.assistants.test_objects import ASSISTANTS, FULL, create


class Resolving:
    """Resolves for one organization."""

    def __init__(self, app: FastAPI, organization_id: str) -> None:
        self._parts = app.state.parts
        self._organization_id = organization_id

    async def __call__(self, *arguments: Any) -> ResolvedAssistant:
        resolved: ResolvedAssistant = await self._parts.assistants.resolve(self._organization_id, *arguments)
        return resolved

    async def refused(self, *arguments: Any) -> ApiError:
        with pytest.raises(ApiError) as raised:
            await self(*arguments)
        return raised.value


@pytest.fixture
def resolve(app: FastAPI, organization_id: str) -> Resolving:
    return Resolving(app, organization_id)


async def test_a_stored_assistant_is_whole(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client, **FULL, webhook_secret="s3cret")
    resolved = await resolve(made["id"])
    assert resolved.id == made["id"]
    assert resolved.webhook_secret == "s3cret"
    assert resolved.webhook_events == {"status-update", "end-of-call-report"}
    assert resolved.notification_emails == ("desk@clinic.example", "one@clinic.example", "two@clinic.example")
    assert resolved.pronunciation == (("Dr.", "doctor"), ("x", ""))
    assert resolved.turn_taking.false_interruption_timeout is None
    assert resolved.first_check_seconds == 60
    assert resolved.end_call_phrases == ("have a nice day",)
    assert resolved.llm_config["tools"] == FULL["llm_config"]["tools"]
    shown = {name: value for name, value in made.items() if name not in ("created_at", "updated_at")}
    assert resolved.public == shown


async def test_a_change_is_heeded_from_the_next_call_on(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client, first_message="Good morning.")
    assert (await resolve(made["id"])).first_message == "Good morning."
    for message in ("Good afternoon.", "Good evening."):
        answer = await client.patch(f"{ASSISTANTS}/{made['id']}", json={"first_message": message})
        assert answer.status_code == 200
        assert (await resolve(made["id"])).first_message == message
    assert (await client.delete(f"{ASSISTANTS}/{made['id']}")).status_code == 200
    assert (await resolve.refused(made["id"])).status == 404


async def test_what_an_assistant_leaves_open_has_defaults(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client, llm_config={"provider": "mistral", "model": "mistral-small-latest"})
    resolved = await resolve(made["id"])
    assert resolved.max_duration_seconds == 3600
    assert resolved.first_check_seconds == 8
    assert resolved.turn_taking.endpointing_min_delay == 0.4
    assert resolved.webhook_events == {"assistant-request", "tool-calls", "status-update", "end-of-call-report"}
    assert resolved.llm_config["temperature"] == 0.7
    assert (resolved.llm_config["messages"], resolved.llm_config["tools"]) == ([], [])
    assert resolved.postcall_llm == {"provider": "mistral", "model": "mistral-medium-latest"}


async def test_an_override_replaces_whole_blocks_for_one_call(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client, **FULL)
    override = {"first_message": "Hi", "speech_config": {}, "metadata": {"order": 7}, "colour": 1}
    resolved = await resolve(made["id"], override)
    assert resolved.first_message == "Hi"
    assert resolved.first_check_seconds == FULL["silence_timeout_seconds"]
    assert resolved.name == FULL["name"]
    assert resolved.metadata == {"order": 7}
    assert resolved.public["metadata"] == {"order": 7}
    assert resolved.ignored == ("assistant_override.colour",)
    assert (await resolve(made["id"])).first_message == FULL["first_message"]


async def test_an_override_is_checked_like_a_change(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client, **FULL)
    refused = await resolve.refused(made["id"], {"tts_config": {"voice_id": "x"}, "llm_config": {"provider": "openai"}})
    assert refused.status == 400
    assert [detail.partition(": ")[0] for detail in refused.details or ()] == [
        "assistant_override.llm_config.model",
        "assistant_override.tts_config.provider",
    ]


async def test_a_transient_assistant_must_be_whole(resolve: Resolving) -> None:
    blocks = {name: FULL[name] for name in ("stt_config", "llm_config", "tts_config")}
    resolved = await resolve(None, None, {**blocks, "webhook_secret": "s3cret"})
    assert (resolved.id, resolved.webhook_secret, resolved.realtime) == (None, "s3cret", False)
    missing = await resolve.refused(None, None, {"llm_config": FULL["llm_config"]})
    assert missing.details == [
        "assistant.stt_config: is required with a text model",
        "assistant.tts_config: is required with a text model",
    ]
    assert (await resolve.refused(None, None, {})).details == ["assistant.llm_config: is required"]
    live = await resolve(None, None, {"llm_config": {"provider": "openai_live", "model": "gpt-live-1"}})
    assert (live.realtime, live.stt_config, live.tts_config) == (True, None, None)
    assert live.llm_config["voice"] == "marin"
    assert live.postcall_llm == {"provider": "openai", "model": "gpt-5.4-mini"}


async def test_one_way_to_name_the_assistant(client: httpx.AsyncClient, resolve: Resolving) -> None:
    made = await create(client)
    assert (await resolve.refused()).status == 400
    assert (await resolve.refused(made["id"], None, {"llm_config": {}})).status == 400
    assert (await resolve.refused(None, {"first_message": "x"}, {"llm_config": {}})).status == 400
    assert (await resolve.refused(str(uuid.uuid4()))).status == 404


async def test_another_organizations_assistant_cannot_take_a_call(
    other_client: httpx.AsyncClient, resolve: Resolving
) -> None:
    theirs = await create(other_client)
    assert (await resolve.refused(theirs["id"])).status == 404


async def test_headers_of_tools_are_open_for_the_call_and_masked_in_what_it_shows(
    client: httpx.AsyncClient, resolve: Resolving
) -> None:
    tool = {
        "name": "order",
        "description": "Looks up an order",
        "url": "https://shop.example/{{call_id}}",
        "method": "GET",
        "headers": {"Authorization": "Bearer secret-value"},
    }
    block = {"provider": "openai", "model": "gpt-5.4", "tools": [tool]}
    made = await create(client, llm_config=block)
    whole = {"llm_config": block, "stt_config": made["stt_config"], "tts_config": made["tts_config"]}
    renamed = {**made["llm_config"], "temperature": 0}
    for arguments in ((made["id"],), (made["id"], {"llm_config": renamed}), (None, None, whole)):
        resolved = await resolve(*arguments)
        assert resolved.llm_config["tools"] == [tool]
        assert resolved.public["llm_config"]["tools"] == [{**tool, "headers": {"Authorization": "********"}}]
        assert "secret-value" not in repr(resolved)
    error = await resolve.refused(
        None, None, {**whole, "llm_config": {**block, "tools": [{**tool, "headers": {"Host": "x"}}]}}
    )
    assert error.details == ["assistant.llm_config.tools[0].headers: must not hold Host, which the server itself sets"]
