"""Finding servers, connections, NATs, STUN, and messages that are too long for a datagram."""

import asyncio
import random
import ssl
import struct
from pathlib import Path

import pytest

from dialtone.sip.acceptor import MAX_CONNECTIONS_PER_ADDRESS
from dialtone.sip.dns import SRV, Pointer, Service, SystemResolver, parse_answer, question
from dialtone.sip.errors import ParseError, TransportError
from dialtone.sip.events import Answered, Ended, IncomingCall
from dialtone.sip.exchange import leads_there
from dialtone.sip.flow import Target
from dialtone.sip.guard import Guard
from dialtone.sip.locating import locate
from dialtone.sip.stream import MESSAGE_SECONDS, STRANGER_SECONDS
from dialtone.sip.stun import binding_request, is_stun, mapped_address
from dialtone.sip.transports import Listener, TransportOptions, Transports
from dialtone.sip.udp import UdpFlow, UdpSocket
from dialtone.sip.uri import parse_uri
from tests.sip.certificates import make_certificate
from tests.sip.stage import ANSWER, OFFER, connected, order, phone, run
from tests.sip.test_admission import silence
from tests.sip.wire import wire


class Names:
    """A resolver that knows what it is told."""

    def __init__(self) -> None:
        self.hosts: dict[str, list[str]] = {}
        self.srv: dict[str, list[Service]] = {}
        self.naptr: dict[str, list[Pointer]] = {}

    async def addresses(self, host: str) -> list[str]:
        if host not in self.hosts:
            raise TransportError("unknown", "name_not_found")
        return self.hosts[host]

    async def services(self, name: str) -> list[Service]:
        return self.srv.get(name, [])

    async def pointers(self, name: str) -> list[Pointer]:
        return self.naptr.get(name, [])


def names() -> Names:
    made = Names()
    made.hosts = {"a.example": ["192.0.2.1", "2001:db8::1"], "b.example": ["192.0.2.2"], "example.com": ["192.0.2.9"]}
    return made


async def test_addresses_ports_and_parameters_decide_first() -> None:
    known = names()
    assert await locate(parse_uri("sip:x@192.0.2.7"), known) == [Target("udp", "192.0.2.7", 5060, "192.0.2.7")]
    assert await locate(parse_uri("sips:[2001:db8::7]"), known) == [Target("tls", "2001:db8::7", 5061, "2001:db8::7")]
    assert await locate(parse_uri("sip:x@a.example:5070;transport=tcp"), known) == [
        Target("tcp", "192.0.2.1", 5070, "a.example"),
        Target("tcp", "2001:db8::1", 5070, "a.example"),
    ]
    assert await locate(parse_uri("sip:example.com"), known) == [Target("udp", "192.0.2.9", 5060, "example.com")]
    for uri in ("tel:+31201234567", "sip:x@nowhere.example", "sip:x@a.example;transport=sctp"):
        with pytest.raises(TransportError):
            await locate(parse_uri(uri), known)


async def test_services_are_tried_by_priority_and_keep_the_name_for_tls() -> None:
    known = names()
    known.srv["_sips._tcp.example.com"] = [
        Service(20, 0, 5071, "b.example"),
        Service(10, 0, 5070, "a.example"),
        Service(30, 0, 5072, "gone.example"),
    ]
    assert await locate(parse_uri("sips:x@example.com"), known) == [
        Target("tls", "192.0.2.1", 5070, "example.com"),
        Target("tls", "2001:db8::1", 5070, "example.com"),
        Target("tls", "192.0.2.2", 5071, "example.com"),
    ]
    known.naptr["example.com"] = [
        Pointer(20, 0, "s", "SIP+D2U", "_sip._udp.example.com"),
        Pointer(10, 0, "s", "SIP+D2T", "_sip._tcp.other.example"),
        Pointer(5, 0, "s", "XMPP", "_xmpp._tcp.example.com"),
    ]
    known.srv["_sip._tcp.other.example"] = [Service(0, 0, 5080, "b.example")]
    known.srv["_sip._udp.example.com"] = [Service(0, 0, 5090, "192.0.2.3")]
    found = await locate(parse_uri("sip:x@example.com"), known)
    assert [(target.transport, target.port) for target in found] == [("tcp", 5080), ("udp", 5090)]


