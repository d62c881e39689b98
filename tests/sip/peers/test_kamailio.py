"""Calls through Kamailio, which logs everybody in and stays in the way of what follows (Record-Route)."""

import asyncio
from pathlib import Path

from dialtone.sip.events import Account, Ended, IncomingCall, RegistrationChanged
from dialtone.sip.registration import RegistrationOrder
from tests.sip.peers.baresip import Baresip, baresip
from tests.sip.peers.kamailio import (
    DIALTONE_NUMBER,
    DIALTONE_PASSWORD,
    TELEPHONE_NUMBER,
    kamailio,
    telephone_account,
)
from tests.sip.peers.tone_phone import ToneLine, TonePhone, tone_phone
from tests.sip.peers.tones import OURS, THEIRS
from tests.sip.stage import order

KEYS = "159*0#"


async def both_hear(line: ToneLine, bob: Baresip) -> None:
    heard = bob.seconds_heard(OURS)
    await asyncio.gather(line.until_heard(THEIRS), bob.until_heard(OURS, heard + 0.5))


async def press_keys(line: ToneLine, bob: Baresip) -> None:
    line.session.send_dtmf(KEYS)
    bob.tell("sndcode", KEYS)
    assert "".join([(await bob.expect("CALL_DTMF_START"))["param"] for _ in KEYS]) == KEYS
    await line.until_keys(KEYS)


async def not_taken(alice: TonePhone, bob: Baresip) -> None:
    """The telephone gives up; then it hears that we are busy."""
    bob.tell("dial", f"sip:{DIALTONE_NUMBER}@sip.example.com")
    alice.agent.ring((await alice.phone.eventually(IncomingCall)).call)
    await bob.expect("CALL_RINGING")
    bob.tell("hangup")
    assert (await alice.phone.eventually(Ended)).by == "cancelled"
    await bob.expect("CALL_CLOSED")
    bob.tell("dial", f"sip:{DIALTONE_NUMBER}@sip.example.com")
    alice.agent.reject((await alice.phone.eventually(IncomingCall)).call, 486)
    assert "486" in (await bob.expect("CALL_CLOSED"))["param"]


async def test_calls_go_both_ways_and_by_registration(tmp_path: Path) -> None:
    async with tone_phone() as alice:
        ours = next(address[1] for kind, address in alice.agent.listening_on() if kind == "udp")
        async with kamailio(tmp_path / "kamailio", ours) as port:
            there = f"127.0.0.1:{port}"
            account = Account("dialtone", DIALTONE_PASSWORD)
            alice.agent.register(RegistrationOrder("kamailio", f"sip:{there}", account))
            assert (await alice.phone.eventually(RegistrationChanged)).registered
            async with baresip(
                tmp_path / "bob", telephone_account(port), user=TELEPHONE_NUMBER, domain="sip.example.com"
            ) as bob:
                await bob.until_registered()
                line = await alice.dial(f"sip:{TELEPHONE_NUMBER}@{there}", account=account)
                await both_hear(line, bob)
                await press_keys(line, bob)
                await line.move()
                await both_hear(line, bob)
                alice.agent.refer(line.call, f"sip:{DIALTONE_NUMBER}@sip.example.com")
                taken, _ = await alice.pick_up()
                await both_hear(taken, bob)
                line.close()
                taken.hang_up()
                await bob.expect("CALL_CLOSED")
                for user in (DIALTONE_NUMBER, "dialtone"):  # by its address; where it registered
                    bob.tell("dial", f"sip:{user}@sip.example.com")
                    line, invitation = await alice.pick_up()
                    assert invitation.source == "127.0.0.1"
                    await both_hear(line, bob)
                    bob.tell("hangup")
                    assert (await alice.phone.eventually(Ended)).by == "them"
                    line.close()
                await not_taken(alice, bob)
            await alice.agent.drain()  # logs out, while there is somebody to log out at


async def test_a_wrong_password_gets_no_call_through(tmp_path: Path) -> None:
    async with tone_phone() as alice, kamailio(tmp_path / "kamailio", 9) as port:
        account = Account("dialtone", "guessed")
        line = alice.line()
        alice.agent.invite(order(f"sip:{TELEPHONE_NUMBER}@127.0.0.1:{port}", line.negotiation.offer(), account=account))
        assert (await alice.phone.eventually(Ended)).status == 407
