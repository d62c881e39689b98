import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.media.g711 import decode_mulaw
from dialtone.media.rtp import rtcp
from dialtone.media.rtp.dtmf import DtmfSender
from dialtone.media.rtp.dtmf_tones import ToneDetector
from dialtone.media.rtp.packet import build, parse
from dialtone.media.rtp.parameters import SrtpKeys
from dialtone.media.rtp.session import MEDIA_TIMEOUT_SECONDS
from dialtone.media.rtp.srtp import Srtp, SrtpKey
from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import CALLER, FRAME, End, Impairment, Owner, Speaker, impair, parameters, speech_packets

STRANGER = ("203.0.113.66", 6666)


def packets_of(end):
    return [parse(data) for data, _ in end.rtp.sent]


def connect(one, other):
    """What one end sent arrives at the other."""
    for data, _ in one.rtp.sent:
        other.rtp.add(data, other.time.now)
    one.rtp.sent.clear()


def test_speech_comes_through_untouched_and_goes_out_untouched(time):
    end = End(time)
    end.rtp.arriving.extend((at, packet, CALLER) for at, packet in speech_packets(SPEECH))
    end.run(1.5, say=SPEECH[:8000])
    assert SPEECH[:8000] in end.owner.heard
    said = b"".join(packet.payload for packet in packets_of(end))
    assert SPEECH[:8000] in said
    assert end.session.audio == MULAW_8K


def test_there_is_a_frame_at_every_tick_whatever_comes(time):
    end = End(time)
    end.run(1.0)
    assert len(end.owner.frames) == 50
    assert set(end.owner.heard) == {0xFF}


def test_packets_go_out_every_20_ms_in_silence_too_and_their_numbers_go_on(time):
    end = End(time)
    end.run(0.5)
    end.run(0.5, say=SPEECH[: 25 * FRAME])
    end.run(0.5)
    packets = packets_of(end)
    assert len(packets) == pytest.approx(75, abs=2)
    first = packets[0]
    assert [(each.sequence - first.sequence) % 65536 for each in packets] == list(range(len(packets)))
    assert [(each.timestamp - first.timestamp) % 2**32 for each in packets] == [
        index * FRAME for index in range(len(packets))
    ]
    assert {each.ssrc for each in packets} == {first.ssrc}
    assert [each.marker for each in packets] == [True] + [False] * (len(packets) - 1)