def test_the_next_server_is_tried_where_one_does_not_answer() -> None:
    async def main() -> None:
        known = Names()
        async with phone(transports=("udp", "tcp"), resolver=known) as alice, phone(transports=("tcp",)) as bob:
            port = bob.agent.listening_on()[0][1][1]
            known.srv["_sip._tcp.example.com"] = [Service(1, 0, 1, "127.0.0.1"), Service(2, 0, port, "127.0.0.1")]
            alice.agent.invite(order("sip:bob@example.com;transport=tcp"))
            call = await bob.expect(IncomingCall)
            bob.agent.answer(call.call, ANSWER)
            await alice.expect(Answered)

    run(main())


def test_a_server_that_is_overloaded_passes_the_call_on() -> None:
    async def main() -> None:
        known = Names()
        async with phone(resolver=known) as alice, wire() as first, wire() as second:
            known.srv["_sip._udp.example.com"] = [
                Service(1, 0, first.port, "127.0.0.1"),
                Service(2, 0, second.port, "127.0.0.1"),
            ]
            alice.agent.invite(order("sip:bob@example.com"))
            invite = await first.request("INVITE")
            first.send(first.answer(invite, 503, "x"), alice)
            again = await second.request("INVITE")
            assert (again.call_id, again.cseq) == (invite.call_id, invite.cseq)
            assert again.via.branch != invite.via.branch
            second.send(second.answer(again, 503, "y"), alice)
            assert (await alice.expect(Ended)).status == 503

    run(main())


def test_what_the_next_server_says_counts_not_the_silence_of_the_first() -> None:
    async def main() -> None:
        known = Names()
        async with phone(resolver=known) as alice, wire() as first, wire() as second:
            known.srv["_sip._udp.example.com"] = [
                Service(1, 0, first.port, "127.0.0.1"),
                Service(2, 0, second.port, "127.0.0.1"),
            ]
            alice.agent.invite(order("sip:bob@example.com"))
            invite = await second.request("INVITE")
            second.send(second.answer(invite, 486, "x"), alice)
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("refused", 486)

    run(main())


# --- our own queries


def answer_to(query: bytes, records: list[bytes], flags: int = 0x8180) -> bytes:
    identifier = int.from_bytes(query[:2], "big")
    head = struct.pack("!HHHHHH", identifier, flags, 1, len(records), 0, 0)
    return head + query[12:] + b"".join(records)


def srv_record(priority: int, port: int, host: bytes) -> bytes:
    data = struct.pack("!HHH", priority, 5, port) + host
    return b"\xc0\x0c" + struct.pack("!HHIH", SRV, 1, 60, len(data)) + data


HOST = b"\x03sip\x07example\x03com\x00"


async def test_a_name_server_is_asked_and_its_answer_kept() -> None:
    asked = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            reply = answer_to(data, [srv_record(10, 5060, HOST), srv_record(20, 5070, b"\xc0\x16")])
            self.transport.sendto(reply, addr)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    resolver = SystemResolver([transport.get_extra_info("sockname")])
    for _ in range(2):
        assert await resolver.services("_sip._udp.example.com") == [
            Service(10, 5, 5060, "sip.example.com"),
            Service(20, 5, 5070, "example.com"),
        ]
    assert len(asked) == 1
    transport.close()


def test_damaged_answers_are_only_refused() -> None:
    source = random.Random(1035)
    query = question(7, "_sip._udp.example.com", SRV)
    good = answer_to(query, [srv_record(10, 5060, HOST)])
    assert parse_answer(good, 7, SRV) == (60.0, [Service(10, 5, 5060, "sip.example.com")])
    for _ in range(20_000):
        data = bytearray(good[: source.randrange(len(good) + 1)] if source.random() < 0.3 else good)
        for _ in range(source.randint(0, 4)):
            if data:
                data[source.randrange(len(data))] = source.randrange(256)
        try:
            parse_answer(bytes(data), 7, SRV)
        except ParseError:
            continue
    loop = answer_to(query, [b"\xc0\x28" + struct.pack("!HHIH", SRV, 1, 60, 8) + b"\x00" * 6 + b"\xc0\x27"])
    with pytest.raises(ParseError):
        parse_answer(loop[:-2] + b"\xc0" + bytes([len(loop) - 2]), 7, SRV)


