"""The WebSocket line over real sockets: a uvicorn server with the door, and a client that behaves well or badly."""

import asyncio
import gc
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import uvicorn
from uvicorn.server import ServerState

from dialtone.lines import base
from dialtone.lines.websocket.door import Admission, Refusal, WebSocketDoor
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.line import WebSocketLine
from dialtone.media.audio import MULAW_8K, PCM_16K, PCM_24K, AudioFormat

FRAME_16K = bytes(PCM_16K.frame_bytes)


@dataclass
class Owner:
    """What owns a line: notes what it is told, and lets a test wait for it."""

    line: base.Line
    audio: list[bytes] = field(default_factory=list)
    dtmf: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    closed: list[tuple[str, bool]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_audio(self, audio: bytes) -> None:
        self.audio.append(audio)
        self.changed.set()

    def on_dtmf(self, digit: str) -> None:
        self.dtmf.append(digit)
        self.changed.set()

    def on_mark(self, name: str) -> None:
        self.marks.append(name)
        self.changed.set()

    def on_closed(self, reason: str, *, failed: bool) -> None:
        self.closed.append((reason, failed))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@dataclass
class House:
    """A server with a door whose tokens are `good` (once) and `late` (attached by the test itself)."""

    port: int
    owners: asyncio.Queue[Owner]
    tokens: set[str]
    gate: asyncio.Event
    formats: list[AudioFormat]
    http: aiohttp.ClientSession

    def url(self, token: str = "good", **query: object) -> str:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        return f"ws://127.0.0.1:{self.port}/api/v1/web-calls/stream?token={token}&{parameters}"

    @asynccontextmanager
    async def call(self, **query: object) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse, Owner]]:
        async with self.http.ws_connect(self.url(**query), autoping=False) as client:
            ready = await client.receive_json(timeout=5)
            assert ready["type"] == "ready"
            yield client, await asyncio.wait_for(self.owners.get(), 5)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def house(limits: Limits | None = None) -> AsyncIterator[House]:
    owners: asyncio.Queue[Owner] = asyncio.Queue()
    tokens = {"good"}
    gate = asyncio.Event()
    gate.set()
    formats: list[AudioFormat] = []

    def start(line: base.Line) -> None:
        owner = Owner(line)
        line.attach(owner)
        owners.put_nowait(owner)

    async def claim(token: str, audio: AudioFormat) -> Admission | Refusal:
        await gate.wait()
        formats.append(audio)
        if token == "broken":
            raise RuntimeError("the database is gone")
        if token not in tokens:
            return Refusal("invalid_token", "This token is unknown, used or expired.")
        tokens.discard(token)
        return Admission("call-1", start)

    door = WebSocketDoor(claim, limits)
    config = uvicorn.Config(_app, ws=door.protocol, http="httptools", lifespan="off", log_level="critical")
    async with _uvicorn_port(config) as port, aiohttp.ClientSession() as http:
        yield House(port, owners, tokens, gate, formats, http)
    await door.close()


@asynccontextmanager
async def _uvicorn_port(config: uvicorn.Config) -> AsyncIterator[int]:
    """Serve with uvicorn's own protocol, without the 0.1 s rounds of `uvicorn.Server`."""
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def server() -> AsyncIterator[House]:
    async with house() as running:
        yield running


