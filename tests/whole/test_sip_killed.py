"""A server that is killed while somebody is on the telephone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import FakeOpenAIChat
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.sip.peers.test_sipp import free_port
from tests.whole.handset import Handset, handset
from tests.whole.processes import KEY, Served, beside, served
from tests.whole.test_sip_calls import GREETING, NUMBER

TAKEN_OVER_SECONDS = 60.0
"""What a killed process was doing is taken over after 20 s; a busy machine gets more."""


class Surroundings:
    """Vendors and the receiver, which live on."""

    def __init__(self) -> None:
        self.ears, self.brain, self.voice = FakeDeepgram(), FakeOpenAIChat(), FakeElevenLabs()
        self.receiver = WebhookReceiver()

    @contextmanager
    def living(self) -> Iterator[None]:
        with ExitStack() as stack:
            for fake in (self.ears, self.brain, self.voice, self.receiver):
                stack.enter_context(beside(fake))
            yield

    def serve(self, data_dir: Path, database_url: str | None, sip_listen: str, **settings: str) -> Any:
        environment = {
            "DEEPGRAM_BASE_URL": self.ears.url,
            "OPENAI_BASE_URL": self.brain.url,
            "ELEVENLABS_BASE_URL": self.voice.url,
            **{f"{vendor}_API_KEY": "of the fake" for vendor in ("DEEPGRAM", "OPENAI", "ELEVENLABS")},
        }
        more = {"sip_listen": sip_listen, "rtp_ports": "36000-36999", **settings}
        return served(data_dir, database_url, allow_private_addresses="true", **more, **environment)

    async def reported(self) -> list[str]:
        """The calls whose end-of-call-report came, once one did."""
        async with asyncio.timeout(TAKEN_OVER_SECONDS):
            while not (found := self._reports()):  # noqa: ASYNC110 - the receiver is in another thread
                await asyncio.sleep(0.1)
        return found

    def _reports(self) -> list[str]:
        return [
            received.message["call"]["id"]
            for received in list(self.receiver.received)
            if received.event == "end-of-call-report"
        ]


def api(server: Served) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {KEY}"}, timeout=30)


async def prepare(server: Served, surroundings: Surroundings, **trunk: str) -> None:
    async with api(server) as client:
        assistant = {"name": "Ada", "first_message": GREETING, "webhook_url": surroundings.receiver.url}
        made = (await client.post("/assistants", json=assistant)).raise_for_status().json()
        number = {"phone_number": NUMBER, "assistant_id": made["assistant"]["id"]}
        (await client.post("/numbers", json=number)).raise_for_status()
        fields = {"name": "Carrier", "provider": "other", "address": "127.0.0.1", **trunk}
        (await client.post("/sip-trunks", json=fields)).raise_for_status()


@asynccontextmanager
async def talking(server: Served, sip_port: int) -> AsyncIterator[Handset]:
    async with handset() as phone:
        await phone.dial(f"sip:{NUMBER}@127.0.0.1:{sip_port}")
        await phone.until_heard(0.5)
        yield phone


async def only_call(server: Served) -> dict[str, Any]:
    async with api(server) as client:
        [call] = (await client.get("/calls")).raise_for_status().json()["calls"]
        return dict(call)


async def test_a_killed_server_leaves_no_call_behind(tmp_path: Path) -> None:
    surroundings, sip_port = Surroundings(), free_port()
    listen = f"udp://127.0.0.1:{sip_port}"
    with surroundings.living():
        with surroundings.serve(tmp_path, None, listen) as server:
            await prepare(server, surroundings)
            async with talking(server, sip_port):
                server.process.kill()
                await asyncio.to_thread(server.process.wait)
        with surroundings.serve(tmp_path, None, listen) as server:
            reports, call = await surroundings.reported(), await only_call(server)
            assert reports == [call["id"]]
            assert (call["status"], call["end_reason"]) == ("ended", "server_shutdown")
            async with talking(server, sip_port) as phone:  # its ports are free, and calls come in again
                phone.hang_up()
