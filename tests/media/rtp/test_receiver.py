import numpy as np
import pytest

from dialtone.media.g711 import decode_mulaw
from dialtone.media.rtp.codecs import Pcmu
from dialtone.media.rtp.comfort_noise import payload_of
from dialtone.media.rtp.jitter_buffer import INITIAL_DELAY, MAX_DELAY
from dialtone.media.rtp.packet import build, parse
from dialtone.media.rtp.receiver import Receiver
from dialtone.media.rtp.reception import Reception
from dialtone.media.samples import rms_dbfs
from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import FRAME, Impairment, impair, speech_packets

SILENCE = b"\xff"


class Playing:
    """A receiver that is ticked every 20 ms from second 1000 on."""

    def __init__(self, arriving, receiver=None, seconds=None):
        self.receiver = receiver or Receiver({0: Pcmu()}, 13)
        self.reception = None
        self.frames = []
        arriving = list(arriving)
        end = seconds if seconds is not None else arriving[-1][0] - 1000 + 0.4
        for tick in range(1, round(end * 50) + 1):
            now = 1000 + tick * 0.020
            while arriving and arriving[0][0] <= now:
                at, datagram = arriving.pop(0)
                self.take(parse(datagram), at)
            self.frames.append(self.receiver.next_frame(now))

    def take(self, packet, at):
        if self.reception is None:
            self.reception = Reception(packet, 8000)
        if self.reception.receive(packet, at):
            self.receiver.insert(packet, at)

    @property
    def heard(self):
        return b"".join(self.frames)


