"""A server that is killed, or told to stop, while people talk with it by a trunk and by a carrier."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import FakeOpenAIChat
from tests.fakes.twilio import FakeTwilio, TwilioCall
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.sip.peers.test_sipp import free_port
from tests.whole.handset import Handset, handset
from tests.whole.processes import KEY, STOP_SECONDS, Served, beside, served
from tests.whole.test_carriers_twilio import ACCOUNT, TOKEN
from tests.whole.test_sip_calls import CALLER, DESK, GREETING, NUMBER

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

    async def reported(self, count: int) -> list[str]:
        """The calls whose end-of-call-report came, once so many did."""
        async with asyncio.timeout(TAKEN_OVER_SECONDS):
            while len(found := self._reports()) < count:  # noqa: ASYNC110 - the receiver is in another thread
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


async def calls_of(server: Served) -> dict[str, tuple[str, str]]:
    """Status and end reason of each call, by its id."""
    async with api(server) as client:
        found = (await client.get("/calls")).raise_for_status().json()["calls"]
    return {call["id"]: (call["status"], call["end_reason"]) for call in found}


async def have_carrier(server: Served) -> str:
    """An account at the carrier, and a number there; returns its voice URL."""
    async with api(server) as client:
        [assistant] = (await client.get("/assistants")).raise_for_status().json()["assistants"]
        for path, body in (
            ("/byok", {"provider": "twilio", "api_key": TOKEN}),
            ("/byok/config", {"provider": "twilio", "config": {"account_sid": ACCOUNT}}),
        ):
            (await client.post(path, json=body)).raise_for_status()
        number = {"phone_number": DESK, "assistant_id": assistant["id"], "carrier": "twilio"}
        made = (await client.post("/numbers", json=number)).raise_for_status().json()
    return str(made["number"]["carrier_url"])


async def carried_out(server: Served, twilio: FakeTwilio) -> TwilioCall:
    """A call that the carrier places for us, answered and greeted."""
    async with api(server) as client:
        numbers = (await client.get("/numbers")).raise_for_status().json()["numbers"]
        number = next(number for number in numbers if number["phone_number"] == DESK)
        order = {"destination": CALLER, "assistant_id": number["assistant_id"], "number_id": number["id"]}
        (await client.post("/calls/outbound", json=order)).raise_for_status()
    await twilio.wait_until(lambda: bool(twilio.orders))
    call = next(call for call in twilio.calls.values() if call.fields["Direction"] == "outbound-api")
    await call.until_heard(0.3)
    return call


async def drained(server: Served, twilio: FakeTwilio, voice_url: str) -> None:
    """Told to stop, the server turns callers away, goes on with the call that it has, and leaves when that is over."""
    call = await twilio.ring(voice_url, CALLER, DESK)
    await call.until_heard(0.5)
    server.process.terminate()
    call.forget()
    await call.press("5#")
    await call.until_heard(0.3)
    assert (await twilio.ring(voice_url, CALLER, DESK)).rejected == "busy"
    assert not call.stream_over.is_set()
    await call.hang_up()
    assert await asyncio.to_thread(server.process.wait, STOP_SECONDS) == 0


async def test_a_killed_server_leaves_no_call_behind_and_a_stopping_one_lets_calls_end(tmp_path: Path) -> None:
    surroundings, sip_port, port = Surroundings(), free_port(), free_port()
    listen = f"udp://127.0.0.1:{sip_port}"
    async with FakeTwilio(ACCOUNT, TOKEN) as twilio:
        reachable = {"port": str(port), "public_url": f"http://127.0.0.1:{port}", "byok_to_base_urls": "true"}
        settings = {**reachable, "TWILIO_BASE_URL": twilio.url}
        with surroundings.living():
            with surroundings.serve(tmp_path, None, listen, **settings) as server:
                await prepare(server, surroundings)
                voice_url = await have_carrier(server)
                async with talking(server, sip_port):
                    carried = [await twilio.ring(voice_url, CALLER, DESK), await carried_out(server, twilio)]
                    await carried[0].until_heard(0.3)
                    server.process.kill()
                    await asyncio.to_thread(server.process.wait)
                for call in carried:
                    await call.until(call.stream_over.is_set)
            with surroundings.serve(tmp_path, None, listen, **settings) as server:
                killed = await surroundings.reported(3)
                calls = await calls_of(server)
                assert calls == dict.fromkeys(killed, ("ended", "server_shutdown"))
                async with talking(server, sip_port) as phone:  # its ports are free, and calls come in again
                    phone.hang_up()
                await drained(server, twilio, voice_url)
            with surroundings.serve(tmp_path, None, listen, **settings) as server:
                reported = await surroundings.reported(5)
                calls = await calls_of(server)
    assert sorted(reported) == sorted(calls)
    assert [calls[call] for call in reported if call not in killed] == [("ended", "user_hangup")] * 2