SPEECH_AND_SILENCE = [SPEECH[:FRAME] if tick // 10 % 2 else None for tick in range(150)]


def times_of_packets(end, time):
    times = []
    send = end.rtp.send
    end.rtp.send = lambda data, to: times.append(time.now) or send(data, to)
    return times


def test_speech_and_silence_keep_one_schedule_from_the_first_packet_on(time):
    end = End(time)
    times = times_of_packets(end, time)
    end.run(0.1)
    end.run(3.0, say=SPEECH_AND_SILENCE, before=end.session)
    end.run(0.1)
    assert len(times) == pytest.approx(160, abs=2)
    assert np.diff(times) == pytest.approx(0.020, abs=1e-6)
    stamps = [packet.timestamp for packet in packets_of(end)]
    assert {(later - earlier) % 2**32 for earlier, later in pairwise(stamps)} == {FRAME}


def test_speech_and_silence_keep_one_rhythm_whoever_begins_to_speak(time):
    end = End(time)
    times = times_of_packets(end, time)
    end.run(0.1)  # another phase of the media clock is free for whoever speaks
    end.run(3.0, say=SPEECH_AND_SILENCE)
    gaps = np.diff(times)
    assert len(times) > 150
    assert gaps.max() < 0.0401
    assert sum(abs(gap - 0.020) > 0.0001 for gap in gaps) <= 2  # when it begins to follow the speaker


def test_another_handler_changes_nothing_in_the_schedule(time):
    end = End(time)
    times = times_of_packets(end, time)
    end.clock.add(Speaker(end.session, [None]), before=end.session)  # other phases are emptier
    end.run(0.5)
    end.session.start(Owner())
    end.run(0.5)
    assert np.diff(times) == pytest.approx(0.020, abs=1e-6)


def test_silence_that_is_described_without_agreement_is_no_loss(time):
    end = End(time)
    sequence = 0
    for frame in range(300):
        at = time.now + (frame + 1) * 0.020
        if frame % 60 < 30:
            end.rtp.add(build(0, sequence, frame * FRAME, 7, SPEECH[:FRAME]), at)
        elif frame % 60 in (30, 45):
            end.rtp.add(build(13, sequence, frame * FRAME, 7, bytes([50])), at)
        else:
            continue
        sequence += 1
    end.run(6.0)
    statistics = end.session.statistics
    assert (statistics.packets_lost, statistics.packets_malformed, statistics.concealed_seconds) == (0, 0, 0.0)
    assert {each.payload_type for each in packets_of(end)} == {0}, "we do not describe ours"


def test_where_silence_is_described_it_costs_five_packets_a_second(time):
    end = End(time, parameters(comfort_noise=13))
    end.run(1.0)
    end.run(0.1, say=SPEECH[: 5 * FRAME])
    silent = [each for each in packets_of(end) if each.payload_type == 13]
    spoken = [each for each in packets_of(end) if each.payload_type == 0]
    assert [each.payload for each in silent] == [bytes([66])] * len(silent)
    assert len(silent) == pytest.approx(5, abs=1)
    assert [each.marker for each in spoken] == [True] + [False] * 4
    assert (spoken[0].timestamp - packets_of(end)[0].timestamp) % 2**32 == pytest.approx(8000, abs=320)


def test_frames_that_the_clock_left_out_show_in_the_timestamp(time):
    end = End(time)
    end.run(0.2)
    time.now += 2.0
    before = packets_of(end)[-1]
    end.run(0.1)
    after = packets_of(end)[10]
    assert (after.timestamp - before.timestamp) % 2**32 == pytest.approx(2.0 * 8000, abs=480)
    assert after.marker


def test_packets_follow_the_caller_behind_a_nat_and_strays_change_nothing(time):
    end = End(time)
    natted = (CALLER[0], 61000)
    chance = random.Random(1)
    for index, (at, packet) in enumerate(speech_packets(SPEECH)):
        stray = build(0, chance.randrange(65536), chance.getrandbits(32), 99, bytes(160))
        end.rtp.add(packet, at, natted)
        if index > 5:
            end.rtp.add(stray, at, STRANGER)
    end.run(0.05)
    assert {to for _, to in end.rtp.sent} <= {CALLER, natted}
    end.rtp.sent.clear()
    end.run(1.0)
    assert {to for _, to in end.rtp.sent} == {natted}
    assert SPEECH[10 * FRAME : 40 * FRAME] in end.owner.heard
    assert end.session.statistics.packets_stray > 40


def test_a_call_that_moves_is_heard_from_where_it_moved_although_its_former_place_goes_on_for_a_while(time):
    server, telephone = ("198.51.100.7", 10000), ("192.0.2.50", 4000)
    end = End(time, parameters(remote=server, signalling_host=server[0]))
    former = speech_packets(SPEECH[:16000])
    moved = speech_packets(SPEECH[:16000], start=time.now + 0.6, ssrc=8, sequence=9, timestamp=5)
    arriving = [(*each, server) for each in former if each[0] < time.now + 0.8] + [(*each, telephone) for each in moved]
    end.rtp.arriving.extend(sorted(arriving, key=lambda each: each[0]))
    end.run(0.5)
    end.session.update(parameters(remote=telephone, signalling_host=server[0]))
    end.run(0.2)
    end.rtp.sent.clear()
    end.run(2.0)
    assert {to for _, to in end.rtp.sent} == {telephone}
    assert SPEECH[10 * FRAME : 50 * FRAME] in end.owner.heard


def test_another_source_of_the_same_caller_is_heard_from_its_second_packet_on(time):
    end = End(time)
    first, second = speech_packets(SPEECH[:16000]), speech_packets(SPEECH[16000:], ssrc=8, sequence=9, timestamp=5)
    packets = first + [(at + 2.0, packet) for at, packet in second]
    end.rtp.arriving.extend((at, packet, CALLER) for at, packet in packets)
    end.run(4.5)
    assert SPEECH[16000 : 16000 + 8000] in end.owner.heard
    statistics = end.session.statistics
    assert statistics.packets_received == len(packets)
    assert statistics.packets_lost == 0


def test_keys_come_as_events_once_each_while_the_audio_is_silent(time):
    end = End(time)
    keys = DtmfSender(8000)
    keys.press("12#A")
    sequence, at = 0, 1000.1
    while keys.active:
        for one in keys.next_packets():
            timestamp = int((at - 1000) * 8000) - one.offset
            end.rtp.add(build(101, sequence, timestamp, 7, one.payload, marker=one.marker), at)
            sequence += 1
        at += 0.020
    end.run(2.0)
    assert end.owner.keys == ["1", "2", "#", "A"]
    assert set(end.owner.heard) == {0xFF}
    assert end.session.statistics.concealed_seconds == 0


def test_keys_are_pressed_as_events_in_place_of_audio(time):
    here, there = End(time), End(time)
    here.session.send_dtmf("9*")
    here.run(0.6, say=SPEECH[: 30 * FRAME])
    packets = packets_of(here)
    assert {each.payload_type for each in packets} == {0, 101}
    connect(here, there)
    there.run(1.0)
    assert there.owner.keys == ["9", "*"]
    with pytest.raises(ValueError, match="'E'"):
        here.session.send_dtmf("E")


@pytest.mark.parametrize("pressed_for", [0.02, 0.06, 0.1])
@pytest.mark.parametrize("stuck_for", [0.3, 5.0])
def test_a_key_during_which_the_loop_is_stuck_is_one_key(time, pressed_for, stuck_for):
    end = End(time)
    end.run(0.2)
    end.session.send_dtmf("55")
    end.run(pressed_for)
    time.now += stuck_for
    end.run(1.0)
    events = [each for each in packets_of(end) if each.payload_type == 101]
    assert [each.marker for each in events].count(True) == len({each.timestamp for each in events}) == 2
    assert [each.payload[1] & 0x80 for each in events].count(0x80) == 6


def test_a_key_that_was_pressed_for_too_long_to_be_told_is_over(time):
    end = End(time)
    end.run(0.2)
    end.session.send_dtmf("5")
    end.run(0.06)
    time.now += 10.0
    end.run(1.0)
    assert len({each.timestamp for each in packets_of(end) if each.payload_type == 101}) == 1


def test_without_events_keys_are_tones_in_both_directions(time):
    agreed = parameters(received_event=None, sent_event=None)
    here, there = End(time, agreed), End(time, agreed)
    here.session.send_dtmf("85D")
    here.run(1.0)
    assert {each.payload_type for each in packets_of(here)} == {0}
    for at, (data, _) in enumerate(here.rtp.sent):
        there.rtp.add(data, time.now + at * 0.020)
    there.run(1.5)
    assert there.owner.keys == ["8", "5", "D"]
    detector = ToneDetector(8000)
    assert not any(detector.hear(decode_mulaw(SPEECH[at : at + FRAME])) for at in range(0, len(SPEECH), FRAME))


def test_encrypted_speech_comes_through_and_what_is_not_authentic_does_not(time):
    ours, theirs = SrtpKey.generate(), SrtpKey.generate()
    end = End(time, parameters(srtp=SrtpKeys(ours, theirs)))
    far = Srtp(theirs, ours)
    for at, packet in speech_packets(SPEECH):
        protected = far.protect(packet)
        end.rtp.add(protected, at)
        end.rtp.add(protected, at, STRANGER)
        end.rtp.add(packet, at)
        end.rtp.add(protected[:-1] + bytes([protected[-1] ^ 1]), at, STRANGER)
    end.run(1.5, say=SPEECH[:8000])
    assert SPEECH[:8000] in end.owner.heard
    said = [parse(far.unprotect(data)) for data, _ in end.rtp.sent]
    assert SPEECH[:8000] in b"".join(packet.payload for packet in said)
    assert {to for _, to in end.rtp.sent} == {CALLER}
    statistics = end.session.statistics
    assert statistics.encrypted
    assert statistics.packets_malformed > 100
    end.run(10.0)
    assert rtcp.parse(far.unprotect_rtcp(end.rtcp.sent[0][0])) is not None


def test_a_caller_whose_numbers_have_wrapped_is_heard_after_a_hold(time):
    ours, theirs = SrtpKey.generate(), SrtpKey.generate()
    agreed = parameters(srtp=SrtpKeys(ours, theirs))
    end, far = End(time, agreed), Srtp(theirs, ours)
    packets = speech_packets(SPEECH[:16000] * 2, sequence=65536 - 60)
    end.rtp.arriving.extend((at, far.protect(packet), CALLER) for at, packet in packets[:100])
    end.run(2.0)
    for keys in (SrtpKeys(ours, theirs), SrtpKeys(SrtpKey.generate(), theirs)):
        end.session.update(replace(agreed, srtp=keys, sends=False))
        end.session.update(replace(agreed, srtp=keys))
    end.rtp.arriving.extend((at, far.protect(packet), CALLER) for at, packet in packets[100:])
    end.run(2.5)
    statistics = end.session.statistics
    assert (statistics.packets_received, statistics.packets_malformed) == (200, 0)


def test_a_far_end_with_another_key_need_not_know_what_was_sent_before(time, monkeypatch):
    beginnings = iter([7, 65530, 0, 8, 5, 0])  # SSRC, sequence number and timestamp: the first ones wrap
    monkeypatch.setattr("secrets.randbits", lambda bits: next(beginnings))
    ours, theirs, successors = (SrtpKey.generate() for _ in range(3))
    end = End(time, parameters(srtp=SrtpKeys(ours, theirs)))
    for far in (Srtp(theirs, ours), Srtp(successors, ours)):
        end.run(1.0)
        assert len({parse(far.unprotect(data)).ssrc for data, _ in end.rtp.sent}) == 1
        end.rtp.sent.clear()
        end.session.update(parameters(srtp=SrtpKeys(ours, successors)))


def test_reports_tell_both_ends_of_loss_jitter_and_the_round_trip(time):
    here, there = End(time), End(time, parameters(remote=("192.0.2.1", 20000)))
    here.rtp.arriving.extend(
        (at, packet, CALLER) for at, packet in impair(speech_packets(SPEECH * 8), Impairment(loss=0.1, seed=1))
    )
    for _ in range(1500):
        time.pass_by(0.020)
        for one, other, source in ((here, there, ("192.0.2.1", 20001)), (there, here, (CALLER[0], CALLER[1] + 1))):
            for data, _ in one.rtcp.sent:
                other.rtcp.add(data, time.now + 0.050, source)
            one.rtcp.sent.clear()
        for data, _ in here.rtp.sent:
            if data[3] % 2:  # half of it is lost
                there.rtp.add(data, time.now, ("192.0.2.1", 20000))
        here.rtp.sent.clear()
        there.rtp.sent.clear()
    statistics = here.session.statistics
    assert statistics.loss_percent == pytest.approx(10, abs=3)
    assert 100 <= statistics.round_trip_ms <= 141
    sent = statistics.packets_sent
    assert statistics.remote_packets_lost == pytest.approx(sent / 2, rel=0.4)
    assert statistics.remote_jitter_ms is not None


def test_reports_come_every_few_seconds_and_a_goodbye_at_the_end(time):
    end = End(time)
    end.run(60.0)
    assert 7 <= len(end.rtcp.sent) <= 20
    assert {to for _, to in end.rtcp.sent} == {(CALLER[0], CALLER[1] + 1)}
    ssrc = packets_of(end)[0].ssrc
    report = rtcp.parse(end.rtcp.sent[-1][0])
    assert report is not None
    assert (report.ssrc, report.sender.packets) == (ssrc, pytest.approx(len(end.rtp.sent), abs=500))
    end.session.close()
    end.session.close()
    assert rtcp.parse(end.rtcp.sent[-1][0]).goodbyes == [ssrc]
    assert end.given_back == 1
    assert end.rtp.closed or end.given_back
    frames = len(end.owner.frames)
    end.run(0.2)
    assert len(end.owner.frames) == frames


def test_reports_go_through_the_port_of_rtp_where_that_was_agreed(time):
    end = End(time, parameters(rtcp_mux=True))
    end.rtp.add(rtcp.build(7, "far", None, None), 1000.1)
    end.run(10.0)
    assert end.rtcp.sent == []
    assert any(rtcp.parse(data) for data, _ in end.rtp.sent)
    assert end.session.statistics.packets_malformed == 0


def test_reports_of_strangers_are_not_believed(time):
    end = End(time)
    end.run(1.0)
    block = rtcp.ReportBlock(packets_of(end)[0].ssrc, 0, 77, 0, 0, 0, 0)
    end.rtcp.add(rtcp.build(7, "x", None, block), time.now, STRANGER)
    end.rtcp.add(b"rubbish!", time.now)
    end.run(1.0)
    statistics = end.session.statistics
    assert statistics.remote_packets_lost is None
    assert (statistics.packets_stray, statistics.packets_malformed) == (1, 1)


def test_a_far_end_that_fell_silent_is_told_once(time):
    end = End(time)
    end.rtp.arriving.extend((at, packet, CALLER) for at, packet in speech_packets(SPEECH))
    end.run(4.0 + MEDIA_TIMEOUT_SECONDS - 1)
    assert end.owner.timeouts == 0
    end.run(3.0)
    assert end.owner.timeouts == 1
    end.run(MEDIA_TIMEOUT_SECONDS * 2)
    assert end.owner.timeouts == 1


def test_reports_alone_keep_a_call_alive_and_on_hold_silence_is_no_fault(time):
    end, held = End(time, media_timeout=10.0), End(time, parameters(receives=False), media_timeout=10.0)
    for second in range(0, 60, 5):
        end.rtcp.add(rtcp.build(7, "far", None, None), 1000.0 + second, (CALLER[0], CALLER[1] + 1))
    end.run(60.0)
    assert (end.owner.timeouts, held.owner.timeouts) == (0, 0)
    held.session.update(parameters())
    end.run(12.0)
    assert (end.owner.timeouts, held.owner.timeouts) == (1, 1)


def test_whoever_takes_a_session_over_is_told_of_a_far_end_that_is_gone(time):
    end = End(time, media_timeout=10.0)
    end.run(12.0)
    successor = Owner()
    end.session.start(successor)
    end.run(12.0)
    assert (end.owner.timeouts, successor.timeouts) == (1, 1)


def test_a_new_agreement_moves_the_call_and_keeps_what_was_counted(time):
    end = End(time)
    end.rtp.arriving.extend((at, packet, CALLER) for at, packet in speech_packets(SPEECH[:16000]))
    end.run(2.5)
    ssrc = packets_of(end)[-1].ssrc
    elsewhere = ("192.0.2.99", 7000)
    end.session.update(parameters(remote=elsewhere, codec="PCMA", payload_type=8, received={8: "PCMA", 0: "PCMU"}))
    moved = speech_packets(SPEECH[:8000], ssrc=55, sequence=1, timestamp=1)
    end.rtp.arriving.extend((at + 2.5, packet, elsewhere) for at, packet in moved)
    end.rtp.sent.clear()
    end.run(1.5)
    assert {to for _, to in end.rtp.sent} == {elsewhere}
    assert {(each.payload_type, each.ssrc) for each in packets_of(end)} == {(8, ssrc)}
    assert end.owner.heard.count(SPEECH[: 30 * FRAME]) == 2
    assert end.session.statistics.packets_received == 100 + 50
    assert end.session.statistics.codec == "PCMA"


@pytest.mark.parametrize(("codec", "payload_type", "likeness"), [("G722", 9, 0.95), ("opus", 111, 0.8)])
def test_wideband_speech_comes_and_goes(time, codec, payload_type, likeness):
    agreed = parameters(codec=codec, payload_type=payload_type, received={payload_type: codec})
    here, there = End(time, agreed), End(time, agreed)
    assert here.session.audio == PCM_16K
    say = np.repeat(decode_mulaw(SPEECH[:16000]), 2).astype("<i2").tobytes()
    here.run(2.0, say=say)
    for index, (data, _) in enumerate(here.rtp.sent):
        there.rtp.add(data, time.now + index * 0.020)
    there.run(2.5)
    heard, said = np.frombuffer(there.owner.heard, "<i2").astype(float), np.frombuffer(say, "<i2").astype(float)
    found = np.correlate(heard, said[8000:16000])
    assert found.max() > likeness * (said[8000:16000] @ said[8000:16000])
    assert {len(frame) for frame in there.owner.frames} == {PCM_16K.frame_bytes}
    # Nothing is missing; the ten frames at the end are those until the silence is believed.
    assert there.session.statistics.concealed_seconds <= 0.21


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"remote": ("phones.example.com", 4000)}, "phones.example.com"),
        ({"remote": ("239.1.2.3", 4000)}, "group address"),
        ({"remote": ("0.0.0.0", 4000)}, "nobody"),
        ({"remote": ("192.0.2.10", 0)}, "1 to 65535"),
        ({"remote_rtcp": ("ff02::1", 4001)}, "group address"),
    ],
)
def test_addresses_that_nothing_can_be_sent_to_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        parameters(**changes)


def test_a_call_that_ends_at_a_frame_hears_nothing_more(time):
    end = End(time, media_timeout=5.0)
    end.owner.on_media_timeout = end.session.close
    end.run(10.0)
    assert len(end.owner.frames) == pytest.approx(5 * 50, abs=30)
    assert end.given_back == 1


def test_an_owner_that_raises_is_told_and_hears_nothing_more(time):
    end = End(time)
    error = RuntimeError("broken")

    def raises(_frame):
        raise error

    end.run(0.1)
    end.owner.on_audio = raises
    end.run(0.1)
    assert end.owner.failures == [error]
    end.session.close()
    assert end.given_back == 1


def test_what_cannot_be_done_is_refused_in_words_and_gives_the_ports_back(time):
    with pytest.raises(ValueError, match="GSM"):
        End(time, parameters(codec="GSM"))
    with pytest.raises(ValueError, match="G722 and PCMU"):
        End(time, parameters(received={0: "PCMU", 9: "G722"}))
    end = End(time)
    with pytest.raises(ValueError, match="another format"):
        end.session.update(parameters(codec="G722", payload_type=9, received={9: "G722"}))
    end.run(0.1)
    assert len(end.owner.frames) == 5
