import random

from dialtone.media.rtp.latching import (
    ANNOUNCED_PACKETS,
    NEAR_PACKETS,
    SILENCE_SECONDS,
    STRANGER_PACKETS,
    SourceLatch,
)
from dialtone.media.rtp.packet import RtpPacket

ANNOUNCED = ("192.0.2.10", 4000)
NATTED = ("192.0.2.10", 61000)
SIGNALLING = "198.51.100.7"
STRANGER = ("203.0.113.66", 6666)


def packet(sequence, ssrc=1):
    return RtpPacket(0, False, sequence % 65536, 0, ssrc, b"")


def stream(latch, source, count, *, first=0, ssrc=1, at=0.0):
    """How many packets of a stream are heard."""
    return sum(latch.accepts(packet(first + index, ssrc), source, at + index * 0.02) for index in range(count))


def test_packets_go_where_sdp_says_until_somebody_was_heard():
    latch = SourceLatch(ANNOUNCED)
    assert latch.destination == ANNOUNCED
    assert stream(latch, ANNOUNCED, 1) == 1
    assert latch.destination == ANNOUNCED


def test_a_nat_changes_the_port():
    latch = SourceLatch(ANNOUNCED)
    assert stream(latch, NATTED, 10) == 10 - (NEAR_PACKETS - 1)
    assert latch.destination == NATTED


def test_a_private_address_in_sdp_is_found_at_the_address_of_the_signalling():
    latch = SourceLatch(("10.0.0.5", 4000), SIGNALLING)
    assert stream(latch, (SIGNALLING, 61000), 10) == 10 - (NEAR_PACKETS - 1)


def test_an_unknown_host_needs_patience():
    latch = SourceLatch(("10.0.0.5", 4000))
    assert stream(latch, STRANGER, 20) == 20 - (STRANGER_PACKETS - 1)
    assert latch.destination == STRANGER


def test_a_stray_takes_nothing_over_however_long_it_tries():
    latch = SourceLatch(ANNOUNCED, SIGNALLING)
    for index in range(3000):
        at = index * 0.02
        assert latch.accepts(packet(index), ANNOUNCED, at)
        assert not latch.accepts(packet(index + 30000, ssrc=9), STRANGER, at + 0.001)
        assert not latch.accepts(packet(index + 30000, ssrc=9), (SIGNALLING, 5000), at + 0.001)
    assert latch.destination == ANNOUNCED
    assert latch.strays == 6000


def test_a_stray_before_the_first_packet_wins_nothing():
    latch = SourceLatch(ANNOUNCED)
    assert stream(latch, STRANGER, STRANGER_PACKETS - 1, ssrc=9) == 0
    assert stream(latch, ANNOUNCED, 1) == 1
    assert stream(latch, STRANGER, 100, first=STRANGER_PACKETS - 1, ssrc=9) == 0
    assert latch.destination == ANNOUNCED


def test_the_address_of_sdp_is_believed_before_all_others():
    latch = SourceLatch(ANNOUNCED, SIGNALLING)
    for index in range(100):
        latch.accepts(packet(index, ssrc=9), (SIGNALLING, 5000), index * 0.02)
    for index in range(100, 200):
        latch.accepts(packet(index), ANNOUNCED, index * 0.02)
        latch.accepts(packet(index, ssrc=9), (SIGNALLING, 5000), index * 0.02)
    assert latch.destination == ANNOUNCED
    assert latch.strays == (NEAR_PACKETS - 1) + (ANNOUNCED_PACKETS - 1) + 100 - (ANNOUNCED_PACKETS - 1)


def test_the_same_stream_from_another_address_is_followed():
    latch = SourceLatch(ANNOUNCED)
    stream(latch, ANNOUNCED, 50)
    moved = ("192.0.2.99", 7777)
    assert stream(latch, moved, 10, first=50, at=1.0) == 9
    assert latch.destination == moved


def test_guessing_a_stream_does_not_work():
    latch = SourceLatch(ANNOUNCED)
    chance = random.Random(1)
    for index in range(5000):
        assert latch.accepts(packet(index, ssrc=123456), ANNOUNCED, index * 0.02)
        guess = packet(chance.randrange(65536), ssrc=chance.getrandbits(32))
        assert not latch.accepts(guess, (STRANGER[0], chance.randrange(65536)), index * 0.02)
    right_ssrc = SourceLatch(ANNOUNCED)
    stream(right_ssrc, ANNOUNCED, 50)
    assert stream(right_ssrc, STRANGER, 30, first=20000, at=1.0) == 0


def test_another_source_may_take_over_after_a_silence():
    latch = SourceLatch(ANNOUNCED)
    stream(latch, ANNOUNCED, 50)
    later = 1.0 + SILENCE_SECONDS + 0.1
    assert stream(latch, NATTED, 10, ssrc=2, at=later) == 10 - (NEAR_PACKETS - 1)
    assert latch.destination == NATTED


def test_an_authentic_packet_moves_the_source_at_once():
    latch = SourceLatch(ANNOUNCED, authenticated=True)
    stream(latch, ANNOUNCED, 50)
    assert stream(latch, STRANGER, 1, first=50, at=1.0) == 1
    assert latch.destination == STRANGER


def test_a_new_announcement_begins_anew():
    latch = SourceLatch(ANNOUNCED)
    stream(latch, ANNOUNCED, 50)
    elsewhere = ("192.0.2.20", 5000)
    latch.expect(elsewhere)
    assert latch.destination == elsewhere
    assert stream(latch, ANNOUNCED, 5, first=50, at=1.0) == 0
    assert stream(latch, elsewhere, 5, ssrc=2, at=1.0) == 5


def test_a_flood_of_sources_is_bounded():
    latch = SourceLatch(("10.0.0.5", 4000))
    for index in range(10000):
        latch.accepts(packet(index), (f"198.51.100.{index % 250}", index), 0.0)
    assert len(latch._candidates) <= 8
