"""Who may connect over TCP and TLS, for how long, and which connection a request may go out on."""

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialtone.sip import acceptor
from dialtone.sip.acceptor import HANDSHAKE_SECONDS, MAX_CONNECTIONS_PER_STRANGER, MAX_STRANGERS_HANDSHAKES
from dialtone.sip.admission import Admission, RequestFacts, Silence
from dialtone.sip.events import Ended, IncomingCall
from dialtone.sip.guard import BURST, HANDSHAKES_BURST, REFUSALS_BEFORE_BLOCK, Guard
from dialtone.sip.stream import CLOSE_SECONDS, DELIVERY_SECONDS, MESSAGE_SECONDS, STRANGER_SECONDS
from tests.sip.certificates import make_certificate
from tests.sip.stage import Phone, connected, order, phone, run
from tests.sip.test_admission import Clock, silence
from tests.sip.test_network import Names, answers_of

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def in_real_time(main: Coroutine[Any, Any, None]) -> None:
    """As the server runs."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def client_side(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


@asynccontextmanager
async def many(
    port: int, count: int, *, host: str = "127.0.0.1", source: str | None = None
) -> AsyncIterator[list[Connection]]:
    """Connections that say nothing."""
    local = (source, 0) if source else None
    made = [await asyncio.open_connection(host, port, local_addr=local) for _ in range(count)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.transport.abort()


async def still_open(connections: list[Connection]) -> int:
    await asyncio.sleep(0.1)
    return sum(not reader.at_eof() and reader.exception() is None for reader, _ in connections)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def port_of(someone: Phone) -> int:
    return someone.agent.listening_on()[0][1][1]


def request(number: int) -> bytes:
    return (
        f"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n"
        f"To: <sip:a@b>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ).encode()


# --- before a handshake


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("runs", [run, in_real_time])
def test_of_a_strangers_silent_connections_few_stay_open(
    certificate: Path, host: str, runs: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def main() -> None:
        async with (
            phone(host=host, transports=("tls",), admit=silence, certificate=server_side(certificate)) as alice,
            many(port_of(alice), 40, host=host) as connections,
        ):
            assert await still_open(connections) == MAX_CONNECTIONS_PER_STRANGER

    runs(main())


def test_a_handshake_has_its_time_and_makes_room_for_the_next(certificate: Path) -> None:
    async def main() -> None:
        async with (
            phone(transports=("tls",), admit=silence, certificate=server_side(certificate)) as alice,
            many(port_of(alice), MAX_CONNECTIONS_PER_STRANGER) as connections,
        ):
            await asyncio.sleep(HANDSHAKE_SECONDS - 0.2)
            assert await still_open(connections) == MAX_CONNECTIONS_PER_STRANGER
            await asyncio.sleep(0.2)
            assert await still_open(connections) == 0
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(alice), ssl=client_side(certificate))
            await until(lambda: len(alice.agent.endpoint.transports.connections) == 1)
            writer.close()

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("runs", [run, in_real_time])
def test_a_blocked_address_gets_no_handshake(
    certificate: Path, host: str, runs: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def main() -> None:
        async with phone(host=host, transports=("tls",), admit=silence, certificate=server_side(certificate)) as alice:
            for _ in range(REFUSALS_BEFORE_BLOCK):
                alice.agent.endpoint.guard.refuse(host)
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await asyncio.open_connection(host, port_of(alice), ssl=client_side(certificate))
            assert len(alice.agent.endpoint.transports.connections) == 0

    runs(main())


def test_strangers_in_handshakes_leave_room_for_whoever_was_let_in(certificate: Path) -> None:
    async def main() -> None:
        async with phone(transports=("tls",), admit=silence, certificate=server_side(certificate)) as alice:
            alice.agent.endpoint.guard.trust("127.0.0.1")
            silent: list[Connection] = []
            for number in range(12):
                source = (f"127.0.1.{number + 1}", 0)
                for _ in range(MAX_CONNECTIONS_PER_STRANGER):
                    silent.append(await asyncio.open_connection("127.0.0.1", port_of(alice), local_addr=source))
                await asyncio.sleep(HANDSHAKE_SECONDS / 15)
            assert await still_open(silent) == MAX_STRANGERS_HANDSHAKES
            _, writer = await asyncio.open_connection("127.0.0.1", port_of(alice), ssl=client_side(certificate))
            writer.close()
            for _, writer in silent:
                writer.transport.abort()

    run(main())


def test_handshakes_with_strangers_have_a_pace_of_their_own() -> None:
    clock = Clock()
    guard = Guard(clock)
    assert sum(guard.allows_handshake() for _ in range(1000)) == HANDSHAKES_BURST
    clock.now = 1.0
    assert sum(guard.allows_handshake() for _ in range(1000)) == 50


def test_a_stranger_makes_room_for_whoever_was_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(acceptor, "MAX_CONNECTIONS", 3)
        async with phone(transports=("tcp",), admit=silence) as alice:
            alice.agent.endpoint.guard.trust("127.0.0.1")
            async with many(port_of(alice), 4, source="127.0.1.1") as strangers:
                assert await still_open(strangers) == 3
                async with many(port_of(alice), 4) as friends:
                    assert await still_open(friends) == 3
                    assert await still_open(strangers) == 0

    run(main())


def test_neighbours_in_one_network_of_ipv6_are_one() -> None:
    assert acceptor.site_of("2001:db8::1") == acceptor.site_of("2001:db8:0:0:ffff::2")
    assert acceptor.site_of("2001:db8::1") != acceptor.site_of("2001:db8:0:1::1")


def test_without_files_to_open_it_is_tried_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        accept, refusals = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")]

        async def accept_or_not(listening: socket.socket) -> tuple[socket.socket, Any]:
            if refusals:
                raise refusals.pop()
            return await accept(listening)

        loop.sock_accept = accept_or_not  # type: ignore[method-assign]
        async with phone(transports=("tcp",)) as alice, phone(transports=("tcp",)) as bob:
            bob.agent.invite(order(alice.uri(transport="tcp")))
            await alice.expect(IncomingCall)

    run(main())


def test_closing_leaves_no_handshake_behind(certificate: Path) -> None:
    async def main() -> None:
        async with phone(transports=("tls",), admit=silence, certificate=server_side(certificate)) as alice:
            connections = [await asyncio.open_connection("127.0.0.1", port_of(alice)) for _ in range(3)]
            assert await still_open(connections) == 3
        assert await still_open(connections) == 0
        for _, writer in connections:
            writer.close()

    run(main())


@pytest.mark.parametrize("runs", [run, in_real_time])
def test_what_we_send_does_not_wait_for_more(runs: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    async def main() -> None:
        async with phone(transports=("tcp",)) as alice, many(port_of(alice), 1):
            connections = alice.agent.endpoint.transports.connections
            await until(lambda: len(connections) == 1)
            stream = next(iter(connections))._stream
            assert stream is not None
            assert stream.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    runs(main())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be told (TCP_USER_TIMEOUT)")
@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("runs", [run, in_real_time])
def test_a_peer_that_is_gone_in_silence_is_given_up(
    certificate: Path, transport: str, runs: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Nothing on loopback goes away in silence: the system is told to notice, on connections of either side."""

    async def main() -> None:
        server, client = server_side(certificate), client_side(certificate)
        async with (
            phone(transports=(transport,), certificate=server) as bob,
            phone(transports=(transport,), certificate=server, tls_client=client) as alice,
        ):
            alice.agent.invite(order(bob.uri(transport=transport)))
            await bob.expect(IncomingCall)
            for side in (alice, bob):
                connection = next(iter(side.agent.endpoint.transports.connections))
                assert connection._stream is not None
                end = connection._stream.get_extra_info("socket")
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DELIVERY_SECONDS * 1000

    runs(main())