async def _until_closed(client: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Every JSON message until the server has closed the socket."""
    received = []
    async with asyncio.timeout(8):
        async for message in client:
            if message.type == aiohttp.WSMsgType.TEXT:
                received.append(json.loads(message.data))
    return received


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
        assert await _until_closed(client) == [{"type": "end", "end_reason": "max_duration"}]
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
        assert await _until_closed(client) == [{"type": "end", "end_reason": "user_hangup"}]
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
        received = await _until_closed(second)
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
        received = await _until_closed(client)
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


# Bad clients


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "invalid_json"),
        ("[" * 4000, "invalid_json"),
        ("[]", "invalid_json"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"dtmf","digit":"12"}', "invalid_dtmf"),
        ('{"type":"dtmf"}', "invalid_dtmf"),
        ('{"type":"mark","name":7}', "invalid_mark"),
        ('{"type":"mark","name":"' + "x" * 129 + '"}', "invalid_mark"),
        ('{"type":"ping","pad":"' + "x" * 5000 + '"}', "text_too_long"),
    ],
)
async def test_a_bad_text_is_answered_and_the_call_goes_on(server: House, text: str, code: str) -> None:
    async with server.call() as (client, owner):
        await client.send_str(text)
        answer = await client.receive_json(timeout=5)
        assert (answer["type"], answer["code"], answer["fatal"]) == ("error", code, False)
        await client.send_json({"type": "dtmf", "digit": "1"})
        await owner.until(lambda: owner.dtmf == ["1"])


@pytest.mark.parametrize(("size", "code"), [(641, "odd_audio"), (64_002, "audio_too_long")])
async def test_bad_audio_is_dropped_with_an_error(server: House, size: int, code: str) -> None:
    async with server.call() as (client, owner):
        await client.send_bytes(bytes(size))
        answer = await client.receive_json(timeout=5)
        assert (answer["code"], answer["fatal"]) == (code, False)
        await client.send_bytes(FRAME_16K)
        await owner.until(lambda: bool(owner.audio))
        assert owner.audio == [FRAME_16K]


async def test_too_many_bad_messages_end_the_call() -> None:
    async with house(Limits(bad_messages=2)) as server, server.call() as (client, owner):
        for _ in range(3):
            await client.send_str("nonsense")
        received = await _until_closed(client)
        assert [message.get("fatal") for message in received] == [False, False, True, None]
        assert received[-1] == {"type": "end", "end_reason": "error"}
        assert client.close_code == 4400
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed[0][1] is True
        assert "Too many bad messages" in owner.closed[0][0]


async def test_too_many_texts_in_a_second_end_the_call() -> None:
    async with house(Limits(texts_per_second=10)) as server, server.call() as (client, _):
        for _ in range(11):
            await client.send_json({"type": "ping"})
        received = await _until_closed(client)
        assert received[-2]["code"] == "too_many_messages"
        assert client.close_code == 4429


async def test_audio_faster_than_speech_ends_the_call(server: House) -> None:
    async with server.call() as (client, owner):
        for _ in range(6):
            await client.send_bytes(bytes(PCM_16K.bytes_per_second))
        received = await _until_closed(client)
        assert received[-2]["code"] == "audio_too_fast"
        assert client.close_code == 4429
        await owner.until(lambda: bool(owner.closed))
        assert sum(map(len, owner.audio)) == 5 * PCM_16K.bytes_per_second


async def test_a_huge_message_closes_the_socket(server: House) -> None:
    async with server.call() as (client, owner):
        await client.send_bytes(bytes(300_000))
        await _until_closed(client)
        assert client.close_code == 1009
        await owner.until(lambda: bool(owner.closed))
        assert "exceeding max allowed size" in owner.closed[0][0]
        assert owner.closed[0][1] is True


async def test_a_client_that_stops_reading_is_given_up() -> None:
    limits = Limits(stalled_buffer_seconds=0.5, stalled_seconds=0.2, closing_seconds=0.2)
    async with house(limits) as server, server.call(sample_rate=24000) as (client, owner):
        assert client._conn is not None
        client._conn.transport.pause_reading()
        frame = bytes(PCM_24K.frame_bytes)
        async with asyncio.timeout(10):
            while not owner.closed:
                for _ in range(500):
                    owner.line.send_audio(frame)
                await asyncio.sleep(0)
        assert owner.closed == [("The client has not read its audio for 0.2 s.", True)]
        await asyncio.wait_for(owner.line.close("error"), 5)
        client._conn.transport.resume_reading()


async def test_a_client_that_vanishes_is_noticed() -> None:
    async with house(Limits(idle_seconds=0.3, closing_seconds=0.1)) as server, server.call() as (client, owner):
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed == [("Nothing was heard from the client for 0.3 s.", True)]
        received = await client.receive(timeout=5)
        assert received.type == aiohttp.WSMsgType.PING


async def test_a_silent_client_that_answers_pings_stays() -> None:
    async with house(Limits(idle_seconds=0.3)) as server, server.call() as (client, owner):
        pings = 0
        while pings < 6:
            message = await client.receive(timeout=5)
            assert message.type == aiohttp.WSMsgType.PING
            await client.pong(message.data)
            pings += 1
        assert owner.closed == []


async def test_a_lost_connection_is_a_failure(server: House) -> None:
    async with server.call() as (client, owner):
        assert client._conn is not None
        client._conn.transport.abort()
        await owner.until(lambda: bool(owner.closed))
        assert owner.closed == [("The client's connection was lost.", True)]
        await asyncio.wait_for(owner.line.close("error"), 5)


async def test_shutting_the_door_turns_waiting_callers_away() -> None:
    async def never(token: str, audio: AudioFormat) -> Admission | Refusal:
        await asyncio.Event().wait()
        raise AssertionError

    waiting: Awaitable[Any]
    door = WebSocketDoor(never)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(_app, ws=door.protocol, http="httptools", lifespan="off", log_level="critical")
    )
    waiting = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/web-calls/stream?token=x"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as client:
        await client.send_json({"type": "ping"})
        assert (await client.receive_json(timeout=5))["type"] == "pong"
        closing = asyncio.create_task(door.close(0.05))
        received = await _until_closed(client)
        assert received[-1] == {"type": "end", "end_reason": "server_shutdown"}
        assert client.close_code == 1001
        await asyncio.wait_for(closing, 5)
    server.should_exit = True
    await waiting


async def test_two_hundred_short_calls_leave_nothing_behind() -> None:
    loop = asyncio.get_running_loop()

    async def short_call(server: House, number: int) -> None:
        server.tokens.add(f"t{number}")
        async with server.http.ws_connect(server.url(f"t{number}")) as client:
            await client.receive_json(timeout=5)
            owner = await asyncio.wait_for(server.owners.get(), 5)
            await client.send_bytes(FRAME_16K)
            if number % 4 == 0:
                assert client._conn is not None
                client._conn.transport.abort()
            elif number % 4 == 1:
                await client.send_json({"type": "hang_up"})
            elif number % 4 == 2:
                await client.send_bytes(bytes(300_000))
            await asyncio.gather(_until_closed(client), owner.line.close("max_duration"))

    def lines() -> int:
        return sum(type(thing) is WebSocketLine for thing in gc.get_objects())

    async with house() as server:
        await short_call(server, -1)
        tasks, files, timers = len(asyncio.all_tasks()), _open_files(), _timers(loop)
        gc.collect()
        gc.disable()
        try:
            for number in range(200):
                await short_call(server, number)
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) <= tasks
            assert _open_files() <= files + 2
            assert _timers(loop) <= timers + 5
            assert lines() <= 2, "lines must be freed without the help of the garbage collector"
        finally:
            gc.enable()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _timers(loop: Any) -> int:
    return sum(not timer.cancelled() for timer in getattr(loop, "_scheduled", ()))
