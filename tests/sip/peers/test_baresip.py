"""Calls with baresip, a whole telephone: its own offers, answers, keys and re-INVITEs."""

import asyncio
from pathlib import Path

import pytest

from dialtone.sip.admission import Admission, RequestFacts
from dialtone.sip.events import Answered, Confirmed, Ended, IncomingCall, OfferAnswered, PeerChanged
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, answer_offer, apply_answer, make_offer
from dialtone.sip.peers import PeerOrder
from dialtone.sip.sdp import with_direction
from tests.sip.peers.programs import program, real_phone, running
from tests.sip.peers.test_sipp import free_port, port_of
from tests.sip.stage import Phone, order
from tests.sip.test_admission import ask_for_password

CONFIG = """
sip_listen 127.0.0.1:{port}
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
rtp_timeout 0
module_path {modules}
module aubridge.so
module g711.so
module srtp.so
module_app account.so
module_app menu.so
"""

MODULES = Path("/usr/lib/baresip/modules")


def configure(folder: Path, port: int, account: str) -> None:
    (folder / "config").write_text(CONFIG.format(port=port, modules=MODULES))
    (folder / "accounts").write_text(account + "\n")
    (folder / "contacts").write_text("")


async def ready(alice: Phone, port: int) -> None:
    """Wait until baresip answers OPTIONS."""
    alice.agent.watch(PeerOrder("baresip", f"sip:bob@127.0.0.1:{port}", 1000))
    assert (await alice.expect(PeerChanged)).reachable


@pytest.mark.parametrize("srtp", ["off", "required"])
async def test_we_call_baresip_hold_it_and_hang_up(srtp: str, tmp_path: Path) -> None:
    baresip, port = program("baresip"), free_port()
    encryption = ";mediaenc=srtp-mand" if srtp == "required" else ""
    configure(tmp_path, port, f"<sip:bob@127.0.0.1:{port}>;regint=0;answermode=auto{encryption}")
    options = AudioOptions(srtp=srtp)  # type: ignore[arg-type]
    offer = make_offer(LocalAudio("127.0.0.1", 40000), options)
    async with real_phone() as alice, running(baresip, "-f", str(tmp_path), folder=tmp_path):
        await ready(alice, port)
        call = alice.agent.invite(order(f"sip:bob@127.0.0.1:{port}", offer))
        answered = await alice.eventually(Answered)
        agreed = apply_answer(offer, answered.description or "", options)
        assert agreed.codec in ("PCMA", "PCMU")
        assert (agreed.receive_key is not None) == (srtp == "required")
        await held(alice, call, offer)
        alice.agent.hangup(call)
        await asyncio.sleep(0.2)  # for baresip to say goodbye before it is stopped


async def held(alice: Phone, call: str, offer: str) -> None:
    alice.agent.hold(call)
    event = await alice.expect(OfferAnswered)
    agreed = apply_answer(with_direction(offer, "sendonly"), event.description or "", AudioOptions())
    assert agreed.direction in ("sendonly", "inactive")


async def test_baresip_logs_in_and_calls_us(tmp_path: Path) -> None:
    baresip = program("baresip")
    async with real_phone(admit=ask_for_password) as bob:
        port = free_port()
        there = f"127.0.0.1:{port_of(bob)}"
        configure(tmp_path, port, f"<sip:alice@{there}>;auth_pass=secret;regint=0")
        command = [baresip, "-f", str(tmp_path), "-e", f"/dial sip:bob@{there}"]
        async with running(*command, folder=tmp_path):
            call = await bob.expect(IncomingCall)
            assert call.tag == "user alice"
            answer, agreed = answer_offer(call.offer or "", LocalAudio("127.0.0.1", 40000), AudioOptions())
            assert agreed.codec in ("PCMA", "PCMU")
            bob.agent.ring(call.call)
            bob.agent.answer(call.call, answer)
            await bob.expect(Confirmed)
            await held(bob, call.call, answer)
            bob.agent.hangup(call.call)
            assert isinstance(bob.events[-1], Ended)
            await asyncio.sleep(0.2)  # for baresip to say goodbye before it is stopped


async def test_a_wrong_password_of_baresip_is_refused(tmp_path: Path) -> None:
    baresip = program("baresip")
    tried = asyncio.Event()

    async def admit(facts: RequestFacts) -> Admission:
        if facts.username is not None:
            tried.set()
        return await ask_for_password(facts)

    async with real_phone(admit=admit) as bob:
        port = free_port()
        there = f"127.0.0.1:{port_of(bob)}"
        configure(tmp_path, port, f"<sip:alice@{there}>;auth_pass=wrong;regint=0")
        async with running(baresip, "-f", str(tmp_path), "-e", f"/dial sip:bob@{there}", folder=tmp_path):
            async with asyncio.timeout(20):
                await tried.wait()
        assert not any(isinstance(event, IncomingCall) for event in bob.events)
