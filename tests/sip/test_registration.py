"""Registrations and peers, as a registrar sees them."""

import asyncio
import itertools

import pytest

from dialtone.sip.events import Account, Identity, IncomingCall, PeerChanged, RegistrationChanged
from dialtone.sip.framing import StreamFramer
from dialtone.sip.message import Request
from dialtone.sip.peers import MAX_ASKED, PATIENCE_SECONDS, PeerOrder
from dialtone.sip.registration import RegistrationOrder
from tests.sip.stage import Phone, phone, run
from tests.sip.wire import Wire, wire

ALICE = Account("alice", "secret")


def registration(registrar: Wire, **more: object) -> RegistrationOrder:
    return RegistrationOrder("trunk", f"sip:127.0.0.1:{registrar.port}", ALICE, **more)  # type: ignore[arg-type]


def accept(registrar: Wire, request: Request, alice: Phone, seconds: int) -> None:
    response = registrar.answer(request, 200, "registrar")
    response.set("contact", f"<sip:other@192.0.2.9>;expires=9, {request.get('contact')}".replace("600", str(seconds)))
    registrar.send(response, alice)


def test_it_registers_refreshes_and_unregisters() -> None:
    async def main() -> None:
        async with wire() as registrar:
            async with phone() as alice:
                loop = asyncio.get_running_loop()
                alice.agent.register(registration(registrar))
                first = await registrar.request("REGISTER")
                port = alice.agent.listening_on()[0][1][1]
                assert first.uri_text == f"sip:127.0.0.1:{registrar.port}"
                assert first.get("to") == f"<sip:alice@127.0.0.1:{registrar.port}>"
                assert first.get("contact") == f"<sip:alice@127.0.0.1:{port}>;expires=600"
                challenge = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
                registrar.send(registrar.answer(first, 401, "registrar", www_authenticate=challenge), alice)
                second = await registrar.request("REGISTER")
                assert 'username="alice"' in (second.get("authorization") or "")
                assert (second.call_id, second.cseq[0]) == (first.call_id, first.cseq[0] + 1)
                accept(registrar, second, alice, 120)
                changed = await alice.expect(RegistrationChanged)
                assert changed == RegistrationChanged("trunk", registered=True, status=200, reason="OK", expires=120)
                started = loop.time()
                for _ in range(3):
                    refresh = await registrar.request("REGISTER")
                    assert 50 <= loop.time() - started <= 61
                    started = loop.time()
                    accept(registrar, refresh, alice, 120)
                assert alice.unseen == []
                leaving = asyncio.create_task(alice.agent.unregister("trunk"))
                last = await registrar.request("REGISTER")
                assert last.get("contact") == f"<sip:alice@127.0.0.1:{port}>;expires=0"
                accept(registrar, last, alice, 0)
                await leaving
            assert registrar.unseen == []

    run(main())


def test_a_registrar_that_is_gone_is_tried_again_with_growing_pauses() -> None:
    async def main() -> None:
        async with wire() as registrar, phone() as alice:
            alice.agent.register(registration(registrar))
            times: list[float] = []
            loop = asyncio.get_running_loop()
            for _ in range(4):
                request = await registrar.request("REGISTER")
                registrar.send(registrar.answer(request, 500, "registrar"), alice)
                times.append(loop.time())
            for start, end, longest in zip(times, times[1:], (30, 60, 120), strict=False):
                assert longest / 2 <= end - start <= longest + 0.1
            request = await registrar.request("REGISTER")
            registrar.send(registrar.answer(request, 503, "registrar", retry_after="900"), alice)
            assert (await alice.expect(RegistrationChanged)).status == 500
            changed = await alice.expect(RegistrationChanged)
            assert (changed.registered, changed.status, changed.expires) == (False, 503, 900)
            accept(registrar, await registrar.request("REGISTER"), alice, 600)
            assert (await alice.expect(RegistrationChanged)).registered

    run(main())


def test_calls_come_in_to_an_address_of_our_own() -> None:
    async def main() -> None:
        async with wire() as registrar, phone() as alice:
            alice.agent.register(registration(registrar, contact_user="c0ntact"))
            request = await registrar.request("REGISTER")
            port = alice.agent.listening_on()[0][1][1]
            assert request.get("to") == f"<sip:alice@127.0.0.1:{registrar.port}>"
            assert request.get("contact") == f"<sip:c0ntact@127.0.0.1:{port}>;expires=600"
            accept(registrar, request, alice, 600)
            assert (await alice.expect(RegistrationChanged)).registered
            invite = registrar.new("INVITE", p_called_party_id='"Desk" <sip:+31201234567@provider.example>')
            registrar.send(invite, alice)
            call = await alice.expect(IncomingCall)
            assert call.called_party == Identity("sip:+31201234567@provider.example", "Desk", "+31201234567")

    run(main())


