"""A uvicorn server with a WebSocket door, and an owner who notes what lines tell him."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvicorn
from uvicorn.server import ServerState

from dialtone.lines import base
from dialtone.lines.websocket.door import Admission, Refusal, WebSocketDoor
from dialtone.lines.websocket.limits import Limits
from dialtone.media.audio import PCM_16K, AudioFormat

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


async def app(scope: Any, receive: Any, send: Any) -> None:
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
    config = uvicorn.Config(app, ws=door.protocol, http="httptools", lifespan="off", log_level="critical")
    async with uvicorn_port(config) as port, aiohttp.ClientSession() as http:
        yield House(port, owners, tokens, gate, formats, http)
    await door.close()


@asynccontextmanager
async def uvicorn_port(config: uvicorn.Config) -> AsyncIterator[int]:
    """Serve with uvicorn's own protocol, without the 0.1 s rounds of `uvicorn.Server`."""
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()


async def until_closed(client: aiohttp.ClientWebSocketResponse) -> list[dict[str, Any]]:
    """Every JSON message until the server has closed the socket."""
    received = []
    async with asyncio.timeout(8):
        async for message in client:
            if message.type == aiohttp.WSMsgType.TEXT:
                received.append(json.loads(message.data))
    return received
