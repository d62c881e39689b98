"""The WebSocket line over real sockets: a uvicorn server with the door, and a client that behaves well."""

import asyncio
from typing import Any

import aiohttp
import pytest

from dialtone.lines import base
from dialtone.media.audio import MULAW_8K, PCM_16K, PCM_24K
from tests.lines.house import FRAME_16K, House, until_closed

# A well-behaved client


async def test_audio_flows_both_ways_and_http_shares_the_port(server: House) -> None:
    async with server.call(encoding="mulaw", sample_rate=8000) as (client, owner):
        assert owner.line.audio == MULAW_8K
        await client.send_bytes(b"\x01" * 160)
        await client.send_bytes(b"\x02" * 77)
        await owner.until(lambda: len(owner.audio) == 2)
        assert owner.audio == [b"\x01" * 160, b"\x02" * 77]
        owner.line.send_audio(b"\x7f" * 160)
        assert await client.receive_bytes(timeout=5) == b"\x7f" * 160
        async with server.http.get(f"http://127.0.0.1:{server.port}/") as response:
            assert await response.text() == "ok"


async def test_ready_names_the_call_and_its_audio(server: House) -> None:
    async with server.http.ws_connect(server.url(encoding="pcm_s16le", sample_rate=24000)) as client:
        assert await client.receive_json(timeout=5) == {
            "type": "ready",
            "call_id": "call-1",
            "audio": {"encoding": "pcm_s16le", "sample_rate": 24000, "frame_ms": 20},
        }
    assert server.formats == [PCM_24K]


async def test_audio_defaults_to_16_khz_linear(server: House) -> None:
    async with server.call() as (_, owner):
        assert owner.line.audio == PCM_16K


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (base.SpeechStarted(True), {"type": "speech_started"}),
        (base.SpeechStarted(False), {"type": "speech_stopped"}),
        (base.Transcript("Grüß Gott", False), {"type": "transcript", "text": "Grüß Gott", "final": False}),
        (base.AssistantText("Hello."), {"type": "assistant_text", "text": "Hello."}),
        (base.AssistantHeard("Hel", True), {"type": "assistant_heard", "text": "Hel", "interrupted": True}),
        (base.ToolUsed("book"), {"type": "tool_used", "name": "book"}),
        (base.ToolAnswered("book", True), {"type": "tool_answered", "name": "book", "failed": True}),
        (base.TurnMeasured({"total": 812.5, "playout": None}), {
            "type": "latency", "latency": {"total": 812.5, "playout": None},
        }),
        (base.Trouble("The voice is gone."), {
            "type": "error", "code": "trouble", "message": "The voice is gone.", "fatal": False,
        }),
    ],
)  # fmt: skip
async def test_events_reach_the_client(server: House, event: base.LineEvent, message: dict[str, Any]) -> None:
    async with server.call() as (client, owner):
        owner.line.publish(event)
        assert await client.receive_json(timeout=5) == message


async def test_marks_clear_dtmf_and_ping(server: House) -> None:
    async with server.call() as (client, owner):
        owner.line.clear_audio()
        owner.line.send_mark("greeting")
        assert await client.receive_json(timeout=5) == {"type": "clear"}
        assert await client.receive_json(timeout=5) == {"type": "mark", "name": "greeting"}
        await client.send_json({"type": "mark", "name": "greeting"})
        await client.send_json({"type": "dtmf", "digit": "#"})
        await client.send_json({"type": "ping"})
        assert await client.receive_json(timeout=5) == {"type": "pong"}
        assert owner.marks == ["greeting"]
        assert owner.dtmf == ["#"]


async def test_the_owner_closes_and_the_client_learns_why(server: House) -> None:
    async with server.call() as (client, owner):
        closing = asyncio.create_task(owner.line.close("max_duration"))
        assert await until_closed(client) == [{"type": "end", "end_reason": "max_duration"}]
        assert client.close_code == 1000
        await asyncio.wait_for(closing, 5)
        await owner.line.close("error")
        owner.line.send_audio(FRAME_16K)
        owner.line.publish(base.Trouble("too late"))
        assert owner.closed == []