def noisy(seconds, seed=1):
    """Audio in which every stretch is different, none of it quiet."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 60, int(seconds * 8000)) + random.integers(0, 2, int(seconds * 8000)) * 128
    return codes.astype(np.uint8).tobytes()


def test_frames_of_a_good_network_come_through_untouched_as_they_are():
    audio = noisy(3)
    playing = Playing(impair(speech_packets(audio), Impairment()))
    start = playing.heard.index(audio[:FRAME])
    # The first packet's delay is more than a good network needs; nothing is taken away in the first seconds of speech.
    assert playing.heard[start : start + 2 * 8000] == audio[: 2 * 8000]
    assert playing.receiver.late == 0


def test_the_delay_of_a_good_network_shrinks_to_a_frame_where_it_is_not_heard():
    audio = (SPEECH + SILENCE * 8000) * 6
    playing = Playing(impair(speech_packets(audio), Impairment()))
    assert playing.receiver.delay_seconds < 0.020 + 0.0075
    assert playing.receiver.delay_seconds < INITIAL_DELAY


@pytest.mark.parametrize("size", [80, 160, 240, 320, 480, 960])
def test_packets_may_have_any_length(size):
    audio = noisy(2)
    playing = Playing(impair(speech_packets(audio, size=size), Impairment()), seconds=2.4)
    whole = audio[: len(audio) // size * size]
    assert whole[: 8000 + 4000] in playing.heard
    assert {len(frame) for frame in playing.frames} == {FRAME}


def test_reordered_and_repeated_packets_are_put_right():
    audio = noisy(20)
    playing = Playing(impair(speech_packets(audio), Impairment(jitter=0.030, duplication=0.1, seed=3)))
    assert playing.reception.reordered > 50
    assert playing.reception.duplicates > 50
    # After the first second the buffer knows the network, and nothing is missing any more.
    tail = audio[3 * 8000 : 19 * 8000]
    missing = sum(tail[at : at + FRAME] not in playing.heard for at in range(0, len(tail), FRAME))
    assert missing <= 16 * 50 * 0.02


@pytest.mark.parametrize(
    ("impairment", "most_concealed"),
    [
        (Impairment(loss=0.02, seed=1), 0.03),
        (Impairment(loss=0.05, seed=2), 0.07),
        (Impairment(jitter=0.05, seed=3), 0.02),
        (Impairment(loss=0.05, jitter=0.05, duplication=0.02, seed=4), 0.08),
    ],
    ids=["2 % loss", "5 % loss", "50 ms jitter", "all at once"],
)
def test_a_bad_network_costs_little_more_than_what_it_loses(impairment, most_concealed):
    audio = SPEECH * 12
    playing = Playing(impair(speech_packets(audio), impairment))
    concealed = (playing.receiver.concealed_frames - 10) / (len(audio) / FRAME)  # ten at the end, until it is believed
    assert concealed <= most_concealed
    assert playing.receiver.delay_seconds <= impairment.jitter + 0.035


def test_a_lost_packet_between_others_is_replaced_not_left_out():
    audio = noisy(2)
    packets = speech_packets(audio)
    del packets[50]
    playing = Playing([(at + 0.030, packet) for at, packet in packets])
    start = playing.heard.index(audio[:FRAME])
    frame = slice(start + 50 * FRAME, start + 51 * FRAME)
    assert playing.heard[frame] not in (audio[50 * FRAME : 51 * FRAME], SILENCE * FRAME)
    assert rms_dbfs(decode_mulaw(playing.heard[frame])) > rms_dbfs(decode_mulaw(audio)) - 10
    after = slice(start + 52 * FRAME, start + 90 * FRAME)
    assert playing.heard[after] == audio[52 * FRAME : 90 * FRAME]


def test_the_delay_follows_the_network_up_at_once_and_down_slowly():
    audio = (SPEECH + SILENCE * 4000) * 20
    packets = speech_packets(audio)
    good, bad = Impairment(), Impairment(jitter=0.100, seed=5)
    first, middle, last = impair(packets[:1000], good), impair(packets[1000:2500], bad), impair(packets[2500:], good)
    delays = []
    for sent in (first, first + middle, first + middle + last):
        delays.append(Playing(sorted(sent, key=lambda one: one[0])).receiver.delay_seconds)
    assert delays[0] < 0.030 < 0.080 < delays[1] < 0.130
    assert delays[2] < 0.035


@pytest.mark.parametrize("drift", [100e-6, -100e-6, 1000e-6, -1000e-6])
def test_a_clock_that_runs_differently_makes_no_gaps_and_no_growing_delay(drift):
    audio = (SPEECH + SILENCE * 2400) * 30
    playing = Playing(impair(speech_packets(audio), Impairment(drift=drift, jitter=0.004)))
    assert playing.receiver.delay_seconds < 0.050
    assert playing.receiver.late <= 2
    assert playing.receiver.concealed_frames - 10 <= len(audio) / 8000 * abs(drift) / 0.020 + 3


def test_thirty_minutes_do_not_drift():
    audio = (SPEECH + SILENCE * 2400) * 7
    seconds = 30 * 60
    audio = (audio * (seconds * 8000 // len(audio) + 1))[: seconds * 8000]
    playing = Playing(impair(speech_packets(audio), Impairment(drift=50e-6, jitter=0.002)))
    # 50 ppm are 90 ms in 30 minutes, which would be four frames more each of delay.
    assert playing.receiver.delay_seconds < 0.040
    assert playing.receiver.late == 0
    assert playing.receiver.concealed_frames <= 10 + 2  # ten at the end


def test_a_stall_is_followed_by_what_is_current():
    audio = noisy(6) + (SPEECH + SILENCE * 4000) * 4
    packets = [(at + 0.030, packet) for at, packet in speech_packets(audio)]
    stalled = [(max(at, 1004.0) if 1002 < at < 1004 else at, packet) for at, packet in packets]
    playing = Playing(sorted(stalled, key=lambda one: one[0]))
    end = audio[40000 : 40000 + 50 * FRAME]
    assert playing.heard.index(end) - 40000 < (MAX_DELAY + 0.060) * 8000
    assert playing.receiver.delay_seconds < 0.030  # forgotten by the end


def test_silence_between_talkspurts_is_silent_and_then_the_delay_is_right():
    audio = noisy(2)
    first, second = speech_packets(audio)[:50], speech_packets(audio)[80:]
    renumbered = []
    for index, (at, datagram) in enumerate(first + second):  # the sender was silent, nothing was lost
        packet = parse(datagram)
        renumbered.append((at + 0.030, build(0, index, packet.timestamp, 7, packet.payload)))
    playing = Playing(renumbered)
    start = playing.heard.index(audio[:FRAME])
    assert audio[80 * FRAME :] in playing.heard
    # The first packet waited for longer than the network, now known, needs.
    assert 0 <= 80 * FRAME - (playing.heard.index(audio[80 * FRAME : 81 * FRAME]) - start) <= INITIAL_DELAY * 8000
    quiet = playing.heard[start + 60 * FRAME : start + 78 * FRAME]
    assert quiet == SILENCE * len(quiet)


def test_described_silence_sounds_as_it_was_described():
    audio = noisy(1)
    packets = [(at + 0.030, packet) for at, packet in speech_packets(audio, sequence=0, timestamp=0)]
    described = build(13, len(packets), len(audio), 7, payload_of(-40.0))
    packets.append((packets[-1][0] + 0.020, described))
    playing = Playing(packets, seconds=2.0)
    quiet = decode_mulaw(b"".join(playing.frames[-30:]))
    assert rms_dbfs(quiet) == pytest.approx(-40, abs=1)
    assert playing.receiver.concealed_frames == 0


@pytest.mark.parametrize("jump", [-8000 * 3600, -8000, 8000 * 3600, 12000])
def test_a_sender_that_sets_its_clock_is_heard_on(jump):
    audio = noisy(4)
    packets = []
    for index, (at, datagram) in enumerate(speech_packets(audio, sequence=0, timestamp=10**8)):
        packet = parse(datagram)
        timestamp = packet.timestamp + (jump if index >= 100 else 0)
        packets.append((at + 0.030, build(0, index, timestamp, 7, packet.payload)))
    playing = Playing(packets)
    tail = audio[102 * FRAME :]
    assert tail[: 90 * FRAME] in playing.heard
    assert playing.heard.index(tail[:FRAME]) / 8000 - 102 * 0.02 < 0.030 + INITIAL_DELAY + 0.040


def test_what_is_held_is_bounded():
    receiver = Receiver({0: Pcmu()})
    reception = None
    for index in range(5000):
        packet = parse(build(0, index % 65536, index * 160, 7, bytes(160)))
        reception = reception or Reception(packet, 8000)
        assert reception.receive(packet, 1000.0 + index * 1e-6)
        receiver.insert(packet, 1000.0 + index * 1e-6)
    assert len(receiver._buffer) <= 150
