"""What goes over the wire of PRACK, UPDATE, glare, routes and bodies."""

import asyncio

import pytest

from dialtone.sip.errors import WrongStateError
from dialtone.sip.events import (
    Answered,
    Confirmed,
    Ended,
    IncomingCall,
    OfferAnswered,
    OfferReceived,
    OfferRefused,
    Ringing,
)
from dialtone.sip.message import Request
from tests.sip.stage import ANSWER, OFFER, Phone, order, phone, run
from tests.sip.wire import Wire, wire


async def call_from(bob: Wire, alice: Phone, **headers: str) -> tuple[str, str]:
    """A call that the wire has made; its name, and the To with which to go on."""
    bob.send(bob.new("INVITE", body=OFFER, **headers), alice)
    call = (await alice.expect(IncomingCall)).call
    await bob.response(100)
    alice.agent.answer(call, ANSWER)
    answer = await bob.response(200)
    bob.send(bob.new("ACK", to=answer.lines("to")[0]), alice)
    await alice.expect(Confirmed)
    return call, answer.lines("to")[0]


async def call_to(bob: Wire, alice: Phone, **headers: str) -> tuple[str, Request]:
    """A call that the wire has answered; its name, and the INVITE."""
    call = alice.agent.invite(order(bob.uri))
    invite = await bob.request("INVITE")
    bob.send(bob.answer(invite, 200, "wire", ANSWER, **headers), alice)
    await bob.request("ACK")
    await alice.expect(Answered)
    return call, invite


# --- 100rel


def test_reliable_answers_are_acknowledged_in_order_and_once() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            assert "100rel" in invite.tokens("supported")
            first = bob.answer(invite, 183, "bob", ANSWER, require="100rel", rseq="10")
            third = bob.answer(invite, 180, "bob", require="100rel", rseq="12")
            bob.send(first, alice)
            prack = await bob.request("PRACK")
            assert prack.get("rack") == f"10 {invite.cseq[0]} INVITE"
            assert prack.cseq[0] > invite.cseq[0]
            assert prack.to.tag == "bob"
            bob.send(bob.answer(prack, 200), alice)
            bob.send(first, alice)
            bob.send(third, alice)
            await asyncio.sleep(0.2)
            assert bob.unseen == []
            assert [event.status for event in alice.events if isinstance(event, Ringing)] == [183]
            bob.send(bob.answer(invite, 180, "bob", require="100rel", rseq="11"), alice)
            assert (await bob.request("PRACK")).get("rack") == f"11 {invite.cseq[0]} INVITE"

    run(main())


def test_our_reliable_answer_is_repeated_until_its_prack_and_holds_the_answer_back() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER, require="100rel"), alice)
            call = (await alice.expect(IncomingCall)).call
            await bob.response(100)
            alice.agent.ring(call)
            ringing = await bob.response(180)
            assert "100rel" in ringing.tokens("require")
            alice.agent.answer(call, ANSWER)
            await asyncio.sleep(2)
            assert len(bob.times(180)) == 3
            assert bob.times(200) == []
            to = ringing.lines("to")[0]
            bob.send(bob.new("PRACK", number=2, to=to, rack="1 1 INVITE"), alice)
            bob.send(bob.new("PRACK", number=3, to=to, rack=f"{ringing.get('rseq')} 1 INVITE"), alice)
            await asyncio.sleep(0.1)
            assert (len(bob.times(481)), len(bob.times(200))) == (1, 2)

    run(main())


def test_a_reliable_answer_without_prack_gives_the_call_up() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER, supported="100rel"), alice)
            call = (await alice.expect(IncomingCall)).call
            alice.agent.ring(call, ANSWER, 183)
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("failed", 504)
            await asyncio.sleep(0.1)
            assert bob.times(504)

    run(main())


