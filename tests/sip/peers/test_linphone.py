"""Calls with linphone, another family of telephones, in which a tone goes each way."""

import asyncio
from pathlib import Path

from dialtone.sip.events import Ended, IncomingCall, OfferReceived, Ringing, TransferProgress
from tests.sip.peers.linphone import Linphone, linphone
from tests.sip.peers.tone_phone import ToneLine, tone_phone
from tests.sip.peers.tones import CAROLS, OURS, THEIRS
from tests.sip.stage import order

KEYS = "1590"


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


async def test_linphone_turns_us_away(tmp_path: Path) -> None:
    async with tone_phone() as alice, linphone(tmp_path / "bob", answers=False) as bob:
        alice.agent.invite(order(f"sip:bob@127.0.0.1:{bob.port}", alice.line().negotiation.offer()))
        await alice.phone.eventually(Ringing)
        bob.tell("terminate")
        assert (await alice.phone.eventually(Ended)).status in (486, 603)


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
        while not (progress := await alice.phone.eventually(TransferProgress)).final:
            pass
        assert progress.status == 200
        assert carol.agent.calls == 1
        taken.hang_up()
        await bob.until_said("ended")