# --- STUN


def test_the_example_of_rfc_5769_is_understood() -> None:
    answer = bytes.fromhex(
        "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
        "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
    )
    assert mapped_address(answer, bytes.fromhex("b7e7a701bc34d686fa87dfae")) == ("192.0.2.1", 32853)
    with pytest.raises(ParseError):
        mapped_address(answer, bytes(12))
    for end in range(len(answer)):
        with pytest.raises(ParseError):
            mapped_address(answer[:end], bytes.fromhex("b7e7a701bc34d686fa87dfae"))
    assert is_stun(binding_request(bytes(12)))
    assert not is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n")


def test_a_stun_server_tells_our_address() -> None:
    class Server(asyncio.DatagramProtocol):
        asked = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            Server.asked += 1
            if Server.asked < 3:
                return
            value = struct.pack("!BBH", 0, 1, 4242 ^ 0x2112) + bytes(
                a ^ b for a, b in zip(bytes([203, 0, 113, 5]), bytes.fromhex("2112a442"), strict=True)
            )
            reply = struct.pack("!HHI", 0x0101, 12, 0x2112A442) + data[8:20] + struct.pack("!HH", 0x20, 8) + value
            self.transport.sendto(reply, addr)  # type: ignore[attr-defined]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        async with phone() as alice:
            server = transport.get_extra_info("sockname")
            assert await alice.agent.learn_public_address(server) == ("203.0.113.5", 4242)
            # Media goes by the same way, and within our network by our own address.
            assert alice.agent.address_for("8.8.8.8") == "203.0.113.5"
            assert alice.agent.address_for("127.0.0.1") == "127.0.0.1"
            transport.close()
            await asyncio.sleep(0)
            with pytest.raises(TransportError):
                await alice.agent.learn_public_address(server)

    run(main())


def test_a_public_address_is_told_only_to_its_own_family() -> None:
    async def main() -> None:
        listeners = (Listener("udp", "127.0.0.1", 0), Listener("udp", "::1", 0))
        options = TransportOptions(listeners, public_address="203.0.113.5")
        guard = Guard(asyncio.get_running_loop().time)
        transports = Transports(options, guard, lambda message, flow: None, lambda flow: None)
        await transports.open()
        ports = {address[0]: address[1] for _, address in transports.listening_on()}
        over_ipv4 = await transports.flow_to(Target("udp", "8.8.8.8", 5060))
        over_ipv6 = await transports.flow_to(Target("udp", "2606:4700::1111", 5060))
        assert transports.contact(over_ipv4, "bob") == f"sip:bob@203.0.113.5:{ports['127.0.0.1']}"
        assert transports.contact(over_ipv6, "bob") == f"sip:bob@[::1]:{ports['::1']}"
        assert transports.address_for("8.8.8.8") == "203.0.113.5"
        assert transports.address_for("2606:4700::1111") == "::1"
        await transports.close()

    run(main())


# --- connections


def test_one_connection_serves_both_directions_and_many_calls() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",)) as alice, phone(transports=("tcp",)) as bob:
            target = bob.uri(transport="tcp")
            for _ in range(3):
                _, theirs = await connected(alice, bob, target)
                bob.agent.hangup(theirs)
                await bob.expect(Ended)
                await alice.expect(Ended)
            assert len(bob.agent.endpoint.transports.connections) == 1
            assert len(alice.agent.endpoint.transports.connections) == 1

    run(main())


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)

    async def main() -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate)
        known = Names()
        known.hosts["sip.example"] = ["127.0.0.1"]
        client = ssl.create_default_context(cafile=certificate)
        async with (
            phone(transports=("tls",), certificate=server) as bob,
            phone(transports=("tls",), certificate=server, tls_client=client, resolver=known) as alice,
            phone(transports=("tls",), certificate=server) as carol,
        ):
            port = bob.agent.listening_on()[0][1][1]
            alice.agent.invite(order(f"sip:bob@sip.example:{port};transport=tls"))
            assert (await alice.expect(Ended)).status == 503
            carol.agent.invite(order(bob.uri(transport="tls")))
            assert (await carol.expect(Ended)).status == 503
            assert bob.events == []

    run(main())


