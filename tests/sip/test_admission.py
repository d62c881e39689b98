"""Who may come in, what strangers get (nothing), and that they cost little."""

import asyncio
import random
import tracemalloc

import pytest

from dialtone.sip.admission import Accept, Admission, Challenge, RequestFacts, Silence
from dialtone.sip.events import Account, Confirmed, Ended, IncomingCall, LoginRefused, PeerChanged
from dialtone.sip.guard import BURST, MAX_ADDRESSES, REFUSALS_BEFORE_BLOCK, Guard
from dialtone.sip.peers import PeerOrder
from tests.sip.stage import ANSWER, OFFER, Phone, connected, order, phone, run
from tests.sip.test_mutations import MESSAGES, mutated
from tests.sip.wire import wire

PASSWORDS = {"alice": "secret"}


async def silence(facts: RequestFacts) -> Admission:
    return Silence()


async def ask_for_password(facts: RequestFacts) -> Admission:
    password = PASSWORDS.get(facts.username or "") if facts.realm == "dialtone" else None
    return Challenge("dialtone", password, tag=f"user {facts.username}")


def test_who_knows_the_password_comes_in() -> None:
    async def main() -> None:
        async with phone() as alice, phone(admit=ask_for_password) as bob:
            for _ in range(2):
                ours = alice.agent.invite(order(bob.uri(), account=Account("alice", "secret")))
                call = await bob.expect(IncomingCall)
                assert call.tag == "user alice"
                bob.agent.answer(call.call, ANSWER)
                await bob.expect(Confirmed)
                alice.agent.hangup(ours)
                await bob.expect(Ended)

    run(main())


@pytest.mark.parametrize("account", [None, Account("alice", "wrong"), Account("nobody", "secret")])
def test_who_does_not_is_refused_and_stops_asking(account: Account | None) -> None:
    async def main() -> None:
        async with phone() as alice, phone(admit=ask_for_password) as bob:
            alice.agent.invite(order(bob.uri(), account=account))
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("refused", 401)
            told = LoginRefused("user alice", *alice.agent.listening_on()[0][1])
            assert all(event == told for event in bob.events)
            assert bool(bob.events) == (account is not None and account.username == "alice")

    run(main())


def test_the_nonce_of_one_call_serves_the_next() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            account = Account("alice", "secret")
            challenge = 'Digest realm="r", nonce="n", qop="auth"'
            alice.agent.invite(order(bob.uri, account=account))
            invite = await bob.request("INVITE")
            assert invite.get("authorization") is None
            bob.send(bob.answer(invite, 407, "x", proxy_authenticate=challenge), alice)
            await bob.request("ACK")
            again = await bob.request("INVITE")
            assert "nc=00000001" in (again.get("proxy-authorization") or "")
            assert (again.cseq[0], again.call_id) == (invite.cseq[0] + 1, invite.call_id)
            assert again.via.branch != invite.via.branch
            bob.send(bob.answer(again, 486, "x"), alice)
            await bob.request("ACK")
            alice.agent.invite(order(bob.uri, account=account))
            assert "nc=00000002" in ((await bob.request("INVITE")).get("proxy-authorization") or "")

    run(main())


def test_the_owner_is_told_what_is_known() -> None:
    asked: list[RequestFacts] = []

    async def admit(facts: RequestFacts) -> Admission:
        asked.append(facts)
        return Accept()

    async def main() -> None:
        async with phone(admit=admit) as alice, wire() as bob:
            bob.send(bob.new("OPTIONS"), alice)
            options = await bob.response(200)
            assert {"invite", "update", "prack", "refer"} <= options.tokens("allow")
            assert {"100rel", "timer", "replaces"} <= options.tokens("supported")
            facts = ("sip:phone@127.0.0.1", "sip:phone@example.com", None, None)
            assert asked == [RequestFacts("OPTIONS", "127.0.0.1", bob.port, "udp", *facts)]

    run(main())


