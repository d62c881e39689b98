"""Calls through everything: HTTP, WebSocket, engine, vendors' wire protocols, tools, records, recordings."""

import asyncio
import gc
import io
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from dialtone.client import WebCallClient
from dialtone.media.audio import MULAW_8K
from tests.fakes.deepgram import Drop, FakeDeepgram, final, interim
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.whole.house import KEY, SPEECH_SECONDS, VENDOR_SECRETS, calling, whole_house

GREETING = "Hello, this is Ada."
QUESTION = "I would like to book a table"


SPEAKS_AT = 2.5
"""Seconds of the caller's audio, after the greeting is over."""
ENDS_AT = SPEAKS_AT + SPEECH_SECONDS


def ears() -> FakeDeepgram:
    """Hears the caller ask the question."""
    return FakeDeepgram(HEARD)


HEARD: list[tuple[float, Any]] = [
    (SPEAKS_AT + 0.6, interim("I would", SPEAKS_AT, SPEAKS_AT + 0.6)),
    (ENDS_AT + 0.2, final(QUESTION, SPEAKS_AT, ENDS_AT)),
]


def channels(recording: bytes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    with wave.open(io.BytesIO(recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return samples[:, 0], samples[:, 1]


def loud_seconds(channel: np.ndarray[Any, Any]) -> float:
    return float((np.abs(channel.astype(int)) > 500).reshape(-1)[: len(channel)].sum()) / 8000


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_url")
    return url


async def test_a_conversation_with_a_tool_is_held_recorded_and_written_down(
    tmp_path: Path, database_url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[dict[str, Any]] = []

    async def tool(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"result": "Tuesday at eight is free"})

    app = web.Application()
    app.router.add_post("/", tool)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    chat = FakeOpenAIChat(
        [
            Reply("Let me look.", [Call("calendar", '{"day": "Tuesday"}')]),
            Reply("Tuesday at eight is free. Goodbye.", [Call("end_call", "{}")]),
        ]
    )
    async with whole_house(tmp_path, ears(), chat, database_url=database_url) as house:
        parameters = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
        calendar = {
            "name": "calendar",
            "description": "Looks a day up",
            "url": f"http://127.0.0.1:{runner.addresses[0][1]}/",
            "parameters": parameters,
        }
        assistant = await house.create(
            first_message=GREETING,
            llm_config={"provider": "openai", "model": "gpt-4.1", "tools": [calendar, {"type": "end_call"}]},
        )
        async with calling(house, assistant, SPEAKS_AT) as caller:
            await caller.until_over()
        record = await house.ended(caller.call.call_id)
        async with house.http.get(record["recording_url"], headers={"Authorization": ""}) as answer:
            left, right = channels(await answer.read())
    await runner.cleanup()

    assert caller.view.end_reason == "assistant_hangup"
    assert [(line["role"], line["content"]) for line in record["messages"]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
        ("tool", '{"tool": "calendar", "arguments": {"day": "Tuesday"}, "result": "Tuesday at eight is free"}'),
        ("tool", '{"tool": "end_call", "arguments": {}, "result": "The call is being ended."}'),
        ("assistant", "Let me look. Tuesday at eight is free. Goodbye."),
    ]
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "web", "assistant_hangup")
    assert record["error"] is None
    [turn] = record["latency"]
    assert turn["endpointing"] == pytest.approx(400, abs=150)
    assert turn["total"] >= turn["endpointing"] - 1
    assert asked[0]["message"]["tool_call_list"][0]["function"] == {"name": "calendar", "arguments": {"day": "Tuesday"}}
    assert 0.5 < loud_seconds(left) < SPEECH_SECONDS
    assert loud_seconds(right) > 2.0
    for secret in VENDOR_SECRETS.values():
        assert secret not in caplog.text
    assert QUESTION not in caplog.text


async def test_a_transcriber_that_drops_in_the_middle_loses_no_word(tmp_path: Path) -> None:
    def script(connection: int) -> list[tuple[float, Any]]:
        # The second connection is given everything since the beginning: no final transcript has come before.
        return HEARD if connection else [(SPEAKS_AT + SPEECH_SECONDS / 2, Drop())]

    async with whole_house(tmp_path, FakeDeepgram(script), FakeOpenAIChat([Reply("It is booked.")])) as house:
        assistant = await house.create(first_message=GREETING)
        async with calling(house, assistant, SPEAKS_AT) as caller:
            await caller.until("It is booked.")
        record = await house.ended(caller.call.call_id)
    assert [line["content"] for line in record["messages"] if line["role"] == "user"] == [QUESTION]
    assert any("replaced" in note for note in record["notes"])


@pytest.mark.parametrize("vendor", ["deepgram", "chat", "elevenlabs"])
async def test_a_vendor_that_refuses_ends_the_call_in_words(tmp_path: Path, vendor: str) -> None:
    broken: dict[str, Any] = {
        "deepgram": {"deepgram": FakeDeepgram(refuse=401)},
        "chat": {"deepgram": ears(), "chat": FakeOpenAIChat([Reply(status=401)])},
        "elevenlabs": {"elevenlabs": FakeElevenLabs(refuse=401)},
    }[vendor]
    async with whole_house(tmp_path, **broken) as house:
        assistant = await house.create(first_message=GREETING)
        async with calling(house, assistant, SPEAKS_AT) as caller:
            await caller.until_over()
        record = await house.ended(caller.call.call_id)
    assert caller.view.end_reason == "error"
    assert record["end_reason"] == "error"
    assert "key" in record["error"]
    assert caller.call.assistant.seconds > 2, "the apology was heard"


async def test_gdpr_mode_leaves_no_word_on_disk(tmp_path: Path) -> None:
    reply = "Rumpelstiltskin is my name."
    async with whole_house(tmp_path, ears(), FakeOpenAIChat([Reply(reply)])) as house:
        assistant = await house.create(first_message=GREETING, gdpr_mode=True)
        async with calling(house, assistant, SPEAKS_AT) as caller:
            await caller.until(reply)
            await caller.call.hang_up()
            await caller.until_over()
        record = await house.ended(caller.call.call_id)
    assert record["end_reason"] == "user_hangup"
    assert not record["messages"]
    assert record["recording_url"] is None
    kept = await asyncio.to_thread(_all_bytes_below, tmp_path)
    assert QUESTION.encode() not in kept
    assert b"Rumpelstiltskin" not in kept
    assert house.deepgram.connections[0].query["mip_opt_out"] == "true"


def _all_bytes_below(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_sockets() -> int:
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return sum(link.is_symlink() and os.readlink(link).startswith("socket:") for link in links)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts sockets and memory in /proc")
async def test_two_hundred_short_calls_leave_nothing_behind(tmp_path: Path) -> None:
    async with whole_house(tmp_path) as house:
        assistant = await house.create(first_message=GREETING)
        engine = house.parts.calls.live._engine  # type: ignore[union-attr]

        async def short_call(number: int) -> None:
            async with WebCallClient(house.url, KEY, MULAW_8K) as call:
                await call.start({"assistant_id": assistant})
                await call.send(b"\xff" * 1600)
                if number % 3 == 0:
                    return  # the client vanishes
                await call.hang_up()
                async for _ in call.events():
                    pass

        async def hold(numbers: range) -> None:
            for start in range(numbers.start, numbers.stop, 20):
                await asyncio.gather(*(short_call(number) for number in range(start, start + 20)))
            await asyncio.wait_for(engine.wait_empty(), 20)
            await house.parts.calls.flush()

        def settled() -> tuple[int, int, int]:
            gc.collect()
            # Neither the fake vendors' task for each open connection, which `_open_sockets` counts, nor the
            # work after the calls, of which a bounded number of jobs runs at a time.
            names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
            calls_tasks = [name for name in names if name not in ("RequestHandler.start", "attempt")]
            return len(calls_tasks), _open_sockets(), _resident_bytes()

        await hold(range(0, 40))
        tasks, sockets, memory = settled()
        await hold(range(40, 240))
        tasks_after, sockets_after, memory_after = settled()
        assert tasks_after <= tasks + 2
        assert sockets_after <= sockets + 4
        assert memory_after - memory < 20 * 1024 * 1024
        async with house.http.get(f"{house.url}/api/v1/calls?limit=1000") as answer:
            listed = (await answer.json())["calls"]
    assert len(listed) == 240
    assert {call["status"] for call in listed} == {"ended"}
