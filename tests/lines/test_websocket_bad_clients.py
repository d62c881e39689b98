"""The WebSocket line and clients that break the rules, vanish or come in numbers."""

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
import uvicorn

from dialtone.lines.websocket.door import Admission, Refusal, WebSocketDoor
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.line import WebSocketLine
from dialtone.media.audio import PCM_16K, PCM_24K, AudioFormat
from tests.lines.house import FRAME_16K, House, app, house, until_closed


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
        received = await until_closed(client)
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
        received = await until_closed(client)
        assert received[-2]["code"] == "too_many_messages"
        assert client.close_code == 4429


async def test_audio_faster_than_speech_ends_the_call(server: House) -> None:
    async with server.call() as (client, owner):
        for _ in range(6):
            await client.send_bytes(bytes(PCM_16K.bytes_per_second))
        received = await until_closed(client)
        assert received[-2]["code"] == "audio_too_fast"
        assert client.close_code == 4429
        await owner.until(lambda: bool(owner.closed))
        assert sum(map(len, owner.audio)) == 5 * PCM_16K.bytes_per_second


async def test_a_huge_message_closes_the_socket(server: House) -> None:
    async with server.call() as (client, owner):
        await client.send_bytes(bytes(300_000))
        await until_closed(client)
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
        uvicorn.Config(app, ws=door.protocol, http="httptools", lifespan="off", log_level="critical")
    )
    waiting = asyncio.create_task(server.serve(sockets=[listening]))
    url = f"ws://127.0.0.1:{listening.getsockname()[1]}/v1/web-calls/stream?token=x"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as client:
        await client.send_json({"type": "ping"})
        assert (await client.receive_json(timeout=5))["type"] == "pong"
        closing = asyncio.create_task(door.close(0.05))
        received = await until_closed(client)
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
            await asyncio.gather(until_closed(client), owner.line.close("max_duration"))

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
