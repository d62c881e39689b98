"""What strangers send: every refusal is the flat object with the right status, and nothing ever crashes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY

ASSISTANTS = "/api/v1/assistants"
JSON = {"Content-Type": "application/json"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, _no_settings_from_outside: None) -> AsyncIterator[FastAPI]:
    """One server for all: these tests are about HTTP, so SQLite is enough."""
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), api_key=API_KEY))
    async with app.router.lifespan_context(app):
        yield app


def flat(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert set(body) <= {"error", "code", "message", "details"}
    assert isinstance(body["error"], str)
    return body


NOT_JSON = [
    (b"", "The body is empty"),
    (b" \n", "The body is empty"),
    (b"{", "line 1, column 2"),
    (b"[]", "must be a JSON object"),
    (b'"text"', "must be a JSON object"),
    (b'{"name": "\xff"}', "not UTF-8: invalid byte at position 10"),
    (b'{"name": "x", "name": "y"}', 'key "name" is given twice'),
    (b'{"name": NaN}', "NaN is not a number"),
    (b'{"name": -Infinity}', "-Infinity is not a number"),
    (b'{"name": 1e400}', "too large"),
    (b'{"name": ' + b"1" * 5000 + b"}", "too large"),
    (b'{"name": "a\\u0000b"}', "U+0000"),
    (b'{"a\\u0000b": 1}', "U+0000"),
    (b'{"name": "\\ud800"}', "surrogate"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "more than 64 levels"),
    (b'{"a":' + b"[" * 100_000, "more than 64 levels"),
]
"""Bodies, and words of the message that refuses each."""


async def test_a_body_that_is_not_proper_json(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for body, words in NOT_JSON:
        with subtests.test(body=body[:40]):
            answer = await client.post(ASSISTANTS, content=body, headers=JSON)
            assert words in flat(answer, 400, "invalid_json")["message"]


async def test_a_large_body_is_parsed_like_a_small_one(client: httpx.AsyncClient) -> None:
    body = json.dumps({"name": "x", "first_message": "\0" + "y" * 100_000}).encode()
    assert "U+0000" in flat(await client.post(ASSISTANTS, content=body, headers=JSON), 400, "invalid_json")["message"]


async def test_a_body_that_is_not_declared_as_json(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        with subtests.test(kind=kind):
            answer = await client.post(ASSISTANTS, content=b"{}", headers={"Content-Type": kind})
            flat(answer, 415, "unsupported_media_type")


async def test_json_may_name_its_charset(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await client.post(ASSISTANTS, content=b'{"name": "x"}', headers=headers)).status_code == 201


async def test_an_announced_body_that_is_too_large_is_refused_unread(client: httpx.AsyncClient) -> None:
    answer = await client.post(ASSISTANTS, content=b"x" * (2 * 1024 * 1024 + 1), headers=JSON)
    assert "2097152 bytes" in flat(answer, 413, "body_too_large")["message"]


async def test_a_chunked_body_is_cut_off_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65536

    answer = await client.post(ASSISTANTS, content=endless(), headers=JSON)
    flat(answer, 413, "body_too_large")
    assert sent <= 34


async def test_addresses_and_methods_that_do_not_exist(client: httpx.AsyncClient) -> None:
    flat(await client.get("/nothing"), 404, "not_found")
    flat(await client.put(ASSISTANTS, json={}), 405, "method_not_allowed")


async def test_an_address_that_is_nearly_right_is_told_how_it_goes(client: httpx.AsyncClient) -> None:
    for path, advice in ((f"{ASSISTANTS}/", "Leave out the slash"), ("/assistants", "begin with /api/v1")):
        assert advice in flat(await client.get(path), 404, "not_found")["message"]


async def test_head_is_answered_as_get_is_without_the_body(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/health", ASSISTANTS, f"{ASSISTANTS}/nobody"):
        asked, looked = await client.get(path), await client.head(path)
        assert (looked.status_code, looked.content) == (asked.status_code, b"")
        assert looked.headers["Content-Type"] == asked.headers["Content-Type"]
    refused = await client.head("/api/v1/web-calls")
    assert refused.status_code == 405
    assert "HEAD" not in refused.headers["Allow"]
    assert (await client.delete(ASSISTANTS)).headers["Allow"] == "GET, HEAD, POST"


async def test_a_parameter_of_the_wrong_type_is_told_in_plain_words(client: httpx.AsyncClient) -> None:
    answer = flat(await client.get("/api/v1/calls?limit=many"), 400, "invalid_request")
    assert answer["details"] == ['limit: must be a whole number (got "many")']


async def test_the_key_is_looked_at_before_the_body(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post(ASSISTANTS, content=b"{", headers=JSON)
    assert flat(answer, 401, "unauthorized")["error"] == "Unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


NOT_KEYS = [
    ("Bearer fl_live_wrong", "Invalid API key"),
    ("Bearer sk-other", "Invalid API key"),
    ("Bearer fl_" + "x" * 5000, "Invalid API key"),
    ("Bearer", "Unauthorized"),
    ("Basic Zm9vOmJhcg==", "Unauthorized"),
    ("fl_test_of_the_first_organization", "Unauthorized"),
]


async def test_keys_that_are_not_valid(anonymous: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for header, error in NOT_KEYS:
        with subtests.test(header=header[:40]):
            answer = await anonymous.get(ASSISTANTS, headers={"Authorization": header})
            assert flat(answer, 401, "unauthorized")["error"] == error


async def test_a_crash_tells_nothing(app: FastAPI, api_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(app.state.parts.assistants, "list_all", crash)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialtone.test") as client:
        answer = await client.get(ASSISTANTS, headers={"Authorization": f"Bearer {api_key}"})
    assert flat(answer, 500, "internal_error") == {"error": "Internal server error", "code": "internal_error"}


async def test_a_lost_database_is_a_passing_trouble(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OperationalError("SELECT secret", None, ConnectionRefusedError())

    monkeypatch.setattr(app.state.parts.assistants, "list_all", fail)
    answer = await client.get(ASSISTANTS)
    assert "secret" not in str(flat(answer, 503, "database_unavailable"))
    assert answer.headers["Retry-After"] == "5"


async def test_a_refused_value_is_shown_short_and_a_secret_never(client: httpx.AsyncClient) -> None:
    body = {"name": "x", "webhook_url": "no" * 500, "webhook_secret": ["hidden"], "is_active": "y" * 9}
    details = flat(await client.post(ASSISTANTS, json=body), 400, "invalid_request")["details"]
    assert "hidden" not in str(details)
    assert max(map(len, details)) < 200
    assert 'is_active: must be true or false (got "yyyyyyyyy")' in details


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
_llm = st.fixed_dictionaries(
    {"provider": st.sampled_from(["openai", "local", "xai_realtime", "google_realtime", "openai_live"]) | _values},
    optional=dict.fromkeys(
        ("model", "temperature", "messages", "turn_detection", "provider_tools", "delegation", "voice"), _values
    )
    | {
        "tools": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "type": st.sampled_from(["end_call", "transfer_call", "mcp", "function"]) | _values,
                    "name": _values,
                    "description": _values,
                    "function": _values,
                    "parameters": st.dictionaries(
                        st.sampled_from(["type", "properties", "required", "$ref", "items"]), _values, max_size=3
                    ),
                    "server": _values,
                    "destinations": _values,
                    "allowed_tools": _values,
                },
            ),
            max_size=3,
        )
        | _values
    },
)
_bodies = st.fixed_dictionaries(
    {"name": st.text(min_size=1, max_size=10) | _values},
    optional={
        "llm_config": _llm | _values,
        **dict.fromkeys(
            (
                "stt_config",
                "tts_config",
                "speech_config",
                "analysis_plan",
                "recording_consent",
                "webhook_events",
                "webhook_url",
                "webhook_secret",
                "notification_emails",
                "silence_timeout_seconds",
                "max_duration_seconds",
                "postcall_llm",
                "created_at",
            ),
            _values,
        ),
    },
)


async def test_no_body_ever_crashes_the_server(client: httpx.AsyncClient) -> None:
    collected: list[dict[str, Any]] = []

    @given(_bodies)
    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def collect(body: dict[str, Any]) -> None:
        collected.append(body)

    collect()
    for body in collected:
        answer = await client.post(ASSISTANTS, json=body)
        assert answer.status_code in (201, 400), (body, answer.text)
        if answer.status_code == 400:
            assert answer.json()["code"] in ("invalid_request", "invalid_json")
