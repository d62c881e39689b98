"""What goes over the wire, and when: the transactions of RFC 3261 section 17 and RFC 6026."""

import asyncio

import pytest

from dialtone.sip.events import Account, Answered, Confirmed, Ended, IncomingCall, OfferReceived, Ringing
from dialtone.sip.message import Request
from tests.sip.stage import ANSWER, OFFER, order, phone, run
from tests.sip.wire import wire

DOUBLING = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
"""When an INVITE is sent on UDP, in seconds: timer A doubles until timer B."""
DOUBLING_TO_FOUR = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
"""When anything else is: timers E and G double up to 4 s."""


def gaps(times: list[float]) -> list[float]:
    return [at - times[0] for at in times]


def test_an_invite_is_sent_again_until_anything_comes_back() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            alice.agent.invite(order(bob.uri))
            assert (await alice.expect(Ended)).status == 408
            assert gaps(bob.times("INVITE")) == pytest.approx(DOUBLING, abs=0.05)
            assert len({message.to_bytes() for _, message in bob.messages}) == 1

    run(main())


def test_an_invite_that_is_being_tried_is_not_sent_again() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            alice.agent.invite(order(bob.uri))
            bob.send(bob.answer(await bob.request("INVITE"), 100), alice)
            await asyncio.sleep(100)
            assert (bob.unseen, alice.events) == ([], [])

    run(main())


def test_a_refusal_is_acknowledged_each_time_it_comes() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            refusal = bob.answer(invite, 486, "bob")
            bob.send(refusal, alice)
            ack = await bob.request("ACK")
            assert ack.via.branch == invite.via.branch
            assert ack.to.tag == "bob"
            assert ack.cseq == (invite.cseq[0], "ACK")
            assert (await alice.expect(Ended)).status == 486
            bob.send(refusal, alice)
            await bob.request("ACK")
            await asyncio.sleep(40)
            bob.send(refusal, alice)
            await asyncio.sleep(1)
            assert bob.unseen == []

    run(main())


def test_a_bye_is_sent_again_and_slower_once_it_is_being_tried() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            ours = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(invite, 200, "bob", ANSWER), alice)
            await bob.request("ACK")
            await alice.expect(Answered)
            alice.agent.hangup(ours)
            await alice.expect(Ended)
            await asyncio.sleep(60)
            assert gaps(bob.times("BYE")) == pytest.approx(DOUBLING_TO_FOUR, abs=0.05)

    run(main())


def test_our_answer_is_repeated_until_it_is_acknowledged() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            call = (await alice.expect(IncomingCall)).call
            await bob.response(100)
            alice.agent.answer(call, ANSWER)
            ended = await alice.expect(Ended)
            assert ended.by == "failed"
            assert gaps(bob.times(200)) == pytest.approx(DOUBLING_TO_FOUR, abs=0.05)
            await asyncio.sleep(0.1)
            assert bob.times("BYE")

    run(main())


def test_an_acknowledgement_with_the_branch_of_its_invite_counts() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER, branch="same"), alice)
            call = (await alice.expect(IncomingCall)).call
            alice.agent.answer(call, ANSWER)
            await bob.response(100)
            answer = await bob.response(200)
            bob.send(bob.new("ACK", to=answer.lines("to")[0], branch="same"), alice)
            assert (await alice.expect(Confirmed)).call == call
            await asyncio.sleep(60)
            assert (alice.unseen, bob.unseen) == ([], [])

    run(main())


def test_our_refusal_is_repeated_until_it_is_acknowledged() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            for acknowledged in (True, False):
                invite = bob.new("INVITE", body=OFFER, call_id=f"{acknowledged}")
                bob.send(invite, alice)
                call = (await alice.expect(IncomingCall)).call
                await bob.response(100)
                alice.agent.reject(call, 486)
                refusal = await bob.response(486)
                await alice.expect(Ended)
                if acknowledged:
                    ack = bob.new("ACK", call_id="True", to=refusal.lines("to")[0])
                    ack.set("via", invite.lines("via")[0])
                    bob.send(ack, alice)
                await asyncio.sleep(60)
                assert len(bob.times(486)) == (1 if acknowledged else 1 + len(DOUBLING_TO_FOUR))

    run(main())


