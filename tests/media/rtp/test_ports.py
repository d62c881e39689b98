"""On real sockets of this machine."""

import socket
import time

import pytest

from dialtone.media.rtp.datagram_socket import DatagramSocket
from dialtone.media.rtp.packet import MAX_PACKET_BYTES
from dialtone.media.rtp.ports import NoPortsError, PortPool


def free_range(pairs):
    """A range in which nothing is bound."""
    for start in range(32000, 60000, 2 * pairs):
        try:
            held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2 * pairs)]
            for index, each in enumerate(held):
                each.bind(("127.0.0.1", start + index))
        except OSError:
            continue
        finally:
            for each in held:
                each.close()
        return start, start + 2 * pairs - 1
    raise AssertionError("no range of ports is free")


@pytest.fixture
def hosts():
    """The addresses of this machine that can be tested."""
    return ["127.0.0.1", *(["::1"] if socket.has_ipv6 and has_ipv6_loopback() else [])]


def has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_pair_is_bound_even_and_odd_before_anything_is_told(hosts):
    for host in hosts:
        pool = PortPool(*free_range(3))
        ports = pool.bind(host)
        assert ports.port % 2 == 0
        assert ports.rtp.address == (host, ports.port)
        assert ports.rtcp.address == (host, ports.port + 1)
        ports.close()


def test_every_pair_is_given_once_and_the_end_is_told_in_words():
    low, high = free_range(3)
    pool = PortPool(low, high)
    held = [pool.bind("127.0.0.1") for _ in range(3)]
    assert sorted(ports.port for ports in held) == [low, low + 2, low + 4]
    with pytest.raises(NoPortsError, match=rf"{low} to {high}: 3 of 3 pairs"):
        pool.bind("127.0.0.1")
    held[1].close()
    held[1].close()
    assert pool.free == 1
    again = pool.bind("127.0.0.1")
    assert again.port == held[1].port
    for ports in (held[0], held[2], again):
        ports.close()
    assert pool.free == 3


def test_ports_of_other_programs_are_passed_over():
    low, high = free_range(2)
    pool = PortPool(low, high)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", low + 1))
        ports = pool.bind("127.0.0.1")
        assert ports.port == low + 2
        with pytest.raises(NoPortsError, match="others to other programs"):
            pool.bind("127.0.0.1")
        ports.close()
    assert pool.free == 2


def test_an_address_of_another_machine_is_an_error_and_costs_no_port():
    pool = PortPool(*free_range(2))
    with pytest.raises(OSError, match="assign"):
        pool.bind("192.0.2.1")
    assert pool.free == 2


@pytest.mark.parametrize("bounds", [(0, 100), (40001, 40002), (5000, 4000), (65000, 70000)])
def test_a_range_without_a_pair_is_refused_in_words(bounds):
    with pytest.raises(ValueError, match=str(bounds[0])):
        PortPool(*bounds)


def test_datagrams_carry_when_they_arrived(hosts):
    for host in hosts:
        ports = PortPool(*free_range(2)).bind(host)
        one, other = ports.rtp, ports.rtcp
        assert isinstance(one, DatagramSocket)
        assert one.receive(5000.0) is None
        sent = time.monotonic()
        assert other.send(b"first", one.address)
        assert other.send(b"second", one.address)
        received = [one.receive(5000.0), one.receive(5000.0)]
        passed = time.monotonic() - sent
        assert [each[:2] for each in received if each] == [(b"first", other.address), (b"second", other.address)]
        for each in received:
            assert each is not None
            assert 5000.0 - passed - 0.001 <= each[2] <= 5000.0
        assert one.receive(5000.0) is None
        begun = time.monotonic()
        assert other.send(b"third", one.address)
        third = one.receive(begun - 0.020)  # what a loop whose turn takes long believes
        assert third is not None
        assert begun - 0.001 <= third[2] <= time.monotonic()
        assert other.send(bytes(3000), one.address)
        whole = one.receive(5000.0)
        assert whole is not None
        assert len(whole[0]) == MAX_PACKET_BYTES + 1
        ports.close()
        assert one.receive(5000.0) is None
        assert not one.send(b"late", ("127.0.0.1", 9))