def test_an_offer_before_the_answer_is_answered_with_the_prack() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            ours = alice.agent.invite(order(bob.uri, None))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(invite, 183, "bob", OFFER, require="100rel", rseq="1"), alice)
            assert (await alice.expect(Ringing)).wants_answer
            alice.agent.answer_offer(ours, ANSWER)
            prack = await bob.request("PRACK")
            assert prack.body.decode() == ANSWER
            bob.send(bob.answer(prack, 200), alice)
            bob.send(bob.answer(invite, 200, "bob"), alice)
            assert await alice.expect(Answered) == Answered(ours, None, fork="bob", source="127.0.0.1")
            assert (await bob.request("ACK")).body == b""

    run(main())


# --- offers


def test_an_offer_that_meets_ours_is_refused_and_one_too_many_waits() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, to = await call_from(bob, alice)
            alice.agent.hold(call)
            ours = await bob.request("INVITE")
            bob.send(bob.new("INVITE", number=2, to=to, body=OFFER.replace("1 IN", "2 IN")), alice)
            await bob.response(491)
            bob.send(bob.answer(ours, 200, "", ANSWER), alice)
            await bob.request("ACK")
            await alice.expect(OfferAnswered)
            bob.send(bob.new("INVITE", number=3, to=to, body=OFFER.replace("1 IN", "3 IN")), alice)
            await bob.response(100)
            await alice.expect(OfferReceived)
            bob.send(bob.new("UPDATE", number=4, to=to, body=OFFER.replace("1 IN", "4 IN")), alice)
            assert int((await bob.response(500)).get("retry-after") or "99") <= 10
            bob.send(bob.new("INFO", number=3, to=to), alice)
            assert (await bob.response(500)).reason == "An old CSeq"
            alice.agent.answer_offer(call, ANSWER)
            assert (await bob.response(200)).body.decode() == ANSWER

    run(main())


def test_an_offer_that_is_taken_back_is_forgotten() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, to = await call_from(bob, alice)
            invite = bob.new("INVITE", number=2, to=to, body=OFFER.replace("1 IN", "2 IN"))
            bob.send(invite, alice)
            await bob.response(100)
            await alice.expect(OfferReceived)
            cancel = bob.new("CANCEL", number=2, to=to)
            cancel.set("via", invite.lines("via")[0])
            bob.send(cancel, alice)
            assert (await bob.response(200)).cseq[1] == "CANCEL"
            assert (await bob.response(487)).cseq[1] == "INVITE"
            with pytest.raises(WrongStateError):
                alice.agent.answer_offer(call, ANSWER)
            alice.agent.offer(call, OFFER)

    run(main())


def test_a_refused_offer_changes_nothing() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, _ = await call_to(bob, alice)
            alice.agent.hold(call)
            bob.send(bob.answer(await bob.request("INVITE"), 488), alice)
            await bob.request("ACK")
            assert (await alice.expect(OfferRefused)).status == 488
            alice.agent.offer(call, OFFER)
            bob.send(bob.answer(await bob.request("INVITE"), 491), alice)
            await bob.request("ACK")
            again = await bob.request("INVITE")
            assert again.body.decode() == OFFER
            first, second = bob.times("INVITE")[-2:]
            assert 2.1 <= second - first <= 4.1, "who called waits from 2.1 to 4 s"

    run(main())


def test_an_invite_without_a_description_asks_for_our_offer() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, to = await call_from(bob, alice)
            bob.send(bob.new("INVITE", number=2, to=to), alice)
            assert await alice.expect(OfferReceived) == OfferReceived(call, None)
            alice.agent.answer_offer(call, OFFER)
            await bob.response(100)
            assert (await bob.response(200)).body.decode() == OFFER
            bob.send(bob.new("ACK", number=2, to=to, body=ANSWER), alice)
            assert await alice.expect(OfferAnswered) == OfferAnswered(call, ANSWER)

    run(main())


