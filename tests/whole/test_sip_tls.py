"""A served process behind a TLS trunk, its audio by SRTP; the telephone is baresip."""

import asyncio
import io
import wave
from pathlib import Path
from typing import Any

import numpy as np

from tests.sip.certificates import make_certificate
from tests.sip.peers.baresip import Baresip, baresip
from tests.sip.peers.programs import program
from tests.sip.peers.test_sipp import free_port
from tests.sip.peers.tones import THEIRS, seconds_of
from tests.whole.processes import Served
from tests.whole.test_killed_calls import Surroundings, api, prepare
from tests.whole.test_sip_calls import CALLER, NUMBER


async def call_in(server: Served, bob: Baresip, sip_port: int) -> None:
    bob.tell("dial", f"sip:{NUMBER}@127.0.0.1:{sip_port};transport=tls")


async def call_out(server: Served, bob: Baresip, sip_port: int) -> None:
    async with api(server) as client:
        [assistant] = (await client.get("/assistants")).raise_for_status().json()["assistants"]
        order = {"destination": CALLER, "assistant_id": assistant["id"]}
        (await client.post("/calls/outbound", json=order)).raise_for_status()


async def ended(server: Served, calls: int) -> list[dict[str, Any]]:
    """So many calls, the newest first, once they are over."""
    async with api(server) as client, asyncio.timeout(20):
        while True:
            found: list[dict[str, Any]] = (await client.get("/calls")).raise_for_status().json()["calls"]
            if len(found) == calls and all(call["status"] == "ended" for call in found):
                return [(await client.get(f"/calls/{call['id']}")).raise_for_status().json() for call in found]
            await asyncio.sleep(0.1)


async def recorded(server: Served, call: dict[str, Any]) -> tuple[float, float]:
    """Seconds of baresip's tone on the telephone's side, and loud ones on the assistant's."""
    async with api(server) as client:
        data = (await client.get(call["recording_url"], follow_redirects=True)).raise_for_status().content
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    loud = np.abs(samples[:, 1].astype(int)) > 500
    return seconds_of(THEIRS, samples[:, 0], rate), float(loud.sum()) / rate


async def test_calls_over_tls_with_srtp_in_and_out(tmp_path: Path) -> None:
    program("baresip")
    surroundings, sip_port = Surroundings(), free_port()
    certificate = str(make_certificate(tmp_path))
    tls = {"sip_tls_certificate": certificate, "sip_tls_key": certificate, "SSL_CERT_FILE": certificate}
    account = ";regint=0;answermode=auto;mediaenc=srtp-mand"
    config = f"sip_certificate {certificate}\nsip_cafile {certificate}\n"
    with (
        surroundings.living(),
        surroundings.serve(tmp_path / "data", None, f"tls://127.0.0.1:{sip_port}", **tls) as server,
    ):
        async with baresip(tmp_path / "bob", account, config=config, user=CALLER, domain="127.0.0.1") as bob:
            await prepare(server, surroundings, address=f"127.0.0.1:{bob.port + 1}", transport="tls")
            for place in (call_in, call_out):
                await place(server, bob, sip_port)
                await bob.until_loud(0.7)
                bob.tell("hangup")
                await bob.expect("CALL_CLOSED")
                bob.forget()
        calls = await ended(server, 2)
        audio = [await recorded(server, call) for call in calls]
        complaints = server.complaints()
    assert [(call["direction"], call["end_reason"]) for call in calls] == [
        ("outbound", "user_hangup"),
        ("inbound", "user_hangup"),
    ]
    assert [[" by SRTP" in note for note in call["notes"]] for call in calls] == [[True], [True]]
    for theirs, ours in audio:
        assert theirs > 0.5
        assert ours > 0.5
    assert complaints == []
