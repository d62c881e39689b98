import random

from dialtone.media.rtp.packet import RtpPacket
from dialtone.media.rtp.reception import MAX_DROPOUT, Reception


def packet(sequence, timestamp=0, ssrc=1):
    return RtpPacket(0, False, sequence % 65536, timestamp % 2**32, ssrc, b"")


def received(*sequences, start=None):
    reception = Reception(packet(sequences[0] if start is None else start), 8000)
    return reception, [reception.receive(packet(each, each * 160), each * 0.02) for each in sequences]


def test_numbers_go_on_beyond_their_wrap():
    reception = Reception(packet(65534, 2**32 - 100), 8000)
    seen = []
    for index in range(4):
        one = packet(65534 + index, 2**32 - 100 + index * 160)
        assert reception.receive(one, index * 0.02)
        seen.append((one.sequence, one.timestamp))
    assert seen == [(65534 + index, 2**32 - 100 + index * 160) for index in range(4)]
    assert reception.lost == 0


def test_loss_is_counted_until_a_late_packet_comes():
    reception, _ = received(1, 2, 5)
    assert (reception.received, reception.lost) == (3, 2)
    late = packet(3, 480)
    assert reception.receive(late, 1.0)
    assert (late.sequence, reception.lost, reception.reordered) == (3, 1, 1)


def test_duplicates_are_used_once():
    reception, used = received(1, 2, 2, 1, 3, 2)
    assert used == [True, True, False, False, True, False]
    assert (reception.received, reception.duplicates, reception.lost) == (3, 3, 0)


def test_a_packet_from_before_the_first_one_was_never_expected():
    reception, used = received(10, 9, 11)
    assert used == [True, False, True]
    assert reception.lost == 0


def test_a_late_packet_across_the_wrap_keeps_its_place():
    reception = Reception(packet(65534), 8000)
    for each in (65534, 65536, 65537):
        reception.receive(packet(each), 0.0)
    late = packet(65535)
    assert reception.receive(late, 0.0)
    assert late.sequence == 65535
    assert reception.lost == 0


def test_a_stray_sequence_number_changes_nothing():
    reception, _ = received(1, 2)
    assert not reception.receive(packet(30000), 0.0)
    assert reception.receive(packet(3), 0.0)
    assert not reception.receive(packet(30001), 0.0)
    assert (reception.received, reception.lost, reception.newest_sequence) == (3, 0, 3)


def test_a_sender_that_starts_over_is_believed_with_its_second_packet():
    reception, _ = received(1, 2, 4)
    assert not reception.receive(packet(30000), 0.0)
    second = packet(30001)
    assert reception.receive(second, 0.0)
    assert second.sequence > 4
    assert reception.lost == 1
    assert reception.receive(packet(30003), 0.0)
    assert reception.lost == 2


def test_a_gap_within_reach_is_loss():
    reception, used = received(0, MAX_DROPOUT - 1)
    assert used == [True, True]
    assert reception.lost == MAX_DROPOUT - 2


def test_jitter_is_that_of_the_standard():
    # A packet each 20 ms, every other one 10 ms late: |D| is always 10 ms = 80 units, so J tends to 80.
    reception = Reception(packet(0), 8000)
    for index in range(500):
        reception.receive(packet(index, index * 160), index * 0.02 + index % 2 * 0.01)
    assert abs(reception.jitter_units - 80) < 0.1
    assert reception.max_jitter_seconds <= 0.010001


def test_packets_of_keys_stay_out_of_the_jitter():
    reception = Reception(packet(0), 8000)
    for index in range(100):
        reception.receive(packet(index, 0), index * 0.02, timed=False)
    assert reception.jitter_units == 0


def test_the_fraction_is_of_what_came_since_the_last_report():
    reception, _ = received(0, 1, 2, 3, 4, 5, 6, 7)
    assert reception.fraction_lost() == 0
    for each in (8, 12):
        reception.receive(packet(each), 0.0)
    assert reception.fraction_lost() == 3 * 256 // 5
    assert reception.fraction_lost() == 0


def test_any_order_counts_right():
    chance = random.Random(1)
    sequences = list(range(65000, 65000 + 2000))
    kept = [each for each in sequences if chance.random() > 0.1 or each in (65000, 66999)]
    shuffled = [kept[0], *sorted(kept[1:-1], key=lambda each: each + chance.uniform(0, 8)), kept[-1]]
    reception = Reception(packet(shuffled[0]), 8000)
    extended = []
    for each in shuffled:
        one = packet(each, each * 160)
        assert reception.receive(one, 0.0)
        extended.append((one.sequence, one.timestamp))
    assert extended == [(each, 65000 * 160 + (each - 65000) * 160) for each in shuffled]
    assert (reception.received, reception.lost) == (len(kept), 2000 - len(kept))
