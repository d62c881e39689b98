"""A call that rings several phones at once, or one after the other: each negotiates for itself, and one is kept."""

import asyncio

import pytest

from dialtone.sip.events import Answered, OfferReceived, Ringing
from dialtone.sip.message import Request, Response
from dialtone.sip.offer_answer import LocalAudio, answer_offer
from tests.sip.stage import ANSWER, AUDIO, OFFER, Phone, order, phone, run
from tests.sip.wire import Wire, wire

OTHER_ANSWER = answer_offer(OFFER, LocalAudio("192.0.2.3", 30000), AUDIO)[0]
MOVED = ANSWER.replace("20000", "20010").replace(" 1 IN", " 2 IN")


async def rings(bob: Wire, alice: Phone, invite: Request, tag: str, answer: str = "", status: int = 183) -> Request:
    """An early dialog whose provisional answer must be acknowledged; the PRACK, not answered yet."""
    bob.send(bob.answer(invite, status, tag, answer, require="100rel", rseq="1"), alice)
    prack = await bob.request("PRACK")
    assert prack.to.tag == tag
    return prack


def update(bob: Wire, invite: Request, tag: str, offer: str, number: int = 1) -> Request:
    """A request of the other side within the dialog with this tag."""
    us, them = invite.lines("from")[0], f"{invite.lines('to')[0]};tag={tag}"
    return bob.new("UPDATE", number=number, body=offer, from_=them, to=us, call_id=invite.call_id)


@pytest.mark.parametrize("reliable", [True, False])
def test_the_description_of_who_answers_counts(reliable: bool) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            if reliable:
                bob.send(bob.answer(await rings(bob, alice, invite, "first", ANSWER), 200), alice)
            else:
                bob.send(bob.answer(invite, 183, "first", ANSWER), alice)
            assert await alice.expect(Ringing) == Ringing(call, 183, "Session Progress", ANSWER, fork="first")
            bob.send(bob.answer(invite, 200, "second", OTHER_ANSWER), alice)
            assert await alice.expect(Answered) == Answered(call, OTHER_ANSWER, fork="second", source="127.0.0.1")

    run(main())


@pytest.mark.parametrize("reliable", [True, False])
def test_what_was_described_while_it_rang_is_told_again_with_the_answer(reliable: bool) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            for tag, answer in (("first", ANSWER), ("second", OTHER_ANSWER)):
                if reliable:
                    bob.send(bob.answer(await rings(bob, alice, invite, tag, answer), 200), alice)
                else:
                    bob.send(bob.answer(invite, 183, tag, answer), alice)
            bob.send(bob.answer(invite, 200, "first"), alice)
            assert await alice.eventually(Answered) == Answered(call, ANSWER, fork="first", source="127.0.0.1")

    run(main())


@pytest.mark.parametrize("status", [481, None])
def test_a_phone_that_did_not_answer_changes_nothing_any_more(status: int | None) -> None:
    """Its PRACK is refused, or never answered."""

    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            prack = await rings(bob, alice, invite, "first")
            bob.send(bob.answer(invite, 200, "second", ANSWER), alice)
            await bob.request("ACK")
            await alice.eventually(Answered)
            if status is not None:
                bob.send(bob.answer(prack, status), alice)
            await asyncio.sleep(100)
            assert (alice.unseen, bob.unseen) == ([], [])
            alice.agent.hangup(call)
            bye = await bob.request("BYE")
            assert bye.to.tag == "second"
            bob.send(bob.answer(bye, 200), alice)

    run(main())


@pytest.mark.parametrize("tag", ["first", "second"])
def test_a_phone_that_is_gone_before_the_answer_leaves_the_call_to_ring(tag: str) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(await rings(bob, alice, invite, "first", status=180), 481), alice)
            await asyncio.sleep(100)
            assert bob.unseen == []
            bob.send(bob.answer(invite, 200, tag, ANSWER), alice)
            await bob.request("ACK")
            assert (await alice.eventually(Answered)).fork == tag

    run(main())


def test_each_may_offer_anew_before_the_answer() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            for tag, answer in (("first", ANSWER), ("second", OTHER_ANSWER)):
                bob.send(bob.answer(await rings(bob, alice, invite, tag, answer), 200), alice)
            bob.send(bob.answer(invite, 180, "third"), alice)
            for _ in range(3):
                await alice.expect(Ringing)

            bob.send(update(bob, invite, "third", MOVED), alice)
            await bob.response(491)  # our offer is still open there
            bob.send(update(bob, invite, "first", MOVED), alice)
            assert await alice.expect(OfferReceived) == OfferReceived(call, MOVED, "first")
            bob.send(update(bob, invite, "second", MOVED), alice)
            assert await alice.expect(OfferReceived) == OfferReceived(call, MOVED, "second")
            alice.agent.answer_offer(call, OFFER, "first")
            accepted = await bob.response(200)
            assert (accepted.from_.tag, accepted.body.decode()) == ("first", OFFER)
            alice.agent.refuse_offer(call, 488, "second")
            assert (await bob.response(488)).from_.tag == "second"

            bob.send(bob.answer(invite, 200, "first"), alice)
            assert await alice.expect(Answered) == Answered(call, None, fork="first", source="127.0.0.1")

    run(main())


def test_an_offer_of_who_did_not_answer_is_taken_back() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(await rings(bob, alice, invite, "first", ANSWER), 200), alice)
            bob.send(update(bob, invite, "first", MOVED), alice)
            await alice.eventually(OfferReceived)
            bob.send(bob.answer(invite, 200, "second", OTHER_ANSWER), alice)
            both = {type(message): message for message in (await bob.next(), await bob.next())}
            refused, acknowledged = both[Response], both[Request]
            assert isinstance(refused, Response)
            assert isinstance(acknowledged, Request)
            assert (refused.status, acknowledged.method) == (487, "ACK")
            assert await alice.expect(Answered) == Answered(call, OTHER_ANSWER, fork="second", source="127.0.0.1")

    run(main())
