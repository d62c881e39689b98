"""The five operations: what goes in comes out, what is not given stays, and nobody sees another's assistants."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "reference.json").read_text())
MASK = "********"
ASSISTANTS = "/api/v1/assistants"


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(ASSISTANTS, json={"name": "Reception", **fields})
    assert answer.status_code == 201, answer.text
    assistant: dict[str, Any] = answer.json()["assistant"]
    return assistant


FULL: dict[str, Any] = {
    "name": "Front desk",
    "business_name": "Clinic",
    "notification_email": "desk@clinic.example",
    "notification_emails": ["one@clinic.example", "two@clinic.example"],
    "first_message": "Clinic, good morning.",
    "is_active": False,
    "max_duration_seconds": 14400,
    "autonomous_silence_handling": True,
    "silence_timeout_seconds": 2.5,
    "voicemail_detection": True,
    "voicemail_message": "Please call back.",
    "gdpr_mode": True,
    "recording_consent": {"enabled": True, "message": "Press one to agree."},
    "webhook_url": "https://clinic.example/hook?x=1",
    "webhook_events": ["status-update", "end-of-call-report"],
    "analysis_plan": {
        "structured_data_plan": {
            "enabled": True,
            "schema": {"type": "object", "properties": {"reason": {"type": "string"}}},
            "messages": [{"role": "user", "content": "{{transcript}}"}],
        },
        "min_messages_threshold": 3,
        "success_evaluation": {"enabled": True, "rubric": "checklist", "prompt": "A day was agreed."},
    },
    "stt_config": {
        "provider": "deepgram",
        "model": "nova-3",
        "language": "multi",
        "keyterms": ["ibuprofen"],
        "smart_format": True,
        "endpointing": 300,
        "numerals": False,
        "filler_words": True,
        "utterance_end_ms": 1000,
        "no_delay": True,
    },
    "llm_config": {
        "provider": "openai",
        "model": "gpt-4.1",
        "temperature": 0,
        "max_completion_tokens": 32768,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi {{name}}"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "book", "description": "Books", "parameters": {"type": "object"}},
                "server": {"url": "https://clinic.example/book"},
                "async": True,
            },
            {
                "name": "look-up",
                "description": "Looks up",
                "url": "http://clinic.example",
                "message": "One moment.",
                "async_response": "Later.",
                "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
            },
            {
                "name": "order",
                "description": "Changes an order",
                "url": "https://clinic.example/orders/{{n}}",
                "method": "PATCH",
                "query": {"source": "phone", "n": "{{n}}", "tags": ["a", 1, True]},
                "body": {"caller": "{{caller_number}}", "deep": [{"n": "{{n}}"}, None]},
                "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
            },
            {"type": "endCall"},
            {"type": "sendDtmf"},
            {
                "type": "transfer_call",
                "destinations": [
                    {"type": "number", "number": "+31201234567", "description": "Nurse", "message": "Wait."},
                    {"type": "number", "number": "sip:desk@pbx.example", "description": "Desk", "mode": "warm"},
                ],
            },
            {
                "type": "mcp",
                "mcp_server_id": "11111111-2222-4333-8444-555555555555",
                "allowed_tools": ["a", "b"],
                "required": False,
            },
        ],
    },
    "tts_config": {
        "provider": "elevenlabs",
        "voice_id": "abc",
        "model": "eleven_multilingual_v2",
        "stability": 0,
        "similarity_boost": 1,
        "style": 0.5,
        "use_speaker_boost": False,
        "speed": 2,
        "apply_text_normalization": "off",
        "apply_language_text_normalization": True,
        "language": "nl",
    },
    "speech_config": {
        "turn_taking": {
            "endpointing_min_delay": 0.1,
            "endpointing_max_delay": 5,
            "interruption_min_duration": 2,
            "interruption_min_words": 10,
            "false_interruption_timeout": None,
        },
        "pronunciation": [{"from": "Dr.", "to": "doctor"}, {"from": "x", "to": ""}],
        "background_audio": {"enabled": True, "clip": "crowded_room", "volume": 0.05},
        "silence": {
            "messages": ["Still there?"],
            "final_message": "Bye.",
            "first_check_seconds": 60,
            "interval_seconds": 3,
            "max_attempts": 10,
        },
        "keypad": {"terminator": None, "timeout_seconds": 30, "max_digits": 1, "interrupts": False},
        "end_call_message": "Goodbye.",
        "first_message_outbound": "This is the clinic.",
        "early_message": "This call costs nothing.",
        "end_call_phrases": ["have a nice day"],
    },
    "postcall_stt": {"provider": "elevenlabs", "model": "scribe_v2", "language": "nl"},
    "postcall_llm": {"provider": "google", "model": "gemini-2.5-flash"},
}
"""Every field that can be set, each with a value at the edge of its range where it has one."""


async def test_every_field_is_kept_as_given(client: httpx.AsyncClient) -> None:
    made = await client.post(ASSISTANTS, json={**FULL, "webhook_secret": "s3cret"})
    assert made.status_code == 201, made.text
    assert "X-Ignored-Fields" not in made.headers
    read = (await client.get(f"{ASSISTANTS}/{made.json()['assistant']['id']}")).json()["assistant"]
    assert read == made.json()["assistant"]
    assert {name: read[name] for name in FULL} == FULL
    assert read["webhook_secret"] == MASK
    assert set(read) == {*FULL, "id", "webhook_secret", "created_at", "updated_at"}


async def test_a_name_is_enough(client: httpx.AsyncClient) -> None:
    made = await create(client)
    assert made["stt_config"] == {"provider": "local", "model": "auto", "language": "en"}
    assert made["tts_config"] == {"provider": "local", "model": "auto", "voice_id": "en"}
    assert made["llm_config"]["provider"] == "local"
    assert made["llm_config"]["temperature"] == 0.7
    expected = {"is_active": True, "silence_timeout_seconds": 8, "max_duration_seconds": None, "gdpr_mode": False}
    assert {name: made[name] for name in expected} == expected


async def test_the_reference_object_is_taken_and_given_back(client: httpx.AsyncClient) -> None:
    made = await create(client)
    answer = await client.patch(f"{ASSISTANTS}/{made['id']}", json=REFERENCE)
    assert answer.status_code == 200, answer.text
    read = answer.json()["assistant"]
    own = {"id": made["id"], "webhook_secret": MASK}
    times = {name: read[name] for name in ("created_at", "updated_at")}
    assert {name: read[name] for name in REFERENCE} == {**REFERENCE, **own, **times}
    assert answer.headers["X-Ignored-Fields"] == "webhook_events[0]"


@pytest.mark.parametrize("fields", [FULL, REFERENCE], ids=["full", "reference"])
async def test_sending_back_what_was_read_changes_nothing(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    made = await create(client, **fields)
    answer = await client.patch(f"{ASSISTANTS}/{made['id']}", json=made)
    assert answer.status_code == 200, answer.text
    assert answer.json()["assistant"] == made


async def test_a_change_leaves_the_rest_alone_and_replaces_blocks_whole(client: httpx.AsyncClient) -> None:
    made = await create(client, **FULL)
    path = f"{ASSISTANTS}/{made['id']}"
    assert (await client.patch(path, json={})).json()["assistant"] == made
    block = {"provider": "xai", "voice_id": "eve"}
    changed = (await client.patch(path, json={"tts_config": block, "name": "Night desk"})).json()["assistant"]
    assert changed["tts_config"] == block
    assert changed["name"] == "Night desk"
    same = set(made) - {"tts_config", "name", "updated_at"}
    assert {name: changed[name] for name in same} == {name: made[name] for name in same}
    assert changed["updated_at"] >= made["updated_at"]


NULLABLE = [
    "business_name",
    "notification_email",
    "notification_emails",
    "first_message",
    "max_duration_seconds",
    "voicemail_message",
    "recording_consent",
    "webhook_url",
    "webhook_secret",
    "webhook_events",
    "analysis_plan",
    "speech_config",
    "postcall_stt",
    "postcall_llm",
]


async def test_null_clears_what_can_be_empty(client: httpx.AsyncClient) -> None:
    made = await create(client, **FULL, webhook_secret="s3cret")
    answer = await client.patch(f"{ASSISTANTS}/{made['id']}", json=dict.fromkeys(NULLABLE))
    assert answer.status_code == 200, answer.text
    cleared = answer.json()["assistant"]
    assert {name: cleared[name] for name in NULLABLE} == dict.fromkeys(NULLABLE)
    emptied = await client.patch(f"{ASSISTANTS}/{made['id']}", json={"voicemail_detection": None, "tts_config": None})
    assert emptied.json()["assistant"]["voicemail_detection"] is False
    assert emptied.json()["assistant"]["tts_config"]["provider"] == "local"


REQUIRED = [
    "name",
    "is_active",
    "autonomous_silence_handling",
    "silence_timeout_seconds",
    "gdpr_mode",
    "llm_config",
]


async def test_null_is_refused_where_nothing_can_be_empty(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    made = await create(client, **FULL)
    path = f"{ASSISTANTS}/{made['id']}"
    for name in REQUIRED:
        with subtests.test(name=name):
            answer = await client.patch(path, json={name: None})
            assert answer.status_code == 400
            assert answer.json()["details"][0].startswith(f"{name}: must ")
    assert (await client.get(path)).json()["assistant"] == made


async def test_null_is_the_deployments_default_for_speech(client: httpx.AsyncClient) -> None:
    made = await create(client, **FULL)
    cleared = await client.patch(f"{ASSISTANTS}/{made['id']}", json={"stt_config": None, "tts_config": None})
    assert cleared.status_code == 200, cleared.text
    for block in ("stt_config", "tts_config"):
        assert cleared.json()["assistant"][block]["provider"] == "local"
    assert (await create(client, stt_config=None))["stt_config"]["provider"] == "local"


async def test_a_realtime_model_needs_no_other_vendors(client: httpx.AsyncClient) -> None:
    block = {"provider": "openai_live", "model": "gpt-live-1"}
    made = await create(client, llm_config=block)
    assert (made["stt_config"], made["tts_config"], made["llm_config"]) == (None, None, block)
    assert (await client.patch(f"{ASSISTANTS}/{made['id']}", json=made)).json()["assistant"] == made
    voiced = await client.post(ASSISTANTS, json={"name": "x", "llm_config": block, "tts_config": FULL["tts_config"]})
    assert voiced.json()["assistant"]["tts_config"] is None
    assert voiced.headers["X-Ignored-Fields"] == "tts_config"
    text_again = await client.patch(f"{ASSISTANTS}/{made['id']}", json={"llm_config": FULL["llm_config"]})
    assert text_again.json()["assistant"]["tts_config"]["provider"] == "local"
    assert text_again.json()["assistant"]["stt_config"]["provider"] == "local"


async def test_unknown_fields_are_ignored_and_named(client: httpx.AsyncClient) -> None:
    llm = {"provider": "openai", "model": "gpt-5.4", "temprature": 1, "voice": 5}
    body = {"name": "x", "colour": 1, "a,b\r\nX: 1": 2, "speech_config": {"silence": {"foo": 1}}, "llm_config": llm}
    answer = await client.post(ASSISTANTS, json=body)
    assert answer.status_code == 201
    named = set(answer.headers["X-Ignored-Fields"].split(", "))
    assert named == {"colour", "a?b??X??1", "speech_config.silence.foo", "llm_config.temprature"}
    assert answer.json()["assistant"]["llm_config"] == {"provider": "openai", "model": "gpt-5.4", "voice": 5}
    assert answer.json()["assistant"]["speech_config"] == {"silence": {}}


async def test_lists_are_newest_first_and_agents_are_assistants(client: httpx.AsyncClient) -> None:
    made = [await create(client, name=f"number {index}") for index in range(3)]
    by_time = sorted(made, key=lambda one: (one["created_at"], one["id"]), reverse=True)
    assert (await client.get(ASSISTANTS)).json() == {"assistants": by_time}
    assert (await client.get("/api/v1/agents")).json() == {"assistants": by_time}
    agent = f"/api/v1/agents/{made[0]['id']}"
    assert (await client.get(agent)).json() == {"assistant": made[0]}
    assert (await client.patch(agent, json={"first_message": "Hi"})).json()["assistant"]["first_message"] == "Hi"
    assert (await client.post("/api/v1/agents", json={"name": "new"})).status_code == 201
    assert (await client.delete(agent)).json() == {"success": True}


async def test_a_deleted_assistant_is_gone(client: httpx.AsyncClient) -> None:
    made = await create(client)
    path = f"{ASSISTANTS}/{made['id']}"
    deleted = await client.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {"success": True})
    for answer in (await client.get(path), await client.patch(path, json={}), await client.delete(path)):
        assert answer.status_code == 404
    assert (await client.get(ASSISTANTS)).json() == {"assistants": []}


async def test_another_organizations_assistant_is_an_unknown_one(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    made = await create(client)
    path = f"{ASSISTANTS}/{made['id']}"
    unknown = (await other_client.get(f"{ASSISTANTS}/{uuid.uuid4()}")).json()
    for answer in (
        await other_client.get(path),
        await other_client.patch(path, json={"name": "mine"}),
        await other_client.delete(path),
    ):
        assert (answer.status_code, answer.json()) == (404, unknown)
    assert (await other_client.get(ASSISTANTS)).json() == {"assistants": []}
    assert (await client.get(path)).json() == {"assistant": made}


async def test_an_id_that_is_none_is_unknown(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for bad_id in ("1", "null", "%00", "a" * 5000, "..%2f", "{11111111-2222-4333-8444-555555555555}x"):
        with subtests.test(bad_id=bad_id[:40]):
            answer = await client.get(f"{ASSISTANTS}/{bad_id}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_secrets_are_stored_encrypted_shown_masked_and_kept(
    client: httpx.AsyncClient, app: FastAPI, organization_id: str
) -> None:
    tool = {
        "name": "f",
        "description": "d",
        "server": {"url": "https://x.example", "secret": "tool-secret-value"},
    }
    nested = {
        "type": "function",
        "function": {"name": "g"},
        "headers": {"Authorization": "header-secret-value", "X-Key": "key-secret-value"},
    }
    llm = {"provider": "openai", "model": "gpt-5.4", "tools": [{"type": "end_call"}, tool, nested]}
    made = await create(client, llm_config=llm, webhook_secret="hook-secret-value")
    assert made["llm_config"]["tools"][1]["server"]["secret"] == MASK
    assert made["llm_config"]["tools"][2]["headers"] == {"Authorization": MASK, "X-Key": MASK}
    async with app.state.parts.database.read() as session:
        stored = str((await session.execute(text("SELECT * FROM assistants"))).all())
    assert "secret-value" not in stored
    reordered = {**made["llm_config"], "tools": list(reversed(made["llm_config"]["tools"]))}
    reordered["tools"][0]["headers"] = {"authorization": MASK, "X-Key": "new-secret-value"}
    await client.patch(f"{ASSISTANTS}/{made['id']}", json={"webhook_secret": MASK, "llm_config": reordered})
    resolved = await app.state.parts.assistants.resolve(organization_id, made["id"])
    assert resolved.webhook_secret == "hook-secret-value"
    assert resolved.llm_config["tools"][0]["headers"] == {
        "authorization": "header-secret-value",
        "X-Key": "new-secret-value",
    }
    assert resolved.llm_config["tools"][1]["server"]["secret"] == "tool-secret-value"
    assert "secret-value" not in repr(resolved)
    assert "secret-value" not in repr(resolved.public)


async def test_a_mask_without_a_stored_secret_is_refused(client: httpx.AsyncClient) -> None:
    tool = {
        "name": "f",
        "description": "d",
        "server": {"url": "https://x.example", "secret": MASK},
        "headers": {"X-Key": MASK},
    }
    body = {
        "name": "x",
        "webhook_secret": MASK,
        "llm_config": {"provider": "openai", "model": "gpt-5.4", "tools": [tool]},
    }
    details = (await client.post(ASSISTANTS, json=body)).json()["details"]
    assert [detail.partition(":")[0] for detail in details] == [
        "webhook_secret",
        "llm_config.tools[0].server.secret",
        "llm_config.tools[0].headers.X-Key",
    ]
