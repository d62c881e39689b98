"""Packets as long as the far end wants them, whatever goes in them."""

import itertools

import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K
from dialtone.media.g711 import decode_mulaw
from dialtone.media.rtp import opus, rtcp
from dialtone.media.rtp.codecs import available, create
from dialtone.media.rtp.packet import parse
from dialtone.media.rtp.parameters import PACKET_MS
from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import FRAME, End, parameters

PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 111}
LIKENESS = {"PCMU": 1.0, "PCMA": 0.99, "G722": 0.95, "opus": 0.8}


def agreed(codec="PCMU", **changes):
    number = PAYLOAD_TYPES[codec]
    return parameters(codec=codec, payload_type=number, received={number: codec}, **changes)


def packets_of(end):
    return [parse(data) for data, _ in end.rtp.sent]


def steps(packets):
    """How much time passes by the timestamps from packet to packet."""
    return [(two.timestamp - one.timestamp) % 2**32 for one, two in itertools.pairwise(packets)]


def sent_with_times(end):
    """What leaves from now on, and when."""
    sent = []
    send = end.rtp.send
    end.rtp.send = lambda data, to: sent.append((end.time.now, data)) or send(data, to)
    return sent


@pytest.mark.parametrize("packet_ms", PACKET_MS)
@pytest.mark.parametrize("codec", available())
def test_speech_goes_out_in_packets_of_that_length_and_is_heard(time, codec, packet_ms):
    here, there = End(time, agreed(codec, packet_ms=packet_ms)), End(time, agreed(codec))
    sent = sent_with_times(here)
    began = time.now
    say = decode_mulaw(SPEECH[:16000])
    if here.session.audio != MULAW_8K:
        say = np.repeat(say, 2)
    here.run(2.4, say=SPEECH[:16000] if here.session.audio == MULAW_8K else say.astype("<i2").tobytes())
    packets = packets_of(here)
    units = create(codec).clock_rate * packet_ms // 1000
    assert set(steps(packets)) == {units}
    assert {create(codec).duration(packet.payload) for packet in packets} == {units}
    assert len(packets) == pytest.approx(2400 / packet_ms, abs=2)
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    assert [packet.sequence for packet in packets] == [
        (packets[0].sequence + number) % 65536 for number in range(len(packets))
    ]
    for at, data in sent:
        there.rtp.add(data, at - began + time.now)
    there.run(2.9)
    assert there.session.statistics.packets_lost == there.session.statistics.packets_late == 0
    heard = there.owner.heard
    heard = (decode_mulaw(heard) if here.session.audio == MULAW_8K else np.frombuffer(heard, "<i2")).astype(float)
    middle = say[len(say) // 10 : len(say) // 4].astype(float)  # before the delay is adjusted
    assert np.correlate(heard, middle).max() > LIKENESS[codec] * (middle @ middle) * 0.9999
    assert there.session.statistics.concealed_seconds <= 0.23  # until the silence behind it is believed


@pytest.mark.parametrize("packet_ms", [30, 60])
def test_a_key_ends_a_packet_and_has_its_true_time(time, packet_ms):
    here, there = End(time, agreed(packet_ms=packet_ms)), End(time, agreed())
    here.run(0.02, say=SPEECH[:FRAME])
    here.session.send_dtmf("9*")
    here.run(0.60)
    packets = packets_of(here)
    audio = [packet for packet in packets if packet.payload_type == 0]
    events = [packet for packet in packets if packet.payload_type == 101]
    first = packets[0].timestamp
    assert len(audio[0].payload) < 8 * packet_ms
    begins = sorted({(packet.timestamp - first) % 2**32 for packet in events})
    assert [begins[1] - begins[0], begins[0] % FRAME] == [10 * FRAME, 0]  # 120 ms, and a pause of 80
    assert begins[0] == len(audio[0].payload)
    resumed = audio[1]
    assert (resumed.timestamp - first) % 2**32 == begins[1] + 10 * FRAME
    assert resumed.marker
    for data, _ in here.rtp.sent:
        there.rtp.add(data, time.now)
    there.run(1.0)
    assert there.owner.keys == ["9", "*"]


def test_tones_keys_and_pauses_come_through_long_packets(time):
    here = End(time, agreed(packet_ms=60, received_event=None, sent_event=None))
    there = End(time, agreed(received_event=None, sent_event=None))
    here.session.send_dtmf("85D")
    here.run(1.0)
    for at, (data, _) in enumerate(here.rtp.sent):
        there.rtp.add(data, time.now + at * 0.060)
    there.run(1.5)
    assert there.owner.keys == ["8", "5", "D"]


def test_described_silence_begins_where_the_speech_ended(time):
    end = End(time, agreed(packet_ms=60, comfort_noise=13))
    end.run(0.1, say=SPEECH[: 4 * FRAME])
    spoken = [packet for packet in packets_of(end) if packet.payload_type == 0]
    after = packets_of(end)[packets_of(end).index(spoken[-1]) + 1]
    assert [len(packet.payload) for packet in spoken] == [3 * FRAME, FRAME]
    assert after.payload_type == 13
    assert (after.timestamp - spoken[0].timestamp) % 2**32 == 4 * FRAME


@pytest.mark.parametrize("packet_ms", PACKET_MS)
def test_frames_that_were_left_out_show_in_the_timestamp_and_old_audio_is_not_sent(time, packet_ms):
    end = End(time, agreed(packet_ms=packet_ms))
    sent = sent_with_times(end)
    end.run(0.34)
    time.now += 2.0
    end.run(0.5)
    times, packets = [at for at, _ in sent], packets_of(end)
    shown = [(packet.timestamp - packets[0].timestamp) % 2**32 / 8000 for packet in packets]
    # A packet leaves with the last frame that it needs, which may hold a piece of the next packet.
    behind = [at - times[0] - seconds for at, seconds in zip(times, shown, strict=True)]
    assert max(behind) - min(behind) < 0.0301


@pytest.mark.parametrize("packet_ms", PACKET_MS)
def test_reports_count_packets_and_tell_the_time_of_the_stream(time, packet_ms):
    end = End(time, agreed(packet_ms=packet_ms))
    end.run(9.99)
    reports = [rtcp.parse(data) for data, _ in end.rtcp.sent]
    newest = next(report.sender for report in reversed(reports) if report.sender is not None)
    seconds = newest.packets * packet_ms / 1000
    assert newest.octets == newest.packets * packet_ms * 8
    first = packets_of(end)[0]
    # By the clock of its timestamps the report was made when as much audio had been sent.
    shown = (newest.timestamp - first.timestamp) % 2**32 / 8000
    assert shown == pytest.approx(seconds, abs=packet_ms / 1000 + 0.0201)
    assert end.session.statistics.packets_sent == len(end.rtp.sent)


def test_the_length_may_change_within_a_call_and_the_end_is_not_cut_off(time):
    end = End(time, agreed(packet_ms=60))
    end.run(0.02, say=SPEECH[:FRAME])
    end.session.update(agreed(packet_ms=20))
    end.run(0.1)
    end.session.update(agreed(packet_ms=40))
    end.run(0.10, say=SPEECH[: 5 * FRAME])
    end.session.close()
    packets = packets_of(end)
    assert sum(len(packet.payload) for packet in packets) == sum(steps(packets)) + len(packets[-1].payload)
    assert {len(packet.payload) // FRAME for packet in packets} == {1, 2}
    assert b"".join(packet.payload for packet in packets).endswith(SPEECH[: 5 * FRAME])


def test_lengths_that_cannot_be_made_are_refused_in_words():
    with pytest.raises(ValueError, match=r"10, 20, 30, 40, 60 ms \(got 25\)"):
        parameters(packet_ms=25)


@pytest.mark.skipif(not opus.is_available(), reason="needs the package av")
def test_frames_of_opus_have_their_sizes_in_a_packet():
    coder = create("opus")
    frames = [bytes([0x48, *bytes(size)]) for size in (3, 251, 252, 255, 1275, 0)]
    packet = coder.join(frames)
    assert packet[:2] == bytes([0x4B, 0x86])
    assert packet[2:10] == bytes([3, 251, 252, 0, 255, 0, 255, 255])
    assert coder.duration(coder.join(frames[:3])) == 3 * 960
    assert not coder.joins(frames[0], bytes([0x40, 1]))
    assert not coder.joins(packet, packet)