async def answers_of(port: int, *pieces: bytes, wait: float = 0.0) -> bytes:
    """What a bare connection gets until it is closed, or until `wait` seconds are over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.01)
    got = b""
    try:
        async with asyncio.timeout(wait or 1000):
            while data := await reader.read(1000):
                got += data
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return got


def test_a_keep_alive_is_answered() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",)) as alice:
            alice.agent.endpoint.guard.trust("127.0.0.1")
            port = alice.agent.listening_on()[0][1][1]
            assert await answers_of(port, b"\r\n\r", b"\n", b"\r\n\r\n", wait=1) == b"\r\n\r\n"

    run(main())


def test_strangers_and_slow_messages_lose_their_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with phone(transports=("tcp",), admit=silence) as alice:
            port = alice.agent.listening_on()[0][1][1]
            for pieces, seconds in (((), STRANGER_SECONDS), ((b"INVITE sip:",), MESSAGE_SECONDS), ((b"x\r\n\r\n",), 0)):
                started = loop.time()
                assert await answers_of(port, *pieces) == b""
                assert loop.time() - started == pytest.approx(seconds, abs=0.2)

    run(main())


def test_a_connection_that_breaks_is_noticed_at_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with phone(transports=("tcp",)) as alice:
            started = loop.time()
            alice.agent.invite(order(f"sip:bob@127.0.0.1:{port};transport=tcp"))
            ended = await alice.expect(Ended)
            assert (ended.by, ended.status) == ("failed", 503)
            assert loop.time() - started < 1
        server.close()

    run(main())


def test_connections_from_one_address_are_bounded() -> None:
    async def main() -> None:
        async with phone(transports=("tcp",)) as alice:
            port = alice.agent.listening_on()[0][1][1]
            alice.agent.endpoint.guard.trust("127.0.0.1")
            writers = [
                (await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(MAX_CONNECTIONS_PER_ADDRESS)
            ]
            await asyncio.sleep(0.1)
            assert await answers_of(port, wait=1) == b""
            assert len(alice.agent.endpoint.transports.connections) == MAX_CONNECTIONS_PER_ADDRESS
            for writer in writers:
                writer.close()
            await asyncio.sleep(0.1)
            assert len(alice.agent.endpoint.transports.connections) == 0

    run(main())


# --- long messages and NATs


LONG = OFFER + "".join(f"a=x-{number}:{'y' * 50}\r\n" for number in range(30))


def test_a_long_request_goes_over_tcp_where_there_is_tcp() -> None:
    async def main() -> None:
        async with phone(transports=("udp", "tcp")) as alice, phone(transports=("tcp",)) as bob:
            alice.agent.invite(order(bob.uri(transport="tcp").partition(";")[0], LONG))
            call = await bob.expect(IncomingCall)
            assert (call.transport, call.offer) == ("tcp", LONG)

    run(main())


def test_a_long_request_goes_over_udp_where_there_is_none() -> None:
    async def main() -> None:
        async with phone(transports=("udp", "tcp")) as alice, phone() as bob:
            for _ in range(2):
                alice.agent.invite(order(bob.uri(), LONG))
                call = await bob.expect(IncomingCall)
                assert (call.transport, call.offer) == ("udp", LONG)

    run(main())


def test_who_sits_behind_a_nat_is_answered_where_it_was_heard() -> None:
    """Its Contact is an address of its own network, from where nothing of ours would arrive."""

    async def main() -> None:
        socket = UdpSocket(lambda data, flow: None, lambda host: True)
        private = [Target("udp", "192.168.1.5", 5060)]
        assert leads_there(UdpFlow(socket, ("8.8.8.8", 40000)), private)
        assert not leads_there(UdpFlow(socket, ("8.8.8.8", 40000)), [Target("udp", "9.9.9.9", 5060)])
        assert not leads_there(UdpFlow(socket, ("10.0.0.1", 40000)), private)

    run(main())
