"""The whole server on real sockets, its vendors fakes on real sockets, and a caller who speaks from a recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from dialtone.client import WebCallClient
from dialtone.client.conversation_view import ConversationView
from dialtone.media.audio import FRAME_SECONDS, MULAW_8K
from dialtone.server import Parts, create_app
from dialtone.serving import Server
from dialtone.settings import Settings
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import FakeOpenAIChat

KEY = "fl_test_of_the_whole_house"
VENDOR_SECRETS = {"deepgram": "dg-secret-1", "openai": "oa-secret-2", "elevenlabs": "el-secret-3"}
SPEECH = (Path(__file__).parent.parent / "media" / "speech_8k.ulaw").read_bytes()[:14_080]
"""The first words of a sentence spoken by espeak-ng, up to a moment between two of them: every call waits for them."""
SPEECH_SECONDS = len(SPEECH) / 8000


@dataclass
class WholeHouse:
    parts: Parts
    url: str
    http: aiohttp.ClientSession
    deepgram: FakeDeepgram
    chat: FakeOpenAIChat
    elevenlabs: FakeElevenLabs

    async def create(self, **fields: Any) -> str:
        body = {"name": "Ada", **fields}
        async with self.http.post(f"{self.url}/api/v1/assistants", json=body) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["assistant"]["id"])

    async def ended(self, call_id: str) -> dict[str, Any]:
        """The call's record, once no call is live any more: callers hear of the end before all of it is over."""
        await self.parts.calls.live._engine.wait_empty()  # type: ignore[union-attr]
        return await self.record(call_id)

    async def record(self, call_id: str) -> dict[str, Any]:
        """The call's record, once everything it told is written."""
        await self.parts.calls.flush()
        async with self.http.get(f"{self.url}/api/v1/calls/{call_id}") as answer:
            assert answer.status == 200
            record: dict[str, Any] = await answer.json()
            return record


@asynccontextmanager
async def whole_house(
    data_dir: Path,
    deepgram: FakeDeepgram | None = None,
    chat: FakeOpenAIChat | None = None,
    elevenlabs: FakeElevenLabs | None = None,
    database_url: str | None = None,
    **more_settings: Any,
) -> AsyncIterator[WholeHouse]:
    """A served house with its vendors; everything is gone afterwards."""
    async with AsyncExitStack() as stack:
        ears = await stack.enter_async_context(deepgram or FakeDeepgram())
        brain = await stack.enter_async_context(chat or FakeOpenAIChat())
        voice = await stack.enter_async_context(elevenlabs or FakeElevenLabs())
        settings = Settings(
            data_dir=data_dir,
            database_url=database_url,
            port=more_settings.pop("port", 0),
            api_key=SecretStr(KEY),
            allow_private_addresses=True,
            deepgram_base_url=ears.url,
            openai_base_url=brain.url,
            elevenlabs_base_url=voice.url,
            **{f"{vendor}_api_key": SecretStr(secret) for vendor, secret in VENDOR_SECRETS.items()},
            **more_settings,
        )
        app = create_app(settings)
        server = Server(app, settings)
        task = asyncio.create_task(server.serve())
        url = await server.ready()
        http = await stack.enter_async_context(
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}, connector=aiohttp.TCPConnector(limit=0))
        )
        try:
            yield WholeHouse(app.state.parts, url, http, ears, brain, voice)
        finally:
            server.should_exit = True
            await task


@dataclass
class Caller:
    """Speaks `SPEECH` at given seconds of its own audio, and is silent otherwise."""

    call: WebCallClient
    speaks_at: list[float] = field(default_factory=list)
    view: ConversationView = field(default_factory=ConversationView)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    over: bool = False

    async def talk(self) -> None:
        loop = asyncio.get_running_loop()
        start, count, speech = loop.time(), 0, b""
        while True:
            if self.speaks_at and count * FRAME_SECONDS >= self.speaks_at[0]:
                self.speaks_at.pop(0)
                speech = SPEECH
            frame, speech = speech[:160], speech[160:]
            await self.call.send(frame.ljust(160, b"\xff"))
            count += 1
            await asyncio.sleep(start + count * FRAME_SECONDS - loop.time())

    async def listen(self) -> None:
        async for event in self.call.events():
            self.view.take(event)
            async with self.changed:
                self.changed.notify_all()
        async with self.changed:
            self.over = True
            self.changed.notify_all()

    async def until(self, said: str) -> None:
        """Wait until the assistant has said `said`, to its end."""
        async with asyncio.timeout(15), self.changed:
            await self.changed.wait_for(lambda: any(said in line["text"] for line in self.assistant_lines()))

    async def until_over(self) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.over)

    def assistant_lines(self) -> list[dict[str, Any]]:
        return [line for line in self.view.transcript if line["role"] == "assistant"]


@asynccontextmanager
async def calling(house: WholeHouse, assistant_id: str, *speaks_at: float) -> AsyncIterator[Caller]:
    """A caller on the line with an assistant."""
    async with WebCallClient(house.url, KEY, MULAW_8K) as call:
        await call.start({"assistant_id": assistant_id})
        caller = Caller(call, list(speaks_at))
        tasks = [asyncio.create_task(caller.talk()), asyncio.create_task(caller.listen())]
        try:
            yield caller
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