def test_a_repeated_invite_is_one_call() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            invite = bob.new("INVITE", body=OFFER)
            for _ in range(3):
                bob.send(invite, alice)
            call = (await alice.expect(IncomingCall)).call
            await asyncio.sleep(0.1)
            alice.agent.ring(call)
            bob.send(invite, alice)
            await asyncio.sleep(0.1)
            assert alice.unseen == []
            assert len(bob.times(180)) == 2
            alice.agent.reject(call)
            await alice.expect(Ended)

    run(main())


def test_the_same_request_over_two_ways_is_taken_once() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            bob.send(bob.new("INVITE", body=OFFER), alice)
            await alice.expect(IncomingCall)
            await bob.response(100)
            await bob.response(482)
            assert alice.unseen == []

    run(main())


def test_answers_go_to_where_the_request_came_from() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            request = bob.new("OPTIONS", via="SIP/2.0/UDP behind.nat.example:9;branch=z9hG4bKx;rport")
            bob.send(request, alice)
            via = (await bob.response(200)).via
            assert via.params == {"branch": "z9hG4bKx", "rport": str(bob.port), "received": "127.0.0.1"}
            assert (via.host, via.port) == ("behind.nat.example", 9)
            via_other = f"SIP/2.0/UDP other.example:{bob.port};branch=z9hG4bKy"
            bob.send(bob.new("OPTIONS", number=2, via=via_other), alice)
            assert (await bob.response(200)).via.params == {"branch": "z9hG4bKy", "received": "127.0.0.1"}

    run(main())


def test_requests_of_old_senders_are_told_apart_without_a_branch() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            for number in (1, 1, 2):
                bob.send(bob.new("OPTIONS", number=number, via=f"SIP/2.0/UDP 127.0.0.1:{bob.port};rport"), alice)
            assert [(await bob.response(200)).cseq[0] for _ in range(3)] == [1, 1, 2]

    run(main())


def test_of_several_phones_that_answer_one_is_kept() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            ours = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            for tag in ("one", "two", "three"):
                bob.send(bob.answer(invite, 180, tag), alice)
                assert (await alice.expect(Ringing)).status == 180
            bob.send(bob.answer(invite, 200, "two", ANSWER), alice)
            assert (await bob.request("ACK")).to.tag == "two"
            assert await alice.expect(Answered) == Answered(ours, ANSWER, fork="two", source="127.0.0.1")
            bob.send(bob.answer(invite, 200, "one", ANSWER), alice)
            both = await bob.next(), await bob.next()
            extra = {message.method: message for message in both if isinstance(message, Request)}
            assert {method: message.to.tag for method, message in extra.items()} == {"ACK": "one", "BYE": "one"}
            bob.send(bob.answer(extra["BYE"], 200), alice)
            bob.send(bob.answer(invite, 200, "two", ANSWER), alice)
            assert (await bob.request("ACK")).to.tag == "two"
            await asyncio.sleep(40)
            assert alice.unseen == []
            alice.agent.hangup(ours)
            assert (await bob.request("BYE")).to.tag == "two"

    run(main())


def test_a_call_is_cancelled_only_once_it_is_known_at_the_other_side() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            ours = alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            alice.agent.hangup(ours)
            await asyncio.sleep(0.2)
            assert bob.unseen == []
            bob.send(bob.answer(invite, 180, "bob"), alice)
            cancel = await bob.request("CANCEL")
            assert (cancel.via.branch, cancel.to.tag, cancel.cseq[0]) == (invite.via.branch, "", invite.cseq[0])
            bob.send(bob.answer(cancel, 200, "bob"), alice)
            bob.send(bob.answer(invite, 487, "bob"), alice)
            await bob.request("ACK")
            assert (await alice.expect(Ended)).by == "us"

    run(main())


def test_a_cancel_that_nobody_takes_note_of_ends_in_time() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            loop = asyncio.get_running_loop()
            ours = alice.agent.invite(order(bob.uri))
            bob.send(bob.answer(await bob.request("INVITE"), 180, "bob"), alice)
            await alice.expect(Ringing)
            started = loop.time()
            alice.agent.hangup(ours)
            assert (await alice.expect(Ended)).by == "us"
            assert loop.time() - started == pytest.approx(32, abs=0.1)

    run(main())


