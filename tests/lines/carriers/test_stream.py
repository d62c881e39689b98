"""The line of a media stream, on a real socket: what it tells its owner, and what it bears of a carrier."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import uvicorn

from dialtone.lines.base import TransferError
from dialtone.lines.carriers.base import CarrierError
from dialtone.lines.carriers.stream import StreamLine, key_frames
from dialtone.lines.carriers.twilio import TwilioStream
from dialtone.lines.websocket.door import Refusal, WebSocketDoor
from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode
from dialtone.media.rtp.dtmf_tones import ToneDetector
from tests.lines.carriers.test_twilio import CALL, START, STREAM
from tests.lines.house import Owner, app, uvicorn_port

FRAME = b"\x7f" * 160
TWO_SECONDS = base64.b64encode(bytes(16_000)).decode()


@dataclass
class Call:
    """The call that a stream is of."""

    lines: asyncio.Queue[StreamLine] = field(default_factory=asyncio.Queue)
    handed_over: list[str] = field(default_factory=list)
    while_handing_over: Callable[[], Any] | None = None
    refuses: str | None = None
    hung_up: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def started(self, line: StreamLine, call: str) -> bool:
        if call == CALL:
            self.lines.put_nowait(line)
        return call == CALL

    def left(self) -> None:
        self.gone.set()

    def hang_up(self) -> None:
        self.hung_up += 1

    async def hand_over(self, destination: str) -> None:
        if self.while_handing_over is not None:
            await self.while_handing_over()
        if self.refuses is not None:
            raise CarrierError(self.refuses)
        self.handed_over.append(destination)


@dataclass
class Carrier:
    """The far end."""

    socket: aiohttp.ClientWebSocketResponse

    async def send(self, event: str, **fields: Any) -> None:
        await self.socket.send_json({"event": event, "streamSid": STREAM, **fields})

    async def speak(self, audio: bytes) -> None:
        await self.send("media", media={"track": "inbound", "payload": base64.b64encode(audio).decode()})

    async def stop(self) -> None:
        await self.send("stop", stop={"callSid": CALL})

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await asyncio.wait_for(self.socket.receive(), 5)).data)
        return message

    async def closed_with(self) -> int | None:
        async with asyncio.timeout(5):
            async for _ in self.socket:
                pass
        return self.socket.close_code


@asynccontextmanager
async def streaming() -> AsyncIterator[tuple[Carrier, Call]]:
    """A carrier with an open socket."""
    call = Call()

    async def claim(*_: object) -> Refusal:
        return Refusal("none", "none")

    door = WebSocketDoor(claim)
    door.serve_below("/carriers/", lambda _: StreamLine(TwilioStream(), call))
    config = uvicorn.Config(app, ws=door.protocol, http="httptools", lifespan="off", log_level="critical")
    async with (
        uvicorn_port(config) as port,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{port}/carriers/twilio/stream/token") as socket,
    ):
        yield Carrier(socket), call


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Carrier, Call, StreamLine, Owner]]:
    """A stream that has begun, and its line in the hands of an owner."""
    async with streaming() as (carrier, call):
        await carrier.socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await carrier.socket.send_json(START)
        line = await asyncio.wait_for(call.lines.get(), 5)
        owner = Owner(line)
        line.attach(owner)
        yield carrier, call, line, owner


async def test_audio_keys_and_marks_go_both_ways() -> None:
    async with talking() as (carrier, call, line, owner):
        await carrier.speak(FRAME)
        await carrier.send("dtmf", dtmf={"track": "inbound_track", "digit": "7"})
        line.send_audio(FRAME)
        line.send_mark("here")
        line.clear_audio()
        assert base64.b64decode((await carrier.next())["media"]["payload"]) == FRAME
        assert (await carrier.next())["mark"] == {"name": "here"}
        assert (await carrier.next())["event"] == "clear"
        await carrier.send("mark", mark={"name": "here"})
        await owner.until(lambda: owner.marks == ["here"])
        assert (owner.audio, owner.dtmf) == ([FRAME], ["7"])
        await carrier.stop()
        await owner.until(lambda: owner.closed == [("The far end hung up.", False)])
        _, code = await asyncio.gather(line.close("user_hangup"), carrier.closed_with())
        assert code == 1000
        assert call.hung_up == 0  # the carrier knows


async def test_we_hang_up() -> None:
    async with talking() as (carrier, call, line, owner):
        await asyncio.gather(line.close("assistant_hangup"), carrier.closed_with())
        assert (call.hung_up, owner.closed) == (1, [])
        await asyncio.wait_for(call.gone.wait(), 5)


async def test_a_key_is_heard_as_its_tone_in_place_of_the_voice() -> None:
    async with talking() as (carrier, _, line, _):
        line.send_dtmf("5")
        line.send_audio(FRAME)
        line.send_mark("behind")
        heard = []
        while (message := await carrier.next())["event"] == "media":
            heard.append(base64.b64decode(message["media"]["payload"]))
    detector = ToneDetector(8000)
    keys = [detector.hear(decode(frame, MULAW_8K)) for frame in heard]
    assert [key for key in keys if key] == ["5"]
    assert tuple(heard) == key_frames("5", MULAW_8K)


async def test_what_came_before_its_owner_is_told_him_first() -> None:
    async with streaming() as (carrier, call):
        await carrier.speak(b"\x00" * 160)  # before the start nobody knows whose it is
        await carrier.socket.send_json(START)
        for _ in range(60):
            await carrier.speak(FRAME)
        await carrier.send("dtmf", dtmf={"track": "inbound_track", "digit": "1"})
        await carrier.stop()
        line = await asyncio.wait_for(call.lines.get(), 5)
        await carrier.socket.close()
        await asyncio.wait_for(call.gone.wait(), 5)
        owner = Owner(line)
        line.attach(owner)
        await owner.until(lambda: bool(owner.closed))
    assert set(owner.audio) == {FRAME}
    assert 49 <= len(owner.audio) <= 51  # a second of it
    assert owner.dtmf == ["1"]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([json.dumps({**START, "start": {**START["start"], "callSid": "CA" + "9" * 32}})], 4401),
        ([json.dumps(START), *(["nonsense"] * 21)], 4400),
        ([json.dumps(START), *[json.dumps({"event": "media", "media": {"payload": TWO_SECONDS}})] * 10], 4429),
        (['{"event": "mark", "mark": {"name": "x"}}'] * 51, 4429),
    ],
    ids=["another call", "nonsense", "too fast", "too many"],
)
async def test_what_no_carrier_does_ends_the_stream(messages: list[str], code: int) -> None:
    async with streaming() as (carrier, call):
        for message in messages:
            await carrier.socket.send_str(message)
        assert await carrier.closed_with() == code
        await asyncio.wait_for(call.gone.wait(), 5)


async def test_a_lost_connection_is_a_failure() -> None:
    async with talking() as (carrier, call, line, owner):
        assert carrier.socket._writer.transport is not None
        carrier.socket._writer.transport.abort()
        await owner.until(lambda: owner.closed == [("The carrier's connection was lost.", True)])
        await line.close("error")
        assert call.hung_up == 1  # in case the telephone call goes on


async def test_who_is_handed_over_does_not_hang_up() -> None:
    async with talking() as (carrier, call, line, owner):
        call.while_handing_over = carrier.stop
        await line.transfer("+31207654321")
        assert call.handed_over == ["+31207654321"]
        await asyncio.gather(line.close("transferred"), carrier.closed_with())
        assert (owner.closed, call.hung_up) == ([], 0)


@pytest.mark.parametrize(("leaves", "words"), [(False, "the carrier said no"), (True, "the caller hung up")])
async def test_who_is_not_handed_over_stays_or_has_hung_up(leaves: bool, words: str) -> None:
    async with talking() as (carrier, call, line, owner):
        call.refuses = "the carrier said no"

        async def leave() -> None:
            await carrier.stop()
            await carrier.socket.close()

        call.while_handing_over = leave if leaves else None
        with pytest.raises(TransferError, match=words):
            await line.transfer("+31207654321")
        assert [failed for _, failed in owner.closed] == ([False] if leaves else [])