# --- what strangers may send


def test_of_many_messages_in_one_piece_a_strangers_first_are_heard() -> None:
    async def main() -> None:
        asked: list[RequestFacts] = []

        async def admit(facts: RequestFacts) -> Admission:
            asked.append(facts)
            await asyncio.sleep(1)
            return Silence()

        async with phone(transports=("tcp",), admit=admit) as alice:
            flood = b"\r\n\r\n\r\n".join(request(number) for number in range(150))
            assert await answers_of(port_of(alice), flood, wait=1) == b""
            assert 0 < len(asked) < BURST

    run(main())


def test_malformed_messages_on_connections_block_an_address() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",), admit=silence) as alice:
            for _ in range(REFUSALS_BEFORE_BLOCK):
                assert await answers_of(port_of(alice), b"GET / HTTP/1.1\r\n\r\n") == b""
            assert not alice.agent.endpoint.guard.allows("127.0.0.1")

    run(main())


def test_keep_alives_of_strangers_get_no_answer_and_no_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with phone(transports=("tcp",), admit=silence) as alice:
            started = loop.time()
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(alice))
            for _ in range(3):
                writer.write(b"\r\n\r\n")
                await asyncio.sleep(STRANGER_SECONDS / 4)
            assert await reader.read() == b""
            assert loop.time() - started == pytest.approx(STRANGER_SECONDS, abs=0.2)
            writer.close()

    run(main())