def test_hanging_up_right_after_the_answer_waits_for_its_acknowledgement() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            call = (await alice.expect(IncomingCall)).call
            alice.agent.answer(call, ANSWER)
            alice.agent.hangup(call)
            await bob.response(100)
            answer = await bob.response(200)
            await asyncio.sleep(0.1)
            assert bob.unseen == []
            bob.send(bob.new("ACK", to=answer.lines("to")[0]), alice)
            bye = await bob.request("BYE")
            assert bye.to.tag == "wire"
            assert (await alice.expect(Ended)).by == "us"

    run(main())


def test_hanging_up_does_not_wait_for_the_acknowledgement_of_other_media() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            call = (await alice.expect(IncomingCall)).call
            alice.agent.answer(call, ANSWER)
            await bob.response(100)
            to = (await bob.response(200)).lines("to")[0]
            bob.send(bob.new("ACK", to=to), alice)
            bob.send(bob.new("INVITE", number=2, to=to, body=OFFER.replace("1 IN", "2 IN")), alice)
            await alice.expect(Confirmed)
            await alice.expect(OfferReceived)
            alice.agent.answer_offer(call, ANSWER)
            alice.agent.hangup(call)
            assert (await alice.expect(Ended)).by == "us"
            await bob.response(100)
            await bob.response(200)
            await bob.request("BYE")

    run(main())


@pytest.mark.parametrize("status", [487, 401, 503, 200])
@pytest.mark.parametrize("by", ["us", "them"])
def test_the_answer_to_an_offer_that_was_open_when_the_call_ended_is_acknowledged(by: str, status: int) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri, account=Account("alice", "secret")))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(invite, 200, "bob", ANSWER), alice)
            await bob.request("ACK")
            await alice.expect(Answered)
            alice.agent.hold(call)
            offer = await bob.request("INVITE")
            if by == "us":
                alice.agent.hangup(call)
                bob.send(bob.answer(await bob.request("BYE"), 200), alice)
            else:
                bye = bob.new("BYE", **{"from": f"{invite.lines('to')[0]};tag=bob"}, call_id=invite.call_id)
                bye.set("to", invite.lines("from")[0])
                bob.send(bye, alice)
                await bob.response(200)
            assert (await alice.expect(Ended)).by == by
            challenge = 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'
            for _ in range(2):
                bob.send(bob.answer(offer, status, www_authenticate=challenge), alice)
                assert (await bob.request("ACK")).cseq == (offer.cseq[0], "ACK")
            await asyncio.sleep(70)
            assert (bob.unseen, alice.unseen) == ([], [])

    run(main())


def test_an_offer_that_was_open_when_the_call_ended_is_forgotten_in_time() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order(bob.uri))
            bob.send(bob.answer(await bob.request("INVITE"), 200, "bob", ANSWER), alice)
            await bob.request("ACK")
            await alice.expect(Answered)
            alice.agent.hold(call)
            offer = await bob.request("INVITE")
            alice.agent.hangup(call)
            bob.send(bob.answer(await bob.request("BYE"), 200), alice)
            bob.send(bob.answer(offer, 100), alice)
            await asyncio.sleep(40)
            assert bob.unseen == []
            assert alice.agent.endpoint.layer._clients == {}

    run(main())


def test_an_early_bye_and_a_late_acknowledgement_do_no_harm() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            call = (await alice.expect(IncomingCall)).call
            alice.agent.answer(call, ANSWER)
            await bob.response(100)
            answer = await bob.response(200)
            bob.send(bob.new("BYE", number=2, to=answer.lines("to")[0]), alice)
            await bob.response(200)
            assert (await alice.expect(Ended)).by == "them"
            bob.send(bob.new("ACK", to=answer.lines("to")[0]), alice)
            bob.send(bob.new("BYE", number=3, to=answer.lines("to")[0]), alice)
            await bob.response(481)
            assert alice.unseen == []
            assert not any(isinstance(event, Confirmed) for event in alice.events)

    run(main())


def test_a_bye_before_the_answer_ends_the_invite_too() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER), alice)
            alice.agent.ring((await alice.expect(IncomingCall)).call)
            await bob.response(100)
            ringing = await bob.response(180)
            bob.send(bob.new("BYE", number=2, to=ringing.lines("to")[0]), alice)
            assert (await bob.response(200)).cseq[1] == "BYE"
            assert (await bob.response(487)).cseq[1] == "INVITE"
            assert (await alice.expect(Ended)).by == "them"

    run(main())
