"""Signs of life of a call, and its end without them (RFC 4028)."""

import asyncio

import pytest

from dialtone.sip.client_transactions import ack_of_refusal
from dialtone.sip.events import Ended, OfferAnswered, OfferRefused
from dialtone.sip.message import Request
from tests.sip.stage import ANSWER, OFFER, order, phone, run
from tests.sip.test_extensions import call_from, call_to
from tests.sip.wire import wire


@pytest.mark.parametrize(("allow", "method"), [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")])
def test_a_session_is_refreshed_at_half_of_its_time(allow: str, method: str) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            loop = asyncio.get_running_loop()
            _, invite = await call_to(bob, alice, session_expires="200;refresher=uac", require="timer", allow=allow)
            assert (invite.get("session-expires"), invite.get("min-se")) == ("1800", "90")
            started = loop.time()
            for _ in range(2):
                refresh = await bob.request(method)
                assert loop.time() - started == pytest.approx(100, abs=0.1)
                assert refresh.get("session-expires") == "200;refresher=uac"
                assert refresh.body.decode() == ("" if method == "UPDATE" else OFFER)
                started = loop.time()
                body = "" if method == "UPDATE" else ANSWER
                bob.send(bob.answer(refresh, 200, "", body, session_expires="200;refresher=uac"), alice)
                if method == "INVITE":
                    await bob.request("ACK")
            assert alice.unseen == []
            bob.send(bob.answer(await bob.request(method), 481), alice)
            assert (await alice.expect(Ended)).by == "failed"

    run(main())


def test_a_session_that_the_other_side_does_not_refresh_is_ended() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            loop = asyncio.get_running_loop()
            call, to = await call_from(bob, alice, session_expires="90;refresher=uac", supported="timer")
            answer = bob.last_response(200)
            assert answer.get("session-expires") == "90;refresher=uac"
            assert "timer" in answer.tokens("require")
            alice.agent.hold(call)
            hold = await bob.request("INVITE")
            assert hold.get("session-expires") == "90;refresher=uas"
            bob.send(bob.answer(hold, 200, "", ANSWER, session_expires="90;refresher=uas", require="timer"), alice)
            await bob.request("ACK")
            await alice.expect(OfferAnswered)
            await asyncio.sleep(50)
            bob.send(bob.new("UPDATE", number=2, to=to, session_expires="90;refresher=uac", supported="timer"), alice)
            assert (await bob.response(200)).get("session-expires") == "90;refresher=uac"
            started = loop.time()
            assert (await alice.expect(Ended)).by == "failed"
            assert loop.time() - started == pytest.approx(60, abs=0.1)
            await bob.request("BYE")

    run(main())


def test_we_refresh_for_who_does_not_know_how() -> None:
    async def main() -> None:
        async with phone(session_seconds=600) as alice, wire() as bob:
            await call_from(bob, alice, allow="INVITE, UPDATE")
            await bob.request("UPDATE")
            for _ in range(10):
                await bob.request("UPDATE")
            assert (await alice.expect(Ended)).by == "failed", "nobody has answered for 32 s"

    run(main())


def test_intervals_that_are_too_small_are_told_and_taken() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("INVITE", body=OFFER, session_expires="30"), alice)
            assert (await bob.response(422)).get("min-se") == "90"
            assert alice.events == []
            alice.agent.invite(order(bob.uri))
            invite = await bob.request("INVITE")
            bob.send(bob.answer(invite, 422, "bob", min_se="3600"), alice)
            await bob.request("ACK")
            again = await bob.request("INVITE")
            assert (again.get("session-expires"), again.get("min-se")) == ("3600", "3600")
            assert again.cseq[0] > invite.cseq[0]
            assert again.call_id == invite.call_id

    run(main())


SOON = "90;refresher=uac"
"""We refresh after 45 s, and end the call after 75."""
MOVED = ANSWER.replace("192.0.2.2", "192.0.2.3")


def test_a_refresh_may_be_answered_with_other_media() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, _ = await call_to(bob, alice, session_expires=SOON, allow="INVITE")
            for _ in range(2):
                refresh = await bob.request("INVITE")
                bob.send(bob.answer(refresh, 200, "", MOVED, session_expires=SOON), alice)
                await bob.request("ACK")
            assert await alice.expect(OfferAnswered) == OfferAnswered(call, MOVED)
            bob.send(bob.answer(await bob.request("INVITE"), 200, "", session_expires=SOON), alice)
            await bob.request("ACK")
            assert alice.unseen == []

    run(main())


@pytest.mark.parametrize(
    ("status", "headers", "earliest", "latest"),
    [
        (491, {}, 2.1, 4.0),
        (500, {"retry_after": "5"}, 5.0, 5.0),
        (500, {}, 2.0, 2.0),
        (422, {"min_se": "120"}, 2.0, 2.0),
    ],
)
@pytest.mark.parametrize(("allow", "method"), [("INVITE, UPDATE", "UPDATE"), ("INVITE", "INVITE")])
def test_a_refresh_that_is_refused_is_tried_again(
    allow: str, method: str, status: int, headers: dict[str, str], earliest: float, latest: float
) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            await call_to(bob, alice, session_expires=SOON, allow=allow)
            loop = asyncio.get_running_loop()
            bob.send(bob.answer(await bob.request(method), status, **headers), alice)
            refused_at = loop.time()
            if method == "INVITE":
                await bob.request("ACK")
            again = await bob.next()
            assert earliest <= loop.time() - refused_at <= latest + 0.1
            assert isinstance(again, Request)
            by_invite = method == "INVITE" or (status == 500 and not headers)
            assert again.method == ("INVITE" if by_invite else "UPDATE"), "who refuses UPDATE may take a re-INVITE"
            assert again.get("session-expires") == ("120;refresher=uac" if status == 422 else SOON)
            body = ANSWER if by_invite else ""
            bob.send(bob.answer(again, 200, "", body, session_expires="600;refresher=uac"), alice)
            await asyncio.sleep(200)
            assert alice.unseen == []

    run(main())


def test_refreshes_that_are_all_refused_become_rarer_until_the_time_is_over() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            await call_to(bob, alice, session_expires="600;refresher=uac", allow="INVITE, UPDATE")
            tries = 0
            while (request := await bob.next()) and isinstance(request, Request) and request.method != "BYE":
                if request.method != "ACK":
                    bob.send(bob.answer(request, 500), alice)
                    tries += 1
            assert (await alice.expect(Ended)).by == "failed"
            assert tries == 8, "after 0, 2, 6, 14, 30, 62, 126 and 254 s"

    run(main())


def test_no_offer_meets_a_refresh() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, invite = await call_to(bob, alice, session_expires=SOON, allow="INVITE")
            refresh = await bob.request("INVITE")
            theirs = bob.new("INVITE", number=7, body=ANSWER, to=invite.lines("from")[0], call_id=invite.call_id)
            theirs.set("from", bob.answer(invite, 200, "wire").lines("to")[0])
            bob.send(theirs, alice)
            bob.send(ack_of_refusal(theirs, await bob.response(491)), alice)
            alice.agent.hold(call)
            await asyncio.sleep(0.1)
            assert bob.unseen == []
            bob.send(bob.answer(refresh, 200, "", ANSWER, session_expires=SOON), alice)
            await bob.request("ACK")
            hold = await bob.request("INVITE")
            assert b"a=sendonly" in hold.body
            bob.send(bob.answer(hold, 200, "", ANSWER), alice)
            assert await alice.expect(OfferAnswered) == OfferAnswered(call, ANSWER)

    run(main())


def test_a_refresh_that_falls_due_while_an_offer_is_open_comes_after_it() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            call, _ = await call_to(bob, alice, session_expires=SOON, allow="INVITE")
            await asyncio.sleep(44)
            alice.agent.hold(call)
            hold = await bob.request("INVITE")
            bob.send(bob.answer(hold, 100), alice)
            await asyncio.sleep(3)
            bob.send(bob.answer(hold, 488), alice)
            await bob.request("ACK")
            assert (await alice.expect(OfferRefused)).status == 488
            refresh = await bob.request("INVITE")
            assert refresh.body.decode() == OFFER
            bob.send(bob.answer(refresh, 200, "", ANSWER, session_expires=SOON), alice)
            await bob.request("ACK")
            await asyncio.sleep(40)
            assert alice.unseen == []

    run(main())