async def test_hang_up_message_ends_after_the_owner_closed(server: House) -> None:
    async with server.call() as (client, owner):
        await client.send_json({"type": "hang_up"})
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed == [("The caller hung up.", False)]
        await client.send_bytes(FRAME_16K)
        closing = asyncio.create_task(owner.line.close("user_hangup"))
        assert await until_closed(client) == [{"type": "end", "end_reason": "user_hangup"}]
        await asyncio.wait_for(closing, 5)
        assert owner.audio == []


async def test_closing_the_socket_is_hanging_up(server: House) -> None:
    async with server.call() as (client, owner):
        await client.close()
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed == [("The caller hung up.", False)]
        await asyncio.wait_for(owner.line.close("user_hangup"), 5)


async def test_a_message_in_fragments_is_put_together(server: House) -> None:
    async with server.call() as (client, owner):
        transport = client._writer.transport
        transport.write(_client_frame(0x02, b"\x01\x02\x03", fin=False))
        transport.write(_client_frame(0x00, b"\x04", fin=True))
        await owner.until(lambda: bool(owner.audio))
        assert owner.audio == [b"\x01\x02\x03\x04"]


def _client_frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame with a mask of zeros (RFC 6455 section 5.2)."""
    assert len(payload) < 126
    return bytes([(0x80 if fin else 0) | opcode, 0x80 | len(payload)]) + bytes(4) + payload


async def test_firefox_connection_header_is_accepted(server: House) -> None:
    async with server.http.ws_connect(server.url(), headers={"Connection": "keep-alive, Upgrade"}) as client:
        assert (await client.receive_json(timeout=5))["type"] == "ready"


# Before the call


async def test_early_audio_is_kept_up_to_a_second(server: House) -> None:
    server.gate.clear()
    async with server.http.ws_connect(server.url()) as client:
        for index in range(80):
            await client.send_bytes(bytes([index]) * PCM_16K.frame_bytes)
        await client.send_json({"type": "dtmf", "digit": "7"})
        await client.send_json({"type": "ping"})
        assert (await client.receive_json(timeout=5))["type"] == "pong"
        server.gate.set()
        owner = await asyncio.wait_for(server.owners.get(), 5)
        assert [audio[0] for audio in owner.audio] == list(range(30, 80))
        assert owner.dtmf == ["7"]


async def test_a_token_works_once(server: House) -> None:
    async with server.call(), server.http.ws_connect(server.url()) as second:
        received = await until_closed(second)
    assert received == [
        {
            "type": "error",
            "code": "invalid_token",
            "message": "This token is unknown, used or expired.",
            "fatal": True,
        },
        {"type": "end", "end_reason": "rejected"},
    ]
    assert second.close_code == 4401


async def test_a_client_that_leaves_before_it_is_admitted_still_ends_its_call(server: House) -> None:
    server.gate.clear()
    async with server.http.ws_connect(server.url()) as client:
        await client.close()
    server.gate.set()
    owner = await asyncio.wait_for(server.owners.get(), 5)
    await owner.until(lambda: bool(owner.closed))
    assert owner.closed == [("The caller hung up.", False)]
    await asyncio.wait_for(owner.line.close("user_hangup"), 5)


async def test_a_failing_claim_is_told_in_words(server: House) -> None:
    async with server.http.ws_connect(server.url("broken")) as client:
        received = await until_closed(client)
    assert received[0]["code"] == "internal_error"
    assert client.close_code == 1011


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("token=good&encoding=opus", "encoding: must be pcm_s16le or mulaw (got opus)"),
        ("token=good&encoding=mulaw&sample_rate=16000", "sample_rate: must be 8000 for mulaw (got 16000)"),
        ("token=good&sample_rate=44100", "sample_rate: must be 8000, 16000 or 24000 for pcm_s16le (got 44100)"),
        ("encoding=mulaw", "token: is required; POST /api/v1/web-calls gives one"),
    ],
)
async def test_a_wrong_address_is_refused_before_the_upgrade(server: House, query: str, detail: str) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    url = f"http://127.0.0.1:{server.port}/api/v1/web-calls/stream?{query}"
    async with server.http.get(url, headers=headers) as response:
        assert response.status == 400
        body = await response.json()
    assert body["code"] == "invalid_request"
    assert body["details"] == [detail]
    assert server.formats == []


async def test_an_unknown_path_is_not_found(server: House) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await server.http.ws_connect(f"ws://127.0.0.1:{server.port}/elsewhere")
    assert refused.value.status == 404
