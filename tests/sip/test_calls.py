"""Calls from one user agent to another, over every transport."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dialtone.sip.errors import UnknownCallError, WrongStateError
from dialtone.sip.events import (
    Answered,
    Cause,
    Confirmed,
    Ended,
    IncomingCall,
    InfoReceived,
    OfferAnswered,
    OfferReceived,
    OfferRefused,
    ReferReceived,
    Ringing,
    TransferProgress,
)
from dialtone.sip.sdp import with_direction
from tests.sip.certificates import make_certificate
from tests.sip.stage import ANSWER, OFFER, connected, order, phone, run


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("run_on", [run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_call_rings_is_answered_and_ends(
    host: str, transport: str, run_on: Callable[[Coroutine[Any, Any, None]], None], certificate: Path
) -> None:
    async def main() -> None:
        client = ssl.create_default_context(cafile=certificate)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate)
        more = {"host": host, "transports": (transport,), "certificate": server, "tls_client": client}
        async with phone(**more) as alice, phone(**more) as bob:
            ours = alice.agent.invite(order(bob.uri(transport=transport), headers={"X-Reference": "42"}))
            call = await bob.expect(IncomingCall)
            assert (call.transport, call.source, call.tag, call.offer) == (transport, host, "known", OFFER)
            assert (call.caller.number, call.caller.display_name) == ("+31201234567", "Alice")
            assert call.called.number == "bob"
            assert call.headers == {"x-reference": ("42",)}
            bob.agent.ring(call.call)
            ringing = await alice.expect(Ringing)
            assert (ringing.call, ringing.status, ringing.description) == (ours, 180, None)
            bob.agent.answer(call.call, ANSWER)
            answered = await alice.expect(Answered)
            assert (answered.call, answered.description, answered.wants_answer) == (ours, ANSWER, False)
            assert await bob.expect(Confirmed) == Confirmed(call.call, None)
            alice.agent.hangup(ours, Cause("Q.850", 16, "Normal"))
            assert await alice.expect(Ended) == Ended(ours, "us", 0, "", Cause("Q.850", 16, "Normal"))
            assert await bob.expect(Ended) == Ended(call.call, "them", 0, "", Cause("Q.850", 16, "Normal"))
            assert alice.agent.calls == bob.agent.calls == 0
            with pytest.raises(UnknownCallError):
                bob.agent.answer(call.call, ANSWER)

    run_on(main())


def test_the_called_side_hangs_up_too() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            bob.agent.hangup(theirs)
            assert (await bob.expect(Ended)).by == "us"
            assert await alice.expect(Ended) == Ended(ours, "them", 0, "")

    run(main())


@pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
def test_a_refusal_says_why(status: int) -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            alice.agent.invite(order(bob.uri()))
            call = await bob.expect(IncomingCall)
            contacts = ("sip:carol@example.com",) if status == 302 else ()
            why = Cause("Q.850", 17, "User busy")
            bob.agent.reject(call.call, status, "For a reason", retry_after=7, contacts=contacts, cause=why)
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status, ended.reason, ended.cause) == ("refused", status, "For a reason", why)
            assert (ended.retry_after, ended.contacts) == (7, contacts)
            assert (await bob.expect(Ended)).by == "us"

    run(main())


def test_a_caller_gives_up() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours = alice.agent.invite(order(bob.uri()))
            await bob.expect(IncomingCall)
            alice.agent.hangup(ours, Cause("SIP", 200, "Call completed elsewhere"))
            ended = await bob.expect(Ended)
            assert (ended.by, ended.cause) == ("cancelled", Cause("SIP", 200, "Call completed elsewhere"))
            assert (await alice.expect(Ended)).by == "us"

    run(main())


def test_a_cancel_that_crosses_the_answer_ends_the_call_all_the_same() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours = alice.agent.invite(order(bob.uri()))
            call = await bob.expect(IncomingCall)
            bob.agent.answer(call.call, ANSWER)
            alice.agent.hangup(ours)
            assert (await alice.expect(Ended)).by == "us"
            await bob.expect(Confirmed)
            assert (await bob.expect(Ended)).by == "them"

    run(main())


def test_who_is_not_taken_hears_so_in_time() -> None:
    async def main() -> None:
        async with phone() as alice, phone(ring_seconds=20.0) as bob:
            loop = asyncio.get_running_loop()
            alice.agent.invite(order(bob.uri(), ring_seconds=10.0))
            await bob.expect(IncomingCall)
            started = loop.time()
            assert (await alice.expect(Ended)).by == "unanswered"
            assert loop.time() - started == pytest.approx(10, abs=0.2)
            assert (await bob.expect(Ended)).by == "cancelled"
            alice.agent.invite(order(bob.uri()))
            await bob.expect(IncomingCall)
            started = loop.time()
            assert (await alice.expect(Ended)).status == 480
            assert loop.time() - started == pytest.approx(20, abs=0.2)
            assert (await bob.expect(Ended)).by == "unanswered"

    run(main())


def test_nobody_there_is_told_after_the_time_of_a_transaction() -> None:
    async def main() -> None:
        async with phone() as alice, phone(transports=("udp", "tcp")) as gone:
            udp, tcp = gone.uri(), gone.uri(transport="tcp")
            await gone.agent.close()
            loop = asyncio.get_running_loop()
            started = loop.time()
            alice.agent.invite(order(udp))
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("failed", 408)
            assert loop.time() - started == pytest.approx(32, abs=0.2)
            alice.agent.invite(order(tcp))
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("failed", 503)
            started = loop.time()
            alice.agent.invite(order(udp, patience=4.0))
            assert (await alice.expect(Ended)).by == "failed"
            assert loop.time() - started == pytest.approx(4, abs=0.2)

    run(main())


def test_a_late_offer_is_made_with_the_answer_and_taken_with_the_acknowledgement() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours = alice.agent.invite(order(bob.uri(), None))
            call = await bob.expect(IncomingCall)
            assert call.offer is None
            bob.agent.answer(call.call, OFFER)
            answered = await alice.expect(Answered)
            assert (answered.description, answered.wants_answer) == (OFFER, True)
            alice.agent.answer_offer(ours, ANSWER)
            assert await bob.expect(Confirmed) == Confirmed(call.call, ANSWER)

    run(main())


def test_an_owner_who_never_answers_an_offer_holds_nobody_up() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            alice.agent.invite(order(bob.uri(), None))
            call = await bob.expect(IncomingCall)
            bob.agent.answer(call.call, OFFER)
            await alice.expect(Answered)
            assert (await alice.expect(Ended)).by == "failed"
            await bob.expect(Confirmed)
            assert (await bob.expect(Ended)).by == "them"

    run(main())


def test_sound_before_the_answer_is_acknowledged() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours = alice.agent.invite(order(bob.uri()))
            call = await bob.expect(IncomingCall)
            bob.agent.ring(call.call, ANSWER, 183)
            bob.agent.ring(call.call)
            early = await alice.expect(Ringing)
            assert (early.call, early.status, early.reason, early.description) == (
                ours,
                183,
                "Session Progress",
                ANSWER,
            )
            assert (await alice.expect(Ringing)).status == 180
            bob.agent.answer(call.call, ANSWER)
            assert await alice.expect(Answered) == Answered(ours, ANSWER, fork=early.fork, source="127.0.0.1")
            await bob.expect(Confirmed)

    run(main())


def test_media_change_within_a_call() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            for first, second, call, other in ((alice, bob, ours, theirs), (bob, alice, theirs, ours)):
                first.agent.hold(call)
                offer = await second.expect(OfferReceived)
                assert "a=sendonly" in (offer.description or "")
                held = with_direction(ANSWER, "recvonly")
                second.agent.answer_offer(other, held)
                assert await first.expect(OfferAnswered) == OfferAnswered(call, held)
                first.agent.resume(call)
                offer = await second.expect(OfferReceived)
                assert "a=sendrecv" in (offer.description or "")
                second.agent.refuse_offer(other, 488)
                refused = await first.expect(OfferRefused)
                assert (refused.call, refused.status) == (call, 488)
                await asyncio.sleep(1)
            assert (alice.unseen, bob.unseen) == ([], [])

    run(main())


def test_offers_that_meet_are_made_again() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            alice.agent.hold(ours)
            bob.agent.hold(theirs)
            with pytest.raises(WrongStateError):
                alice.agent.hold(ours)
            await alice.expect(OfferReceived)
            alice.agent.answer_offer(ours, ANSWER)
            await bob.expect(OfferAnswered)
            await bob.expect(OfferReceived)
            bob.agent.answer_offer(theirs, ANSWER)
            await alice.expect(OfferAnswered)

    run(main())


def test_key_presses_are_passed_on() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            alice.agent.send_info(ours, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
            info = await bob.expect(InfoReceived)
            assert info == InfoReceived(theirs, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")

    run(main())


def test_a_blind_transfer_is_told_step_by_step() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            alice.agent.refer(ours, "sip:carol@example.com", referred_by="sip:alice@example.com")
            asked = await bob.expect(ReferReceived)
            assert asked == ReferReceived(theirs, "sip:carol@example.com", None, "sip:alice@example.com")
            bob.agent.accept_refer(theirs)
            assert await alice.expect(TransferProgress) == TransferProgress(ours, 100, "Trying")
            bob.agent.notify_refer(theirs, 180)
            assert await alice.expect(TransferProgress) == TransferProgress(ours, 180, "Ringing")
            bob.agent.notify_refer(theirs, 486, "Busy")
            assert await alice.expect(TransferProgress) == TransferProgress(ours, 486, "Busy", "failed")
            alice.agent.refer(ours, "sip:carol@example.com")
            await bob.expect(ReferReceived)
            bob.agent.reject_refer(theirs)
            declined = TransferProgress(ours, 603, "Decline", "refused")
            assert await alice.expect(TransferProgress) == declined

    run(main())


def test_an_attended_transfer_replaces_the_call() -> None:
    """Alice speaks with Bob and with Carol, then joins the two."""

    async def main() -> None:
        async with phone() as alice, phone() as bob, phone() as carol:
            to_bob, at_bob = await connected(alice, bob)
            to_carol, at_carol = await connected(alice, carol)
            alice.agent.refer(to_bob, carol.uri("carol"), replaces=to_carol)
            asked = await bob.expect(ReferReceived)
            assert asked.replaces is not None
            bob.agent.accept_refer(at_bob)
            new = bob.agent.invite(order(asked.target, replaces=asked.replaces))
            call = await carol.expect(IncomingCall)
            assert call.replaces == at_carol
            carol.agent.answer(call.call, ANSWER)
            assert (await carol.expect(Ended)).call == at_carol
            await bob.expect(Answered)
            bob.agent.notify_refer(at_bob, 200)
            assert (await alice.expect(TransferProgress)).status == 100
            assert (await alice.expect(Ended)).call == to_carol
            assert await alice.expect(TransferProgress) == TransferProgress(to_bob, 200, "OK", "succeeded")
            await carol.expect(Confirmed)
            bob.agent.hangup(new)

    run(main())


def test_replacing_a_call_that_does_not_exist_is_refused() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            alice.agent.invite(order(bob.uri(), replaces="nothing;to-tag=1;from-tag=2"))
            assert (await alice.expect(Ended)).status == 481
            assert bob.events == []

    run(main())