def test_strangers_get_nothing_whatever_they_send() -> None:
    async def main() -> None:
        async with phone(admit=silence) as alice, wire() as bob:
            requests = [bob.new(method, body=OFFER) for method in ("INVITE", "OPTIONS", "REGISTER", "MESSAGE", "X")]
            requests += [bob.new("BYE", to="<sip:a@b>;tag=1"), bob.new("CANCEL"), bob.new("INVITE", cseq="x INVITE")]
            for request in requests:
                bob.send(request, alice)
                bob.send(request, alice)
            for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b"INVITE\r\n\r\n"):
                bob.send(data, alice)
            await asyncio.sleep(100)
            assert (bob.messages, alice.events) == ([], [])

    run(main())


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("REGISTER", {}, 405),
        ("MESSAGE", {}, 405),
        ("BYE", {}, 481),
        ("SOMETHING", {}, 501),
        ("OPTIONS", {"require": "unheard-of"}, 420),
        ("INVITE", {"require": "unheard-of"}, 420),
        ("INVITE", {"contact": "*"}, 400),
        ("INVITE", {"cseq": "1 OPTIONS"}, 400),
        ("INVITE", {"max_forwards": "many"}, 400),
        ("BYE", {"to": "<sip:a@b>;tag=unknown"}, 481),
        ("CANCEL", {}, 481),
    ],
)
def test_who_was_let_in_is_told_what_is_wrong(method: str, headers: dict[str, str], status: int) -> None:
    async def main() -> None:
        async with phone() as alice, wire() as bob:
            bob.send(bob.new("OPTIONS", call_id="first"), alice)
            await bob.response(200)
            bob.send(bob.new(method, **headers), alice)
            response = await bob.response(status)
            if status in (405, 501):
                assert "invite" in response.tokens("allow")
            if status == 420:
                assert response.get("unsupported") == "unheard-of"
            assert alice.events == []

    run(main())


def test_a_call_given_up_while_the_owner_is_asked_never_begins() -> None:
    async def slow(facts: RequestFacts) -> Admission:
        await asyncio.sleep(0.3)
        return Accept()

    async def main() -> None:
        async with phone(admit=slow) as alice, wire() as bob:
            invite = bob.new("INVITE", body=OFFER)
            bob.send(invite, alice)
            await asyncio.sleep(0.1)
            cancel = bob.new("CANCEL")
            cancel.set("via", invite.lines("via")[0])
            bob.send(cancel, alice)
            await bob.response(487)
            assert alice.events == []

    run(main())


def test_an_owner_who_fails_leaves_nothing_behind() -> None:
    async def broken(facts: RequestFacts) -> Admission:
        raise RuntimeError("no database")

    async def main() -> None:
        async with phone(admit=broken, allow_failures=True) as alice, wire() as bob:
            for number in range(5):
                bob.send(bob.new("INVITE", body=OFFER, call_id=str(number)), alice)
            await asyncio.sleep(60)
            assert bob.messages == []
            assert alice.agent.calls == 0
            assert alice.agent.endpoint.layer.open_requests == 0

    run(main())


# --- floods


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_knocks_too_often_is_not_heard() -> None:
    clock = Clock()
    guard = Guard(clock)
    heard = sum(guard.allows("192.0.2.1") for _ in range(1000))
    assert heard == BURST
    assert guard.allows("192.0.2.2")
    clock.now = 1.0
    assert sum(guard.allows("192.0.2.1") for _ in range(100)) == 20


def test_refusals_block_for_longer_and_longer_and_trust_overrules() -> None:
    clock = Clock()
    guard = Guard(clock)
    for pause in (60, 120, 240):
        for _ in range(REFUSALS_BEFORE_BLOCK):
            guard.refuse("2001:db8::1")
        assert not guard.allows("2001:db8::2"), "neighbours in one network are one"
        clock.now += pause - 1
        assert not guard.allows("2001:db8::1")
        clock.now += 2
        assert guard.allows("2001:db8::1")
    guard.trust("2001:db8::3")
    for _ in range(100):
        guard.refuse("2001:db8::3")
    assert all(guard.allows("2001:db8::3") for _ in range(1000))
    assert guard.allows("2001:db8:1::1")


