"""Every range, enumeration and limit: the edge is taken, the step beyond is refused with field, rule and value."""

from typing import Any

import pytest
from pydantic import ValidationError

from dialtone.assistants.blocks import MAX_OBJECT_BYTES, Vendors
from dialtone.assistants.preparing import Preparer
from dialtone.assistants.schemas import AssistantCreate
from dialtone.platform.crypto import Secrets
from dialtone.platform.errors import ApiError
from dialtone.platform.problems import validation_details
from dialtone.providers import catalog
from dialtone.settings import Settings

SECRETS = Secrets(["a key"])
NO_VENDORS = Vendors(frozenset(), frozenset())


def details(fields: dict[str, Any], vendors: Vendors = NO_VENDORS) -> list[str]:
    """What is wrong with an assistant of these fields."""
    try:
        Preparer(SECRETS, vendors).prepare(AssistantCreate.model_validate({"name": "x", **fields}))
    except ValidationError as error:
        return validation_details(error.errors())
    except ApiError as error:
        return list(error.details or ())
    return []


def nested(path: str, value: Any) -> Any:
    """`{"a": {"b": value}}` for the path `a.b`."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def block(name: str, **fields: Any) -> dict[str, Any]:
    """A sound config block of a vendor, `stt/deepgram`, with further fields."""
    kind, provider = name.split("/")
    found = catalog.find(kind, provider)  # type: ignore[arg-type]
    assert found is not None
    config: dict[str, Any] = {"provider": provider}
    if found.default_model:
        config["model"] = found.default_model
    if kind == "stt":
        config["language"] = "en"
    if kind == "tts":
        config["voice_id"] = found.default_voice or "some-voice"
    field = kind if kind.startswith("postcall") else f"{kind}_config"
    return {field: config | fields}


RANGES = [
    ("max_duration_seconds", 10, 14400, 1),
    ("silence_timeout_seconds", 1, 120, 0.5),
    ("speech_config.turn_taking.endpointing_max_delay", 0.4, 5, None),
    ("speech_config.turn_taking.interruption_min_duration", 0.05, 2, 0.01),
    ("speech_config.turn_taking.interruption_min_words", 0, 10, 1),
    ("speech_config.turn_taking.false_interruption_timeout", 0.2, 5, 0.01),
    ("speech_config.background_audio.volume", 0.05, 1, 0.01),
    ("speech_config.silence.first_check_seconds", 1, 60, 0.5),
    ("speech_config.silence.interval_seconds", 3, 120, 0.5),
    ("speech_config.silence.max_attempts", 1, 10, 1),
    ("speech_config.keypad.timeout_seconds", 0.5, 30, 0.1),
    ("speech_config.keypad.max_digits", 1, 32, 1),
    ("analysis_plan.min_messages_threshold", 0, 1000, 1),
]


@pytest.mark.parametrize(("path", "low", "high", "step"), RANGES, ids=[row[0] for row in RANGES])
def test_ranges(path: str, low: float, high: float, step: float | None) -> None:
    for value in (low, high):
        assert details(nested(path, value)) == []
    for value in (low - step, high + step) if step else ():
        assert details(nested(path, value)) == [f"{path}: must be between {low} and {high} (got {value})"]
    assert details(nested(path, True))[0].startswith(f"{path}: must be a ")
    assert details(nested(path, "1"))[0].startswith(f"{path}: must be a ")


def test_the_longest_endpointing_delay_is_not_below_the_shortest() -> None:
    path = "speech_config.turn_taking"
    assert details(nested(path, {"endpointing_min_delay": 2, "endpointing_max_delay": 2})) == []
    both = nested(path, {"endpointing_min_delay": 2, "endpointing_max_delay": 1.5})
    words = "must be at least endpointing_min_delay, which is 2.0 (got 1.5)"
    assert details(both) == [f"{path}.endpointing_max_delay: {words}"]
    assert "(got 2.0)" in details(nested(path, {"endpointing_min_delay": 3}))[0]
    assert details(nested(path, {"endpointing_min_delay": 0.05})) == [
        f"{path}.endpointing_min_delay: must be between 0.1 and 5 (got 0.05)"
    ]


BLOCK_RANGES = [
    ("llm/openai", "temperature", 0, 2),
    ("llm/openai", "max_completion_tokens", 1, 32768),
    ("llm/google", "max_completion_tokens", 1, 32768),
    ("llm/google_realtime", "max_output_tokens", 1, 32768),
    ("llm/xai_realtime", "speed", 0.7, 1.5),
    ("stt/deepgram", "utterance_end_ms", 1000, 5000),
    ("tts/elevenlabs", "stability", 0, 1),
    ("tts/elevenlabs", "similarity_boost", 0, 1),
    ("tts/elevenlabs", "style", 0, 1),
    ("tts/elevenlabs", "speed", 0.5, 2),
    ("tts/inworld", "speed", 0.5, 2),
    ("tts/google", "speaking_rate", 0.25, 2),
    ("tts/local", "speed", 0.5, 2),
]


@pytest.mark.parametrize(("name", "field", "low", "high"), BLOCK_RANGES)
def test_ranges_of_vendors(name: str, field: str, low: float, high: float) -> None:
    path = f"{name.split('/', maxsplit=1)[0]}_config.{field}"
    for value in (low, high):
        assert details(block(name, **{field: value})) == []
    for value in (low - 1, high + 1):
        assert details(block(name, **{field: value})) == [f"{path}: must be between {low} and {high} (got {value})"]
    assert details(block(name, **{field: "1"}))[0].startswith(f"{path}: must be a ")


ENUMERATIONS = [
    ("stt/deepgram", "language", "multi", "xx"),
    ("stt/deepgram", "model", "nova-3-general", "nova-2"),
    ("stt/elevenlabs", "sample_rate", 8000, 44100),
    ("stt/gladia", "region", "us-west", "mars"),
    ("stt/local", "model", "sherpa-onnx", "whisper"),
    ("llm/openai", "model", "gpt-4o-mini", "gpt-3"),
    ("llm/local", "model", "demo", "other"),
    ("llm/google_realtime", "voice", "Puck", "ara"),
    ("llm/xai_realtime", "voice", "zenith", "Puck"),
    ("llm/xai_realtime", "reasoning_effort", "high", "low"),
    ("llm/openai_live", "voice", "vesper", "alloy"),
    ("tts/elevenlabs", "model", "eleven_v3", "eleven_v1"),
    ("tts/elevenlabs", "apply_text_normalization", "auto", "maybe"),
    ("tts/google", "voice_id", "Zephyr", "ara"),
    ("tts/xai", "voice_id", "ara", "Kore"),
    ("tts/voicedock", "voice_id", "voicedock", "other"),
    ("tts/local", "model", "espeak-ng", "piper"),
    ("postcall_stt/deepgram", "model", "nova-3", "nova-2"),
    ("postcall_stt/elevenlabs", "language", "nl", "xx"),
    ("postcall_llm/google", "model", "gemini-2.5-flash", "gemini-1"),
]


@pytest.mark.parametrize(("name", "field", "good", "bad"), ENUMERATIONS)
def test_enumerations_of_vendors(name: str, field: str, good: Any, bad: Any) -> None:
    assert details(block(name, **{field: good})) == []
    (found,) = details(block(name, **{field: bad}))
    assert f".{field}: must be one of " in found
    assert str(good) in found


@pytest.mark.parametrize("kind", list(catalog.PROVIDERS))
def test_every_model_voice_and_language_of_the_catalog_is_taken(kind: Any) -> None:
    for provider in catalog.PROVIDERS[kind]:
        voice = "voice" if kind == "llm" else "voice_id"
        for name in (provider.id, *provider.aliases):
            choices = [("model", model) for model in provider.models] + [(voice, one) for one in provider.voices]
            for field, value in choices:
                config = block(f"{kind}/{name}" if name == provider.id else f"{kind}/{provider.id}", **{field: value})
                assert details(config) == []


def test_an_alias_becomes_the_vendors_id() -> None:
    checked = catalog.check("tts", {"provider": "11labs", "voice_id": "x"}, "tts_config")
    assert checked.config["provider"] == "elevenlabs"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"stt_config": {}}, "stt_config.provider: is required: one of deepgram, elevenlabs, gladia, mistral"),
        ({"tts_config": {"provider": "x"}}, "tts_config.provider: must be one of elevenlabs, inworld"),
        ({"stt_config": {"provider": "deepgram", "model": "nova-3"}}, "stt_config.language: is required"),
        ({"stt_config": {"provider": "deepgram", "language": "nl"}}, "stt_config.model: is required"),
        ({"llm_config": {"provider": "openai"}}, "llm_config.model: is required"),
        ({"tts_config": {"provider": "elevenlabs"}}, "tts_config.voice_id: is required"),
        ({"postcall_llm": {"provider": "openai"}}, "postcall_llm.model: is required"),
        ({"postcall_stt": {"provider": "gladia", "model": "x"}}, "postcall_stt.provider: must be one of elevenlabs"),
        ({"llm_config": []}, "llm_config: must be an object (got a list)"),
        (block("stt/deepgram", keyterms="one"), 'stt_config.keyterms: must be a list (got "one")'),
        (block("stt/deepgram", keyterms=[1]), "stt_config.keyterms[0]: must be a string (got 1)"),
        (block("stt/deepgram", smart_format="yes"), 'stt_config.smart_format: must be true or false (got "yes")'),
        (block("stt/deepgram", endpointing=5001), "stt_config.endpointing: must be between 0 and 5000 (got 5001)"),
        (block("tts/elevenlabs", voice_id=""), "tts_config.voice_id: must have at least 1 characters"),
        (
            block("llm/xai_realtime", provider_tools=[{"type": "file_search"}]),
            "llm_config.provider_tools[0].vector_store_ids: is required",
        ),
        (
            block("llm/xai_realtime", provider_tools=[{"type": "x_search", "allowed_x_handles": ["a"] * 21}]),
            "llm_config.provider_tools[0].allowed_x_handles: must have at most 20 items",
        ),
        (
            block("llm/xai_realtime", transcription={"keyterms": ["x" * 51]}),
            "llm_config.transcription.keyterms[0]: must have at most 50 characters",
        ),
        (
            block("llm/openai_live", delegation={"model": "gpt-4"}),
            "llm_config.delegation.model: must be one of gpt-5.6-luna",
        ),
        (block("llm/openai", messages="hi"), 'llm_config.messages: must be a list (got "hi")'),
        (
            block("llm/openai", messages=[{"role": "tool", "content": ""}]),
            "llm_config.messages[0].role: must be one of 'system', 'user' or 'assistant'",
        ),
        (block("llm/openai", messages=[{"role": "user"}]), "llm_config.messages[0].content: is required"),
        (
            block("llm/openai", messages=[{"role": "user", "content": "x"}] * 101),
            "llm_config.messages: must have at most 100 items (got 101 items)",
        ),
        ({"name": ""}, "name: must have at least 1 characters (got 0 characters)"),
        ({"name": "x" * 201}, "name: must have at most 200 characters (got 201 characters)"),
        ({"notification_email": "nobody"}, 'notification_email: must be an e-mail address (got "nobody")'),
        ({"notification_emails": ["a@b.nl"] * 6}, "notification_emails: must have at most 5 items (got 6 items)"),
        ({"notification_emails": ["a@b.nl", "x"]}, "notification_emails[1]: must be an e-mail address"),
        ({"webhook_url": "ftp://x"}, "webhook_url: must be an http:// or https:// address"),
        ({"webhook_url": "http://[x"}, "webhook_url: must be an http:// or https:// address"),
        ({"webhook_events": [1]}, "webhook_events[0]: must be a string (got 1)"),
        ({"recording_consent": {"enabled": True}}, "recording_consent.message: is required"),
        ({"recording_consent": {"message": "x"}}, "recording_consent.enabled: is required"),
        (
            {"analysis_plan": {"structured_data_plan": {"schema": {"type": "objekt"}}}},
            "analysis_plan.structured_data_plan.schema.type: is not valid JSON Schema",
        ),
        (
            {"analysis_plan": {"structured_data_plan": {"messages": [{"role": "assistant", "content": "x"}]}}},
            "analysis_plan.structured_data_plan.messages[0].role: must be one of 'system' or 'user'",
        ),
        ({"speech_config": {"end_call_message": "x" * 301}}, "speech_config.end_call_message: must have at most 300"),
        ({"speech_config": {"first_message_outbound": "x" * 301}}, "speech_config.first_message_outbound: must have"),
        ({"speech_config": {"end_call_phrases": ["bye"] * 6}}, "speech_config.end_call_phrases: must have at most 5"),
        (
            {"speech_config": {"end_call_phrases": ["a!"]}},
            'speech_config.end_call_phrases[0]: must have at least 2 letters or digits (got "a!")',
        ),
        ({"speech_config": {"end_call_phrases": ["x" * 101]}}, "speech_config.end_call_phrases[0]: must have at most"),
        (
            {"speech_config": {"silence": {"messages": ["x"] * 6}}},
            "speech_config.silence.messages: must have at most 5",
        ),
        ({"speech_config": {"silence": {"messages": [""]}}}, "speech_config.silence.messages[0]: must have at least 1"),
        ({"speech_config": {"silence": {"messages": ["x" * 301]}}}, "speech_config.silence.messages[0]: must have at"),
        (
            {"speech_config": {"silence": {"final_message": "x" * 301}}},
            "speech_config.silence.final_message: must have",
        ),
        (
            {"speech_config": {"background_audio": {"clip": "sea"}}},
            "speech_config.background_audio.clip: must be one of",
        ),
        ({"speech_config": {"pronunciation": [{"from": "", "to": ""}]}}, "speech_config.pronunciation[0].from: must"),
        (
            {"speech_config": {"pronunciation": [{"from": "x" * 65, "to": ""}]}},
            "speech_config.pronunciation[0].from: m",
        ),
        (
            {"speech_config": {"pronunciation": [{"from": "x", "to": "x" * 129}]}},
            "speech_config.pronunciation[0].to: m",
        ),
        (
            {"speech_config": {"pronunciation": [{"from": "x", "to": "y"}] * 51}},
            "speech_config.pronunciation: must have at most 50 items (got 51 items)",
        ),
    ],
)
def test_rules(fields: dict[str, Any], detail: str) -> None:
    found = details(fields)
    assert len(found) == 1
    assert found[0].startswith(detail)


TRANSFER = {"type": "transfer_call", "destinations": [{"number": "+31201234567", "description": "d"}]}
MCP = {"type": "mcp", "mcp_server_id": "11111111-2222-4333-8444-555555555555", "allowed_tools": ["a"]}


@pytest.mark.parametrize(
    ("tool", "detail"),
    [
        ("x", ': must be an object (got "x")'),
        ({}, ".name: is required"),
        ({"name": "f"}, ".description: is required"),
        ({"name": "1f", "description": "d"}, ".name: must begin with a letter or _"),
        ({"name": "f" * 65, "description": "d"}, ".name: must begin with a letter or _"),
        ({"name": "a b", "description": "d"}, ".name: must begin with a letter or _"),
        ({"type": "query"}, '.type: must be one of function, end_call, transfer_call, send_dtmf, mcp (got "query")'),
        (
            {"type": ["end_call"]},
            ".type: must be one of function, end_call, transfer_call, send_dtmf, mcp (got a list)",
        ),
        ({"type": "function", "function": {"name": "-"}}, ".function.name: must begin with a letter or _"),
        ({"name": "f", "description": "d", "parameters": {"type": "array"}}, ".parameters.type: must be object"),
        ({"name": "f", "description": "d", "parameters": {"properties": 1}}, ".parameters.properties: is not valid"),
        ({"name": "f", "description": "d", "url": "file:///x"}, ".url: must be an http:// or https:// address"),
        ({"name": "f", "description": "d", "async": 1}, ".async: must be true or false (got 1)"),
        ({**TRANSFER, "destinations": []}, ".destinations: must have at least 1 items"),
        (
            {**TRANSFER, "destinations": [{"number": "0201234567", "description": "d"}]},
            ".destinations[0].number: must be a number in E.164 form like +31201234567, or a SIP URI",
        ),
        ({**TRANSFER, "destinations": [{"number": "+31201234567"}]}, ".destinations[0].description: is required"),
        (
            {**TRANSFER, "destinations": [{"number": "+31201234567", "description": "d", "mode": "cold"}]},
            ".destinations[0].mode: must be one of 'blind', 'bridge' or 'warm'",
        ),
        ({**MCP, "allowed_tools": ["a"] * 26}, ".allowed_tools: must have at most 25 items"),
        ({"type": "mcp", "mcp_server_id": MCP["mcp_server_id"]}, ".allowed_tools: is required"),
        ({**MCP, "mcp_server_id": "x"}, '.mcp_server_id: must be a UUID (got "x")'),
    ],
)
def test_rules_of_tools(tool: Any, detail: str) -> None:
    found = details(block("llm/openai", tools=[tool]))
    assert found[0].startswith(f"llm_config.tools[0]{detail}")


PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}}
REST = {
    "name": "f",
    "description": "d",
    "method": "POST",
    "url": "https://x.example/a/{{day}}",
    "parameters": PARAMETERS,
}
UNKNOWN = (
    "must hold only placeholders of the tool's arguments, or of caller_number, assistant_number, forwarded_from,"
    " forwarding_reason, call_id, now, date"
)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"method": "HEAD"}, ".method: must be one of 'GET', 'POST', 'PUT', 'PATCH' or 'DELETE' (got \"HEAD\")"),
        ({"url": None}, ".url: is required with method"),
        ({"method": None}, ".url: may hold placeholders only with method"),
        ({"method": None, "url": None, "query": {}, "body": []}, ".query: needs method"),
        ({"url": "https://{{day}}.example/"}, ".url: must be an http:// or https:// address, with {{placeholders}}"),
        (
            {"url": "https://x.example/?a={{day}}"},
            ".url: must be an http:// or https:// address, with {{placeholders}}",
        ),
        ({"url": "https://x.example:{{day}}/"}, ".url: must be an http:// or https:// address"),
        ({"url": "{{day}}"}, ".url: must be an http:// or https:// address"),
        ({"url": "https://x.example/{{dya}}"}, f'.url: {UNKNOWN}, variables.NAME (got "{{{{dya}}}}")'),
        ({"url": None, "server": {"url": "https://x.example/{{dya}}"}}, f".server.url: {UNKNOWN}"),
        ({"query": {"q": "{{dya}}"}}, f".query.q: {UNKNOWN}"),
        ({"query": {"q": ["{{day}}", "{{ }}"]}}, f".query.q[1]: {UNKNOWN}"),
        ({"query": {"q": {}}}, ".query.q: must be a string, a number, true or false, or a list of these"),
        ({"query": {"q": None}}, ".query.q: must be a string, a number, true or false, or a list of these"),
        ({"query": {"": 1}}, ".query: must have names of 1 to 200 characters"),
        ({"query": {str(number): 1 for number in range(51)}}, ".query: must have at most 50 names (got 51)"),
        ({"query": ["a"]}, ".query: must be an object"),
        ({"body": {"a": [{"b": "of {{dya}}"}]}}, f".body.a[0].b: {UNKNOWN}"),
        ({"body": {"a": "{{day of week}}"}}, f".body.a: {UNKNOWN}"),
        ({"body": "{{day}}"}, ".body: must be an object or a list"),
        ({"body": [1] * 201}, ".body: must have at most 200 values, at most 16 levels deep"),
        ({"method": "GET", "body": {}}, ".body: can't be sent with GET; use query"),
        ({"parameters": None, "body": {"a": "{{day}}"}}, ".url: must hold only placeholders"),
        ({"headers": []}, ".headers: must be an object"),
        ({"headers": {"": "x"}}, ".headers: must map names of HTTP headers"),
        (
            {"headers": {"X Y": "x"}},
            ".headers: must map names of HTTP headers, at most 64 characters long; 'X Y' is none",
        ),
        ({"headers": {"X\r\nEvil": "x"}}, ".headers: must map names of HTTP headers"),
        ({"headers": {"x" * 5000: "x"}}, ".headers: must map names of HTTP headers"),
        ({"headers": {"X": ""}}, ".headers: must give X a text of 1 to 4096 visible ASCII characters"),
        ({"headers": {"X": 5}}, ".headers: must give X a text of 1 to 4096 visible ASCII characters"),
        ({"headers": {"X": "a\r\nEvil: b"}}, ".headers: must give X a text"),
        ({"headers": {"X": " a"}}, ".headers: must give X a text"),
        ({"headers": {"X": "é"}}, ".headers: must give X a text"),
        ({"headers": {"X": "x" * 4097}}, ".headers: must give X a text"),
        ({"headers": {"hOST": "a"}}, ".headers: must not hold hOST, which the server itself sets"),
        ({"headers": {"Content-Length": "1"}}, ".headers: must not hold Content-Length, which the server itself sets"),
        ({"headers": {"Transfer-Encoding": "x"}}, ".headers: must not hold Transfer-Encoding"),
        ({"headers": {"Connection": "x"}}, ".headers: must not hold Connection"),
        ({"headers": {"X-Webhook-Signature": "x"}}, ".headers: must not hold X-Webhook-Signature"),
        ({"headers": {"X-Key": "a", "x-key": "b"}}, ".headers: must not hold x-key twice"),
        ({"headers": {f"X-{number}": "a" for number in range(21)}}, ".headers: must have at most 20 headers"),
        ({"headers": {"X-Key": "********"}}, ".headers.X-Key: is the mask of a secret, and none is stored"),
    ],
)
def test_rules_of_requests(fields: dict[str, Any], detail: str) -> None:
    nested = {key: value for key, value in {**REST, **fields}.items() if key not in ("name", "description")}
    function = {"name": "f", "parameters": nested.pop("parameters")}
    for tool in ({**REST, **fields}, {"type": "function", "function": function, **nested}):
        found = details(block("llm/openai", tools=[tool]))
        assert found[0].startswith(f"llm_config.tools[0]{detail}"), found
        assert len(found[0]) < 400


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query": {}, "body": []},
        {
            "query": {"a": ["{{day}}", 1, True]},
            "body": {"{{key}}": None, "b": "{{ caller_number }} {{variables.x}} {{"},
        },
        {"url": "https://x.example/{{call_id}}/{{variables.order}}.json?fixed=1#f", "parameters": None},
        {"method": None, "url": "https://x.example", "headers": {"Authorization": "Basic abc=", "Accept": "a\tb"}},
    ],
)
def test_requests_within_the_rules(fields: dict[str, Any]) -> None:
    assert details(block("llm/openai", tools=[{**REST, **fields}])) == []


def test_tools_of_one_name_and_too_many_tools() -> None:
    names = [{"name": f"f{index}", "description": "d"} for index in range(51)]
    assert details(block("llm/openai", tools=names[:50])) == []
    assert details(block("llm/openai", tools=names)) == ["llm_config.tools: must have at most 50 items (got 51 items)"]
    twice = details(block("llm/openai", tools=[{"type": "end_call"}, {"type": "endCall"}]))
    assert twice == ['llm_config.tools: must not have two tools of one name (got "end_call")']


def test_a_huge_assistant_is_refused_with_its_size() -> None:
    messages = [{"role": "system", "content": "x" * 100_000}] * 3
    (found,) = details(block("llm/openai", messages=messages))
    assert found.startswith(f"body: an assistant must have at most {MAX_OBJECT_BYTES} bytes of JSON (got 30")


def test_turn_detection_is_moved_into_range() -> None:
    given = {"threshold": 7, "prefix_padding_ms": -1, "silence_duration_ms": 99, "idle_timeout_ms": 30001}
    fields = block("llm/xai_realtime", turn_detection=given)
    whole, _ = Preparer(SECRETS, NO_VENDORS).prepare(AssistantCreate.model_validate({"name": "x", **fields}))
    moved = {"threshold": 1, "prefix_padding_ms": 0, "silence_duration_ms": 100, "idle_timeout_ms": 30000}
    assert whole["llm_config"]["turn_detection"] == moved


def test_fields_of_other_vendors_are_kept_and_have_no_effect() -> None:
    config = {"provider": "deepgram", "model": "nova-3", "language": "en", "endpointing": 0.05, "region": 5}
    checked = catalog.check("stt", config, "stt_config")
    assert (checked.config, checked.problems, checked.ignored) == (config, [], [])
    assert catalog.effective("stt", config) == {"provider": "deepgram", "model": "nova-3", "language": "en"}


def test_defaults_and_unhonoured_fields_before_a_vendor_sees_a_block() -> None:
    assert catalog.effective("llm", {"provider": "xai_realtime", "model": "grok-voice-think-fast-2.0"}) == {
        "provider": "xai_realtime",
        "model": "grok-voice-think-fast-2.0",
        "temperature": 0.7,
        "voice": "ara",
        "speed": 1,
    }
    expressive = {"provider": "elevenlabs", "voice_id": "v", "model": "eleven_v3", "stability": 1, "speed": 2}
    assert "speed" not in catalog.effective("tts", expressive)


def test_a_server_of_the_deployments_own_takes_any_model() -> None:
    config = block("llm/openai", model="llama3.2:3b")
    assert details(config)
    vendors = Vendors.from_settings(Settings(openai_base_url="http://127.0.0.1:11434/v1"))
    assert details(config, vendors) == []
    assert details(block("llm/xai", model="llama"), vendors)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("local", "local", "local")),
        ({"openai_api_key": "k"}, ("local", "openai", "local")),
        ({"openai_base_url": "http://127.0.0.1:11434/v1"}, ("local", "openai", "local")),
        (
            {"deepgram_api_key": "k", "openai_api_key": "k", "elevenlabs_api_key": "k"},
            ("deepgram", "openai", "elevenlabs"),
        ),
    ],
)
def test_absent_blocks_go_to_the_vendors_at_hand(settings: dict[str, str], expected: tuple[str, ...]) -> None:
    preparer = Preparer(SECRETS, Vendors.from_settings(Settings(**settings)))  # type: ignore[arg-type]
    whole, _ = preparer.prepare(AssistantCreate(name="x"))
    assert tuple(whole[name]["provider"] for name in ("stt_config", "llm_config", "tts_config")) == expected
    assert details({name: whole[name] for name in ("stt_config", "llm_config", "tts_config")}) == []
