"""Passwords that we are asked for as a caller (RFC 3261 section 22.2), on the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dialtone.sip.dns import Service
from dialtone.sip.events import Account, Ended
from dialtone.sip.framing import StreamFramer
from dialtone.sip.message import Request
from tests.sip.stage import order, phone, run
from tests.sip.test_network import Names
from tests.sip.wire import Wire, wire

ACCOUNT = Account("alice", "secret")


def challenge(nonce: str, more: str = "") -> str:
    return f'Digest realm="r", nonce="{nonce}", algorithm=MD5, qop="auth"{more}'


async def next_invite(server: Wire) -> Request:
    while not isinstance(message := await server.next(), Request) or message.method != "INVITE":
        pass
    return message


def test_a_password_that_is_refused_is_sent_once() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as server:
            for call in range(2):
                alice.agent.invite(order(server.uri, account=ACCOUNT))
                for sent in range(2):
                    invite = await next_invite(server)
                    assert len(invite.lines("authorization")) == sent
                    nonce = f"{call}-{sent}"
                    server.send(server.answer(invite, 401, "x", www_authenticate=challenge(nonce)), alice)
                assert (await alice.expect(Ended)).status == 401
            await asyncio.sleep(1)
            assert not [
                message for message in server.unseen if isinstance(message, Request) and message.method != "ACK"
            ]

    run(main())


def test_a_nonce_that_has_grown_old_says_nothing_of_the_password() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as server:
            alice.agent.invite(order(server.uri, account=ACCOUNT))
            for nonce, more in (("one", ""), ("two", ", stale=true")):
                invite = await next_invite(server)
                server.send(server.answer(invite, 401, "x", www_authenticate=challenge(nonce, more)), alice)
            assert 'nonce="two"' in ((await next_invite(server)).get("authorization") or "")

    run(main())


def test_the_next_server_may_ask_anew() -> None:
    async def main() -> None:
        known = Names()
        async with phone(resolver=known) as alice, wire() as first, wire() as second:
            known.srv["_sip._udp.example.com"] = [
                Service(1, 0, first.port, "127.0.0.1"),
                Service(2, 0, second.port, "127.0.0.1"),
            ]
            alice.agent.invite(order("sip:bob@example.com", account=ACCOUNT))
            first.send(first.answer(await next_invite(first), 401, "x", www_authenticate=challenge("one")), alice)
            first.send(first.answer(await next_invite(first), 503, "x"), alice)
            second.send(second.answer(await next_invite(second), 401, "y", www_authenticate=challenge("two")), alice)
            assert 'nonce="two"' in ((await next_invite(second)).get("authorization") or "")

    run(main())


@asynccontextmanager
async def closing_server(*statuses: int) -> AsyncIterator[tuple[str, list[Request]]]:
    """A server that says one thing on each connection and closes it: its address, and the requests that came."""
    requests: list[Request] = []
    left = list(statuses)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer, invites = StreamFramer(), list[Request]()
        while not invites and (data := await reader.read(65536)):
            invites = [message for message in framer.feed(data) if isinstance(message, Request)]
        requests.extend(invites)
        for invite in invites:
            response = invite.response(left.pop(0), to_tag="server")
            response.set("www-authenticate", challenge(f"n{len(left)}"))
            writer.write(response.to_bytes())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"sip:bob@127.0.0.1:{server.sockets[0].getsockname()[1]};transport=tcp", requests


@pytest.mark.parametrize(("statuses", "ended"), [((401, 486), 486), ((401, 401, 486), 401)])
def test_a_server_that_asks_and_closes_its_connection_gets_the_password_on_another(
    statuses: tuple[int, ...], ended: int
) -> None:
    async def main() -> None:
        async with phone(transports=("udp", "tcp")) as alice, closing_server(*statuses) as (uri, requests):
            alice.agent.invite(order(uri, account=ACCOUNT))
            assert (await alice.expect(Ended)).status == ended
            assert [len(request.lines("authorization")) for request in requests] == [0, 1]

    run(main())
