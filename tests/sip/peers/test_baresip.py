"""Calls with baresip in which a tone goes each way: codecs, transports, logins, keys, holding, moving, transfers."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from dialtone.sip.events import Ended, IncomingCall, OfferReceived, ReferReceived, Ringing, TransferProgress
from tests.sip.certificates import make_certificate
from tests.sip.peers.baresip import Baresip, baresip
from tests.sip.peers.programs import program
from tests.sip.peers.tone_phone import ToneLine, TonePhone, tone_phone
from tests.sip.peers.tones import CAROLS, OURS, THEIRS
from tests.sip.stage import order
from tests.sip.test_admission import ask_for_password

KEYS = "159*0#"
LOGIN = "auth_user=alice;auth_pass=secret"
AUTO, MANUAL = ";regint=0;answermode=auto", ";regint=0;answermode=manual"


@dataclass(frozen=True, slots=True)
class Case:
    codec: str
    transport: str = "udp"
    keys: bool = True
    """Opus has a clock of 48 kHz, for which this baresip knows no key events (RFC 4733)."""
    packet_ms: int = 20
    """What baresip asks for where it calls; an answer of it asks for what the offer did."""

    @property
    def encrypted(self) -> bool:
        return self.transport == "tls"


CASES = (
    Case("PCMU"),
    Case("PCMU", "tcp"),
    Case("PCMA"),
    Case("G722"),
    Case("opus", keys=False),
    Case("PCMU", "tls"),
    Case("opus", "tls", keys=False),
    Case("PCMU", packet_ms=60),
    Case("PCMA", packet_ms=10),
    Case("G722", "tls", packet_ms=30),
    Case("opus", keys=False, packet_ms=40),
)


async def talk(line: ToneLine, bob: Baresip, case: Case) -> None:
    """Both hear each other, and each other's keys; then we hang up."""
    await asyncio.gather(line.until_heard(THEIRS), bob.until_heard(OURS))
    assert line.session.statistics.codec == case.codec
    assert line.session.statistics.encrypted == case.encrypted
    heard_seconds = len(line.heard) / line.session.audio.bytes_per_second
    sent_seconds = line.session.statistics.packets_sent * case.packet_ms / 1000
    assert sent_seconds == pytest.approx(heard_seconds, abs=0.13)
    if case.keys:
        line.session.send_dtmf(KEYS)
        bob.tell("sndcode", KEYS)
        assert "".join([(await bob.expect("CALL_DTMF_START"))["param"] for _ in KEYS]) == KEYS
        await line.until_keys(KEYS)
    line.hang_up()
    await bob.expect("CALL_CLOSED")


def contexts(folder: Path) -> tuple[Path, ssl.SSLContext, ssl.SSLContext]:
    """A certificate for both ends, and what our end serves and trusts."""
    folder.mkdir()
    certificate = make_certificate(folder)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    return certificate, ours, ssl.create_default_context(cafile=str(certificate))


async def we_call(folder: Path, case: Case) -> None:
    account = AUTO + (";mediaenc=srtp-mand" if case.encrypted else "")
    certificate, _, trusted = contexts(folder)
    config = f"sip_certificate {certificate}\n"
    async with (
        tone_phone(case.codec, encryption="required" if case.encrypted else "off", tls_client=trusted) as alice,
        baresip(folder, account, codec=case.codec, config=config) as bob,
    ):
        port = bob.port + 1 if case.transport == "tls" else bob.port
        line = await alice.dial(f"sip:bob@127.0.0.1:{port};transport={case.transport}")
        await talk(line, bob, case)


async def they_call(folder: Path, case: Case) -> None:
    """They log in for it."""
    account = f";regint=0;{LOGIN};ptime={case.packet_ms}" + (";mediaenc=srtp-mand" if case.encrypted else "")
    certificate, served, _ = contexts(folder)
    transports = ("udp", "tcp", "tls")
    async with (
        tone_phone(
            case.codec,
            encryption="required" if case.encrypted else "off",
            transports=transports,
            certificate=served,
            admit=ask_for_password,
        ) as alice,
        baresip(folder, account, codec=case.codec, config=f"sip_cafile {certificate}\n") as bob,
    ):
        bob.tell("dial", alice.phone.uri("alice", case.transport))
        line, invitation = await alice.pick_up()
        assert invitation.tag == "user alice"
        await talk(line, bob, case)


async def test_every_codec_and_transport_in_and_out(tmp_path: Path) -> None:
    program("baresip")
    calls = [(we_call, case) for case in CASES if case.packet_ms == 20] + [(they_call, case) for case in CASES]
    results = await asyncio.gather(
        *(how(tmp_path / f"{number}", case) for number, (how, case) in enumerate(calls)), return_exceptions=True
    )
    failed = {f"{how.__name__} {case}": result for (how, case), result in zip(calls, results, strict=True) if result}
    assert failed == {}


async def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    account = f";regint=0;{LOGIN.replace('secret', 'guessed')}"
    async with tone_phone(admit=ask_for_password) as alice, baresip(tmp_path / "bob", account) as bob:
        bob.tell("dial", alice.phone.uri("alice"))
        assert "401" in (await bob.expect("CALL_CLOSED"))["param"]
        assert not any(isinstance(event, IncomingCall) for event in alice.phone.events)