def test_an_offer_of_who_waits_for_ours_is_put_off() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE"), alice)
            call = (await alice.expect(IncomingCall)).call
            await bob.response(100)
            alice.agent.ring(call)
            to = (await bob.response(180)).lines("to")[0]
            bob.send(bob.new("UPDATE", number=2, to=to, body=OFFER), alice)
            assert int((await bob.response(500)).get("retry-after") or "99") <= 10
            alice.agent.answer(call, OFFER)
            assert (await bob.response(200)).body.decode() == OFFER
            bob.send(bob.new("ACK", to=to, body=ANSWER), alice)
            assert await alice.expect(Confirmed) == Confirmed(call, ANSWER)

    run(main())


def test_a_repeated_description_is_only_a_sign_of_life() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            _, to = await call_from(bob, alice)
            contact = f"<sip:moved@127.0.0.1:{bob.port}>"
            bob.send(bob.new("INVITE", number=2, to=to, body=OFFER, contact=contact), alice)
            await bob.response(100)
            assert (await bob.response(200)).body.decode() == ANSWER
            bob.send(bob.new("ACK", number=2, to=to), alice)
            await asyncio.sleep(1)
            assert alice.unseen == []
            alice.agent.hangup(alice.events[0].call)  # type: ignore[union-attr]
            assert (await bob.request("BYE")).uri.user == "moved"

    run(main())


# --- routes


@pytest.mark.parametrize("loose", [True, False])
def test_requests_follow_the_recorded_route(loose: bool) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            lr = ";lr" if loose else ""
            routes = f"<sip:127.0.0.1:{bob.port}{lr}>, <sip:second.example{lr}>"
            contact = "<sip:far@192.0.2.1>"
            call, _ = await call_from(bob, alice, record_route=routes, contact=contact)
            answer = bob.last_response(200)
            assert answer.get("record-route") == routes
            alice.agent.hangup(call)
            bye = await bob.request("BYE")
            if loose:
                assert (bye.uri_text, bye.values("route")) == ("sip:far@192.0.2.1", routes.split(", "))
            else:
                assert bye.uri_text == f"sip:127.0.0.1:{bob.port}"
                assert bye.values("route") == ["<sip:second.example>", "<sip:far@192.0.2.1>"]

    run(main())


def test_the_caller_turns_the_route_around_and_a_proxy_takes_the_first_request() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call = alice.agent.invite(order("sip:far@example.com", proxy=f"sip:127.0.0.1:{bob.port}"))
            invite = await bob.request("INVITE")
            assert (invite.uri_text, invite.lines("route")) == (
                "sip:far@example.com",
                [f"<sip:127.0.0.1:{bob.port};lr>"],
            )
            answer = bob.answer(invite, 200, "bob", ANSWER)
            answer.set("record-route", f"<sip:second.example;lr>, <sip:127.0.0.1:{bob.port};lr>")
            answer.set("contact", "<sip:far@192.0.2.1>")
            bob.send(answer, alice)
            ack = await bob.request("ACK")
            assert ack.uri_text == "sip:far@192.0.2.1"
            assert ack.values("route") == [f"<sip:127.0.0.1:{bob.port};lr>", "<sip:second.example;lr>"]
            await alice.expect(Answered)
            alice.agent.hangup(call)

    run(main())


# --- bodies


def test_a_description_within_a_multipart_body_is_found() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            part = f"--xyz\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--xyz--\r\n"
            body = "--xyz\r\nContent-Type: text/plain\r\n\r\nhello\r\n" + part
            bob.send(bob.new("INVITE", body=body, content_type='multipart/mixed;boundary="xyz"'), alice)
            assert (await alice.expect(IncomingCall)).offer == OFFER

    run(main())


def test_a_body_that_nobody_knows_is_refused() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body="<x/>", content_type="application/xml"), alice)
            assert (await bob.response(415)).get("accept") == "application/sdp"
            bob.send(bob.new("INVITE", number=2, body=OFFER, content_encoding="gzip"), alice)
            await bob.response(415)
            optional = {"content_type": "application/xml", "content_disposition": "render;handling=optional"}
            bob.send(bob.new("INVITE", number=3, body="<x/>", **optional), alice)
            assert (await alice.expect(IncomingCall)).offer is None

    run(main())