def test_a_longer_interval_is_taken_where_it_is_asked_for() -> None:
    async def main() -> None:
        async with wire() as registrar, phone() as alice:
            alice.agent.register(registration(registrar, seconds=60))
            request = await registrar.request("REGISTER")
            registrar.send(registrar.answer(request, 423, "registrar", min_expires="1800"), alice)
            assert (await registrar.request("REGISTER")).get("expires") == "1800"

    run(main())


async def connections_of(alice: Phone, lifetime: float, count: int) -> list[float]:
    """When a registrar over TCP, which ends each connection after `lifetime`, is asked to register us."""
    asked: list[float] = []
    enough = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = StreamFramer()
        while data := await reader.read(65536):
            for request in framer.feed(data):
                assert isinstance(request, Request)
                asked.append(asyncio.get_running_loop().time())
                response = request.response(200, to_tag="registrar")
                response.set("contact", f"{request.get('contact')}")
                writer.write(response.to_bytes())
                asyncio.get_running_loop().call_later(lifetime, writer.close)
        if len(asked) >= count:
            enough.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        uri = f"sip:127.0.0.1:{port};transport=tcp"
        alice.agent.register(RegistrationOrder("trunk", uri, ALICE))
        await enough.wait()
        await alice.agent.unregister("trunk")
    return asked


def test_a_connection_that_breaks_is_replaced_at_once() -> None:
    async def main() -> None:
        async with phone(transports=("udp", "tcp")) as alice:
            asked = await connections_of(alice, 100.0, 3)
            for before, after in itertools.pairwise(asked[:3]):
                assert 101 <= after - before <= 102.1
            assert [event.registered for event in alice.events if isinstance(event, RegistrationChanged)] == [True]

    run(main())


def test_connections_that_do_not_last_are_replaced_with_growing_pauses() -> None:
    async def main() -> None:
        async with phone(transports=("udp", "tcp")) as alice:
            asked = await connections_of(alice, 0.1, 7)
            pauses = [after - before for before, after in itertools.pairwise(asked[:7])]
            for pause, longest in zip(pauses, (30, 60, 120, 240, 480, 540), strict=True):
                assert min(longest / 2, 480) <= pause <= min(longest, 540) + 0.2, "the usual refresh at the latest"

    run(main())


@pytest.mark.parametrize("status", [200, 404, 405])
def test_a_peer_that_answers_anything_is_there(status: int) -> None:
    async def main() -> None:
        async with wire() as peer, phone() as alice:
            alice.agent.watch(PeerOrder("trunk", peer.uri, 20.0))
            for _ in range(3):
                peer.send(peer.answer(await peer.request("OPTIONS"), status, "peer"), alice)
            changed = await alice.expect(PeerChanged)
            assert (changed.name, changed.reachable, changed.status) == ("trunk", True, status)
            assert changed.round_trip < 0.5
            changed = await alice.expect(PeerChanged)
            assert (changed.reachable, changed.status) == (False, 408)
            alice.agent.unwatch("trunk")
            asked = len(peer.messages)
            await asyncio.sleep(100)
            assert len(peer.messages) == asked

    run(main())


@pytest.mark.parametrize("status", [408, 503])
def test_a_peer_that_a_proxy_cannot_reach_is_not_there_until_it_answers(status: int) -> None:
    async def main() -> None:
        async with wire() as peer, phone() as alice:
            alice.agent.watch(PeerOrder("trunk", peer.uri, 20.0))
            for said, reachable in ((status, False), (status, False), (200, True)):
                peer.send(peer.answer(await peer.request("OPTIONS"), said, "peer"), alice)
                if said != status or alice.events == []:
                    changed = await alice.expect(PeerChanged)
                    assert (changed.reachable, changed.status) == (reachable, said)
            assert alice.unseen == []
            first, second, third = peer.times("OPTIONS")
            assert 16 <= second - first <= 24.5
            assert 16 <= third - second <= 24.5
            assert second - first != pytest.approx(third - second, abs=0.001)

    run(main())


def test_many_silent_peers_are_asked_some_at_a_time() -> None:
    async def main() -> None:
        async with wire() as peer, phone() as alice:
            count = 2 * MAX_ASKED + 1
            for number in range(count):
                alice.agent.watch(PeerOrder(str(number), peer.uri, 1000.0))
            await asyncio.sleep(PATIENCE_SECONDS - 0.1)
            asked = {message.call_id for _, message in peer.messages}
            assert len(asked) == MAX_ASKED
            gone = [await alice.expect(PeerChanged) for _ in range(count)]
            assert {(event.name, event.reachable) for event in gone} == {
                (str(number), False) for number in range(count)
            }
            asked_at = peer.times("OPTIONS")
            assert asked_at[-1] - asked_at[0] < 3 * PATIENCE_SECONDS

    run(main())
