import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.rtp.dtmf import (
    END_PACKETS,
    EVENTS,
    MAX_QUEUED,
    MAX_SEGMENT,
    PAUSE_FRAMES,
    TONE_FRAMES,
    DtmfReceiver,
    DtmfSender,
)


def event(key, duration, *, end=False):
    return struct.pack("!BBH", EVENTS.index(key), 10 | (0x80 if end else 0), duration)


def heard(*packets):
    receiver = DtmfReceiver()
    return "".join(receiver.receive(timestamp, payload) or "" for timestamp, payload in packets)


def press(keys, timestamp=1000):
    """All packets of some keys, each with its timestamp and whether it has the marker."""
    sender = DtmfSender(8000)
    sender.press(keys)
    sent = []
    while sender.active:
        sent += [(timestamp - each.offset, each.payload, each.marker) for each in sender.next_packets()]
        timestamp += 160
    return sent


@given(st.text(EVENTS, max_size=20))
def test_what_is_pressed_is_heard_once(keys):
    assert heard(*[(timestamp, payload) for timestamp, payload, _ in press(keys)]) == keys


@given(st.text(EVENTS, min_size=1, max_size=12), st.data())
def test_one_packet_of_each_key_is_enough(keys, data):
    packets = press(keys)
    by_key = {}
    for timestamp, payload, _ in packets:
        by_key.setdefault(timestamp, []).append(payload)
    survivors = [(timestamp, data.draw(st.sampled_from(payloads))) for timestamp, payloads in by_key.items()]
    assert heard(*survivors) == keys


def test_a_key_is_sent_as_the_standard_has_it():
    packets = press("5", timestamp=1000)
    assert len(packets) == TONE_FRAMES - 1 + END_PACKETS
    assert {timestamp for timestamp, _, _ in packets} == {1000}
    assert [marker for _, _, marker in packets] == [True] + [False] * (len(packets) - 1)
    durations = [struct.unpack("!BBH", payload)[2] for _, payload, _ in packets]
    assert durations == [160, 320, 480, 640, 800, 960, 960, 960]
    assert [bool(payload[1] & 0x80) for _, payload, _ in packets] == [False] * 5 + [True] * 3
    assert {payload[0] for _, payload, _ in packets} == {5}


def test_the_same_key_twice_is_two_keys():
    first, second = (press("7", timestamp=at) for at in (1000, 3000))
    assert heard(*[(timestamp, payload) for timestamp, payload, _ in first + second]) == "77"


def test_late_and_repeated_packets_of_an_earlier_key_are_no_new_key():
    assert heard((100, event("1", 160)), (900, event("2", 160)), (100, event("1", 800, end=True)),
                 (900, event("2", 320)), (100, event("1", 800, end=True))) == "12"  # fmt: skip


def test_a_key_held_for_long_is_one_key():
    first, second = 1000, 1000 + MAX_SEGMENT
    assert heard((first, event("#", 160)), (first, event("#", MAX_SEGMENT)), (second, event("#", 160)),
                 (second, event("#", 800, end=True)), (second + 800, event("#", 160))) == "##"  # fmt: skip


def test_other_events_and_halves_are_no_keys():
    assert heard((1, struct.pack("!BBH", 16, 10, 160)), (2, b"\x01\x0a"), (3, b""), (4, b"\xff" * 4)) == ""


@given(st.lists(st.tuples(st.integers(0, 2**40), st.binary(max_size=12)), max_size=60))
def test_anything_may_come(packets):
    assert len(heard(*packets)) <= len(packets)


def test_wrong_keys_and_too_many_are_refused_in_words():
    sender = DtmfSender(8000)
    with pytest.raises(ValueError, match="'E'"):
        sender.press("12E")
    with pytest.raises(ValueError, match=str(MAX_QUEUED)):
        sender.press("1" * (MAX_QUEUED + 1))
    assert not sender.active


def test_keys_are_apart():
    sender = DtmfSender(8000)
    sender.press("12")
    frames = [len(sender.next_packets()) for _ in range(TONE_FRAMES + PAUSE_FRAMES)]
    assert frames == [1] * (TONE_FRAMES - 1) + [END_PACKETS] + [0] * PAUSE_FRAMES
