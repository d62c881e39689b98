"""Calls with linphone, another family of telephones, in which a tone goes each way."""

import asyncio
from pathlib import Path

from dialtone.sip.events import Ended, IncomingCall, OfferReceived, ReferReceived, Ringing, TransferProgress
from tests.sip.peers.linphone import Linphone, linphone
from tests.sip.peers.tone_phone import ToneLine, tone_phone
from tests.sip.peers.tones import CAROLS, OURS, THEIRS
from tests.sip.stage import order

KEYS = "1590"
SOON_GIVES_UP = "inc_timeout=1\ninc_timeout_status_code=480"
WE_REFRESH = """
session_expires_enabled=1
session_expires_value=90
session_expires_min_value=90
session_expires_refresher_value=2
"""
"""Whoever called gives the signs of life."""


async def both_hear(line: ToneLine, bob: Linphone, ours: float = OURS) -> None:
    """From now on."""
    line.forget()
    heard = bob.seconds_heard(ours)
    await asyncio.gather(line.until_heard(THEIRS), bob.until_heard(ours, heard + 0.5))


async def test_we_call_linphone_which_holds_and_resumes(tmp_path: Path) -> None:
    async with tone_phone("PCMA") as alice, linphone(tmp_path / "bob") as bob:
        bob.speak_and_listen()
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        line.session.send_dtmf(KEYS)
        for key in KEYS:
            await bob.until_said(f"Receiving tone {key}")
        bob.tell("7")
        await line.until_keys("7")
        bob.tell("pause")
        line.answer_offer(await alice.phone.eventually(OfferReceived))
        await asyncio.sleep(0.4)  # what is on its way
        heard = bob.seconds_heard(OURS)
        await asyncio.sleep(0.5)
        assert bob.seconds_heard(OURS) - heard < 0.2
        bob.tell("resume 1")
        line.answer_offer(await alice.phone.eventually(OfferReceived))
        await both_hear(line, bob)
        alice.agent.hold(line.call)
        await line.agree()
        await asyncio.sleep(0.3)
        line.forget()
        await asyncio.sleep(0.5)
        assert line.seconds_of(THEIRS) < 0.2
        alice.agent.resume(line.call)
        await line.agree()
        await both_hear(line, bob)
        await line.move()
        await both_hear(line, bob)
        line.hang_up()
        await bob.until_said("ended")


async def test_linphone_calls_us_over_tcp_and_gives_up(tmp_path: Path) -> None:
    async with tone_phone("PCMU") as alice, linphone(tmp_path / "bob") as bob:
        bob.speak_and_listen()
        bob.tell(f"call {alice.phone.uri('alice', 'tcp')}")
        line, invitation = await alice.pick_up()
        assert invitation.transport == "tcp"
        await both_hear(line, bob)
        bob.tell("terminate")
        assert (await alice.phone.eventually(Ended)).by == "them"
        line.close()
        bob.tell(f"call {alice.phone.uri('alice')}")
        alice.agent.ring((await alice.phone.eventually(IncomingCall)).call)
        await bob.until_said("ringing")
        bob.tell("terminate")
        assert (await alice.phone.eventually(Ended)).by == "cancelled"


async def test_linphone_turns_us_away_and_nobody_answers(tmp_path: Path) -> None:
    async with tone_phone() as alice, linphone(tmp_path / "bob", answers=False, sip=SOON_GIVES_UP) as bob:
        there = f"sip:bob@127.0.0.1:{bob.port}"
        alice.agent.invite(order(there, alice.line().negotiation.offer()))
        await alice.phone.eventually(Ringing)
        bob.tell("terminate")
        assert (await alice.phone.eventually(Ended)).status in (486, 603)
        alice.agent.invite(order(there, alice.line().negotiation.offer()))
        await alice.phone.eventually(Ringing)
        ended = await alice.phone.eventually(Ended)
        assert (ended.by, ended.status) == ("refused", 480)


async def test_we_refresh_the_session_by_updates_while_both_talk(tmp_path: Path) -> None:
    async with tone_phone(refresh_share=0.01) as alice, linphone(tmp_path / "bob", sip=WE_REFRESH) as bob:
        bob.speak_and_listen()
        line = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(line, bob)
        await bob.until_logged("Session-Expires: 90;refresher=uac\nMin-SE")  # ours: its own has no minimum
        await both_hear(line, bob)
        line.hang_up()
        await bob.until_said("ended")


async def test_linphone_puts_us_in_its_place(tmp_path: Path) -> None:
    """An attended transfer that the other side begins."""
    async with (
        tone_phone() as alice,
        tone_phone(hertz=CAROLS) as carol,
        linphone(tmp_path / "bob") as bob,
    ):
        bob.speak_and_listen()
        first = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(first, bob)
        bob.tell("pause")
        first.answer_offer(await alice.phone.eventually(OfferReceived))
        bob.tell(f"call {carol.phone.uri('carol')}")
        carols, _ = await carol.pick_up()
        bob.speak_and_listen()
        await asyncio.gather(carols.until_heard(THEIRS), bob.until_heard(CAROLS))
        bob.tell("transfer 1 --to-call 2")
        refer = await alice.phone.eventually(ReferReceived)
        alice.agent.accept_refer(first.call)
        answering = asyncio.create_task(carol.pick_up())
        # It names the other without a port, as one does where a proxy is in between.
        onward = await alice.dial(refer.target, replaces=refer.replaces, proxy=carol.phone.uri())
        taken, invitation = await answering
        assert invitation.replaces == carols.call
        alice.agent.notify_refer(first.call, 200)
        await asyncio.gather(taken.until_heard(OURS), onward.until_heard(CAROLS))
        assert (await alice.phone.eventually(Ended)).call == first.call
        assert carol.agent.calls == 1
        onward.hang_up()


async def test_an_attended_transfer_puts_linphone_in_our_place(tmp_path: Path) -> None:
    async with (
        tone_phone() as alice,
        tone_phone(hertz=CAROLS) as carol,
        linphone(tmp_path / "bob") as bob,
    ):
        bob.speak_and_listen()
        first = await alice.dial(f"sip:bob@127.0.0.1:{bob.port}")
        await both_hear(first, bob)
        answering = asyncio.create_task(carol.pick_up())
        second = await alice.dial(carol.phone.uri("carol"))
        carols, _ = await answering
        await asyncio.gather(second.until_heard(CAROLS), carols.until_heard(OURS))
        alice.agent.refer(first.call, carol.phone.uri("carol"), replaces=second.call)
        first.answer_offer(await alice.phone.eventually(OfferReceived))  # it holds the call meanwhile
        taken, invitation = await carol.pick_up()
        assert invitation.replaces == carols.call
        bob.speak_and_listen()
        await asyncio.gather(taken.until_heard(THEIRS), bob.until_heard(CAROLS))
        while (progress := await alice.phone.eventually(TransferProgress)).outcome is None:
            pass
        assert (progress.status, progress.outcome) == (200, "succeeded")
        assert carol.agent.calls == 1
        taken.hang_up()
        await bob.until_said("ended")