def test_whoever_was_let_in_on_another_way_may_stay() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",), admit=silence) as alice, many(port_of(alice), 1) as connections:
            alice.agent.endpoint.guard.trust("127.0.0.1")
            await asyncio.sleep(2 * STRANGER_SECONDS)
            assert await still_open(connections) == 1

    run(main())


def test_messages_that_overlap_pieces_are_not_taken_for_a_slow_one() -> None:
    """On a busy connection a read may end within a message again and again."""

    async def main() -> None:
        async with phone(transports=("tcp",)) as alice:
            alice.agent.endpoint.guard.trust("127.0.0.1")
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(alice))
            stream = b"".join(request(number) for number in range(20))
            length = len(request(10))
            for start in range(0, len(stream), length):
                writer.write(stream[start + 50 : start + 50 + length] if start else stream[: length + 50])
                await asyncio.sleep(MESSAGE_SECONDS / 10)
            assert (await reader.read(100_000)).count(b"SIP/2.0 200") == 20
            writer.close()

    run(main())


# --- which connection leads where


async def refused(alice: Phone, target: str) -> None:
    alice.agent.invite(order(target))
    ended = await alice.eventually(Ended)
    assert (ended.by, ended.status) == ("failed", 503)


def test_a_connection_that_proved_one_name_leads_to_no_other(certificate: Path) -> None:
    async def main() -> None:
        known = Names()
        known.hosts["sip.example"] = ["127.0.0.1"]
        server, client = server_side(certificate), client_side(certificate)
        async with (
            phone(transports=("tls",), certificate=server) as bob,
            phone(transports=("tls",), certificate=server, tls_client=client, resolver=known) as alice,
        ):
            await connected(alice, bob, bob.uri(transport="tls"))
            await connected(alice, bob, bob.uri(transport="tls"))
            assert len(bob.agent.endpoint.transports.connections) == 1
            await refused(alice, f"sip:bob@sip.example:{port_of(bob)};transport=tls")
            assert bob.unseen == []

    run(main())


def test_who_connected_to_us_over_tls_is_nobody_we_call(certificate: Path) -> None:
    async def main() -> None:
        server, client = server_side(certificate), client_side(certificate)
        async with phone(transports=("tls",), certificate=server, tls_client=client) as alice:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(alice), ssl=client)
            await until(lambda: len(alice.agent.endpoint.transports.connections) == 1)
            port = writer.get_extra_info("sockname")[1]
            await refused(alice, f"sip:bob@127.0.0.1:{port};transport=tls")
            assert await still_open([(reader, writer)]) == 1
            writer.close()

    run(main())


def test_two_connections_from_one_port_are_two() -> None:
    async def main() -> None:
        async with phone(transports=("tcp", "tcp")) as alice:
            connections = alice.agent.endpoint.transports.connections
            ports = [address[1] for _, address in alice.agent.listening_on()]
            sockets = [socket.socket() for _ in ports]
            for each in sockets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sockets[0].bind(("127.0.0.1", 0))
            sockets[1].bind(sockets[0].getsockname())
            for each, port in zip(sockets, ports, strict=True):
                each.connect(("127.0.0.1", port))
            await until(lambda: len(connections) == 2)
            for each in sockets:
                each.close()
            await until(lambda: len(connections) == 0)

    run(main())


def test_a_peer_that_does_not_read_cannot_keep_a_connection_open() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",)) as alice, many(port_of(alice), 1):
            connections = alice.agent.endpoint.transports.connections
            await until(lambda: len(connections) == 1)
            connection = next(iter(connections))
            while not connection._stream.get_write_buffer_size():  # type: ignore[union-attr]
                connection.send(b"\r\n" * 100_000)  # into the kernel's buffers, and at last into ours
            connection.close()
            await asyncio.sleep(CLOSE_SECONDS + 0.1)
            assert len(connections) == 0

    run(main())