async def test_both_hold_and_resume_with_srtp(tmp_path: Path) -> None:
    """This baresip writes down no more of what it hears once a call was held; linphone's test has that."""
    async with (
        tone_phone(encryption="required") as alice,
        baresip(tmp_path / "bob", f"{AUTO};mediaenc=srtp-mand") as bob,
    ):
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        bob.tell("hold")
        line.answer_offer(await alice.phone.eventually(OfferReceived))
        await quiet(line)
        bob.tell("resume")
        line.answer_offer(await alice.phone.eventually(OfferReceived))
        await line.until_heard(THEIRS)
        alice.agent.hold(line.call)
        await line.agree()
        await quiet(line)
        alice.agent.resume(line.call)
        await line.agree()
        await line.until_heard(THEIRS)
        line.hang_up()
        await bob.expect("CALL_CLOSED")


async def quiet(line: ToneLine) -> None:
    """Nothing comes any more, once what is on its way is there."""
    await asyncio.sleep(0.3)
    line.forget()
    await asyncio.sleep(0.5)
    assert line.seconds_of(THEIRS) < 0.2
    line.forget()


async def test_we_move_to_other_ports(tmp_path: Path) -> None:
    async with tone_phone() as alice, baresip(tmp_path / "bob", AUTO) as bob:
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        await line.move()
        await both_hear(line, bob)
        line.hang_up()
        await bob.expect("CALL_CLOSED")


async def both_hear(line: ToneLine, bob: Baresip) -> None:
    """From now on."""
    line.forget()
    heard = bob.seconds_heard(OURS)
    await asyncio.gather(line.until_heard(THEIRS), bob.until_heard(OURS, heard + 0.5))


async def test_nobody_takes_the_call(tmp_path: Path) -> None:
    async with tone_phone() as alice, baresip(tmp_path / "bob", MANUAL) as bob:
        there = f"sip:bob@127.0.0.1:{bob.port}"
        await we_give_up(alice, bob, there)
        await we_are_turned_away(alice, bob, there)
        alice.agent.invite(order(there, alice.line().negotiation.offer(), ring_seconds=0.5))
        assert (await alice.phone.eventually(Ended)).by == "unanswered"
        await bob.expect("CALL_CLOSED")
        bob.tell("dial", alice.phone.uri("alice"))
        alice.agent.ring((await alice.phone.eventually(IncomingCall)).call)
        await bob.expect("CALL_RINGING")
        bob.tell("hangup")
        assert (await alice.phone.eventually(Ended)).by == "cancelled"
        await bob.expect("CALL_CLOSED")
        bob.tell("dial", alice.phone.uri("alice"))
        alice.agent.reject((await alice.phone.eventually(IncomingCall)).call, 486)
        assert "486" in (await bob.expect("CALL_CLOSED"))["param"]


async def test_we_never_answer(tmp_path: Path) -> None:
    async with tone_phone(ring_seconds=0.5) as alice, baresip(tmp_path / "bob", MANUAL) as bob:
        bob.tell("dial", alice.phone.uri("alice"))
        alice.agent.ring((await alice.phone.eventually(IncomingCall)).call)
        await bob.expect("CALL_RINGING")
        assert (await alice.phone.eventually(Ended)).by == "unanswered"
        assert "480" in (await bob.expect("CALL_CLOSED"))["param"]


async def we_give_up(alice: TonePhone, bob: Baresip, there: str) -> None:
    call = alice.agent.invite(order(there, alice.line().negotiation.offer()))
    await alice.phone.eventually(Ringing)
    await bob.expect("CALL_INCOMING")
    alice.agent.hangup(call)
    assert (await alice.phone.eventually(Ended)).by == "us"
    await bob.expect("CALL_CLOSED")


async def we_are_turned_away(alice: TonePhone, bob: Baresip, there: str) -> None:
    alice.agent.invite(order(there, alice.line().negotiation.offer()))
    await alice.phone.eventually(Ringing)
    await bob.expect("CALL_INCOMING")
    bob.tell("hangup")
    assert (await alice.phone.eventually(Ended)).status == 486
    await bob.expect("CALL_CLOSED")


async def test_we_hand_baresip_over_to_somebody_else(tmp_path: Path) -> None:
    async with (
        tone_phone() as alice,
        tone_phone(hertz=CAROLS) as carol,
        baresip(tmp_path / "bob", AUTO) as bob,
    ):
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        alice.agent.refer(line.call, carol.phone.uri("carol"))
        carols, invitation = await carol.pick_up()
        await asyncio.gather(carols.until_heard(THEIRS), bob.until_heard(CAROLS))
        while (progress := await alice.phone.eventually(TransferProgress)).outcome is None:
            pass
        assert (progress.status, progress.outcome) == (200, "succeeded")
        assert invitation.replaces is None
        carols.hang_up()


async def test_baresip_hands_us_over_to_somebody_else(tmp_path: Path) -> None:
    async with (
        tone_phone() as alice,
        tone_phone(hertz=CAROLS) as carol,
        baresip(tmp_path / "bob", AUTO) as bob,
    ):
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        bob.tell("transfer", carol.phone.uri("carol"))
        refer = await alice.phone.eventually(ReferReceived)
        assert refer.target == carol.phone.uri("carol")
        alice.agent.accept_refer(line.call)
        answering = asyncio.create_task(carol.pick_up())
        onward = await alice.dial(refer.target)
        carols, _ = await answering
        alice.agent.notify_refer(line.call, 200)
        await bob.expect("CALL_CLOSED")
        await asyncio.gather(carols.until_heard(OURS), onward.until_heard(CAROLS))
        onward.hang_up()