def test_any_number_of_addresses_takes_a_bounded_place() -> None:
    guard = Guard(Clock())
    for number in range(3 * MAX_ADDRESSES):
        guard.allows(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        guard.trust(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guard._strangers) == len(guard._trusted) == MAX_ADDRESSES


def test_calls_that_are_too_many_are_turned_away_politely() -> None:
    async def main() -> None:
        async with phone(max_calls=3, new_calls_per_second=3.0) as alice, wire() as bob:
            for number in range(20):
                bob.send(bob.new("INVITE", body=OFFER, call_id=f"c{number}"), alice)
            await asyncio.sleep(0.2)
            assert len(alice.events) == 3
            assert int(bob.last_response(503).get("retry-after") or 0) > 0
            for event in list(alice.events):
                assert isinstance(event, IncomingCall)
                alice.agent.reject(event.call)
            await asyncio.sleep(0.1)
            alice.events.clear()
            for number in range(20):
                bob.send(bob.new("INVITE", body=OFFER, call_id=f"d{number}"), alice)
            await asyncio.sleep(0.1)
            assert len(alice.events) < 3

    run(main())


def test_a_user_agent_that_drains_takes_no_calls_and_keeps_the_ones_it_has() -> None:
    async def main() -> None:
        async with phone() as alice, phone() as bob:
            ours, theirs = await connected(alice, bob)
            await bob.agent.drain()
            alice.agent.invite(order(bob.uri()))
            ended = await alice.expect(Ended)
            assert (ended.status, ended.retry_after) == (503, 5)
            alice.agent.watch(PeerOrder("bob", bob.uri()))
            assert not (await alice.expect(PeerChanged)).reachable
            alice.agent.send_info(ours, "text/plain", b"still there")
            bob.agent.hangup(theirs)
            assert (await alice.expect(Ended)).by == "them"

    run(main())


async def calls_go_on(alice: Phone, bob: Phone, ours: str) -> None:
    alice.agent.hold(ours)
    await asyncio.sleep(0.5)
    assert type(bob.events[-1]).__name__ == "OfferReceived"


def test_a_flood_of_damaged_and_wanted_messages_leaves_a_call_alone() -> None:
    """From the trusted loopback address, so that nothing is held back by the limits on strangers."""

    async def main() -> None:
        async with phone() as alice, phone(new_calls_per_second=10.0) as bob, wire() as attacker:
            ours, _ = await connected(alice, bob)
            source = random.Random(3261)
            tracemalloc.start()
            for number in range(4000):
                data = mutated(MESSAGES[number % len(MESSAGES)], source)
                if len(data) < 60_000:
                    attacker.send(data, bob)
                if number % 4 == 0:
                    attacker.send(attacker.new("INVITE", body=OFFER, call_id=f"flood{number}"), bob)
                if number % 20 == 0:
                    await asyncio.sleep(0.01)
            size = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            assert size < 60_000_000
            assert bob.agent.calls < 100
            await calls_go_on(alice, bob, ours)
            flood = [event.call for event in bob.events if isinstance(event, IncomingCall)][1:]
            for call in flood:
                bob.agent.hangup(call)
            await asyncio.sleep(100)
            assert bob.agent.endpoint.layer.open_requests == 0

    run(main())


def test_damaged_messages_within_a_call_only_ever_end_it() -> None:
    """Each kind of message of a live call, damaged; a call that they end is made anew."""

    async def main() -> None:
        source = random.Random(2026)
        async with phone(new_calls_per_second=1e6) as alice, wire() as bob:
            number, to = 0, ""
            for round_ in range(3000):
                if alice.agent.calls == 0:
                    number += 1
                    bob.send(bob.new("INVITE", body=OFFER, call_id=f"call{number}"), alice)
                    call = (await alice.eventually(IncomingCall)).call
                    alice.agent.ring(call, ANSWER, 183)
                    await asyncio.sleep(0.001)
                    to = bob.last_response(183).lines("to")[0]
                    if number % 2:
                        alice.agent.answer(call, ANSWER)
                        bob.send(bob.new("ACK", to=to, call_id=f"call{number}"), alice)
                method = source.choice(["INVITE", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "ACK", "CANCEL"])
                message = bob.new(method, number=round_ + 2, to=to, body=OFFER, call_id=f"call{number}")
                message.set("refer-to", "<sip:a@b?Replaces=1%3Bto-tag%3D2>")
                message.set("rack", "1 1 INVITE")
                message.set("session-expires", "1800;refresher=uac")
                data = mutated(message.to_bytes(), source)
                if len(data) < 60_000:
                    bob.send(data, alice)
                if round_ % 5 == 0:
                    await asyncio.sleep(0.2)
                if source.random() < 0.02:
                    alice.agent.hangup(call)
                    await asyncio.sleep(40)
            alice.agent.hangup(call)

    run(main())


def test_requests_of_strangers_leave_no_memory_behind() -> None:
    async def main() -> None:
        async with phone(admit=silence) as alice, wire() as bob:
            for number in range(200):
                bob.send(bob.new("INVITE", body=OFFER, call_id=str(number)), alice)
                await asyncio.sleep(0)
            assert alice.agent.endpoint.layer.open_requests < BURST + 1
            await asyncio.sleep(40)
            assert alice.agent.endpoint.layer.open_requests == 0

    run(main())
