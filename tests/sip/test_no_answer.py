"""Requests that nobody answers: what their owner is told of why."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from dialtone.sip.errors import Obstacle
from dialtone.sip.events import Account, Ended, NoAnswer, PeerChanged, RegistrationChanged
from dialtone.sip.peers import PeerOrder
from dialtone.sip.registration import RegistrationOrder
from tests.sip.certificates import make_certificate
from tests.sip.stage import Phone, order, phone, run
from tests.sip.test_network import Names
from tests.sip.wire import wire


async def told(alice: Phone, server: str) -> list[NoAnswer | None]:
    """What a call, a registration and a question to a server come to."""
    alice.agent.invite(order(f"sip:bob@{server}"))
    ended = await alice.eventually(Ended)
    alice.agent.register(RegistrationOrder("r", f"sip:{server}", Account("alice", "secret")))
    registration = await alice.eventually(RegistrationChanged)
    await alice.agent.unregister("r")
    alice.agent.watch(PeerOrder("p", f"sip:{server}"))
    peer = await alice.eventually(PeerChanged)
    assert (ended.by, registration.registered, peer.reachable) == ("failed", False, False)
    return [ended.no_answer, registration.no_answer, peer.no_answer]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_name_that_nobody_knows() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",), resolver=Names()) as alice:
            nowhere = NoAnswer("name_not_found", "nowhere.example")
            assert await told(alice, "nowhere.example;transport=tcp") == [nowhere] * 3

    run(main())


def test_a_family_of_addresses_that_we_do_not_have() -> None:
    async def main() -> None:
        async with phone() as alice:
            assert await told(alice, "[::1]:5060") == [NoAnswer("no_route", "::1")] * 3

    run(main())


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_port_where_nobody_listens(transport: str) -> None:
    async def main() -> None:
        names, port = Names(), free_port()
        names.hosts["pbx.example"] = ["127.0.0.1"]
        async with phone(transports=("tcp",), resolver=names) as alice:
            refused = NoAnswer("connection_refused", "pbx.example", transport, ("127.0.0.1", port))  # type: ignore[arg-type]
            assert await told(alice, f"pbx.example:{port};transport={transport}") == [refused] * 3

    run(main())


def test_a_server_that_says_nothing() -> None:
    async def main() -> None:
        async with phone() as alice, wire() as silent:
            silence = NoAnswer("no_answer", "127.0.0.1", "udp", ("127.0.0.1", silent.port))
            assert await told(alice, f"127.0.0.1:{silent.port}") == [silence] * 3

    run(main())


def test_a_server_that_hangs_up() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with phone(transports=("tcp",)) as alice:
            closed = NoAnswer("connection_lost", "127.0.0.1", "tcp", ("127.0.0.1", port))
            assert await told(alice, f"127.0.0.1:{port};transport=tcp") == [closed] * 3
        server.close()

    run(main())


@pytest.mark.parametrize(
    ("days", "known", "host", "obstacle"),
    [
        (1.0, False, "127.0.0.1", "certificate_untrusted"),
        (1.0, True, "other.example", "certificate_of_another"),
        (1.0, True, "127.0.0.2", "certificate_of_another"),
        (-0.5, True, "127.0.0.1", "certificate_expired"),
    ],
)
def test_a_certificate_that_proves_nothing(
    tmp_path: Path, days: float, known: bool, host: str, obstacle: Obstacle
) -> None:
    file = make_certificate(tmp_path, days)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    trusted = ssl.create_default_context(cafile=str(file)) if known else None

    async def main() -> None:
        names = Names()
        names.hosts["other.example"] = ["127.0.0.1"]
        async with (
            phone(transports=("tcp",), tls_client=trusted, resolver=names) as alice,
            phone(host="0.0.0.0", transports=("tls",), certificate=served) as far,
        ):
            port = far.agent.listening_on()[0][1][1]
            address = "127.0.0.1" if host == "other.example" else host
            wrong = NoAnswer(obstacle, host, "tls", (address, port))
            assert await told(alice, f"{host}:{port};transport=tls") == [wrong] * 3

    run(main())


def test_a_server_that_speaks_no_tls() -> None:
    async def main() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with phone(transports=("tcp",)) as alice:
            plain = NoAnswer("tls_failed", "127.0.0.1", "tls", ("127.0.0.1", port))
            assert await told(alice, f"127.0.0.1:{port};transport=tls") == [plain] * 3
        server.close()

    run(main())
