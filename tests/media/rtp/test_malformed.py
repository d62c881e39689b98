"""100,000 mutated datagrams: nothing crashes, hangs or grows."""

import random
import tracemalloc

from dialtone.media.rtp import rtcp
from dialtone.media.rtp.packet import build
from dialtone.media.rtp.parameters import SrtpKeys
from dialtone.media.rtp.srtp import Srtp, SrtpKey
from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import CALLER, End, parameters

STRANGER = ("203.0.113.66", 6666)


def mutated(datagram, chance):
    """A datagram with bytes changed, taken out, repeated or added."""
    data = bytearray(datagram)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[at % len(data)] = chance.getrandbits(8)
            case 1 if data:
                data[at % min(16, len(data))] ^= 1 << chance.randrange(8)
            case 2:
                del data[at:]
            case 3:
                data[at:at] = chance.randbytes(chance.randint(1, 40))
            case _:
                data[at:at] = data[: chance.randint(0, 1500)]
    return bytes(data)


def specimens(number, timestamp):
    """What a call is made of."""
    block = rtcp.ReportBlock(7, 3, 4, 5, 6, 7, 8)
    return [
        build(0, number % 65536, timestamp % 2**32, 7, SPEECH[:160]),
        build(0, number % 65536, timestamp % 2**32, 7, SPEECH[:80], marker=True),
        build(101, number % 65536, timestamp % 2**32, 7, b"\x05\x8a\x03\xc0"),
        build(13, number % 65536, timestamp % 2**32, 7, bytes(range(20, 31))),
        rtcp.build(7, "far", rtcp.SenderInfo(number << 32, timestamp % 2**32, number, number), block, goodbye=True),
        rtcp.build(7, "far", None, None),
    ]


def mutate(time, ends, mutations, chance, after=lambda: None):
    """Let calls go on among mutated datagrams, each of them also with a good one at every tick."""
    for _ in range(mutations // 80):
        tick = round((time.now - 1000) * 50)
        good = specimens(tick, tick * 160)
        for end in ends:
            for index in range(80 // len(ends)):
                socket = end.rtcp if index % 8 == 0 else end.rtp
                socket.add(mutated(chance.choice(good), chance), time.now, CALLER if index % 4 else STRANGER)
            end.rtp.add(good[0], time.now)
        time.pass_by(0.020)
        for end in ends:
            end.rtp.sent.clear()
            end.rtcp.sent.clear()
            end.owner.frames, end.owner.keys = end.owner.frames[-1:], []
        after()


def two_ends(time):
    return [End(time, parameters(rtcp_mux=True)), End(time, parameters(received_event=None, comfort_noise=13))]


def test_a_hundred_thousand_mutations_of_plain_datagrams(time):
    ends = two_ends(time)
    mutate(time, ends, 100_000, random.Random(20))
    for end in ends:
        assert end.owner.failures == []
        assert end.session.statistics.packets_malformed > 10_000
        assert len(end.owner.frames[-1]) == 160


def test_mutations_do_not_make_a_call_grow(time):
    ends = two_ends(time)
    used = []
    tracemalloc.start()
    try:
        mutate(time, ends, 16_000, random.Random(23), lambda: used.append(tracemalloc.get_traced_memory()[0]))
    finally:
        tracemalloc.stop()
    assert max(used[150:]) - max(used[50:100]) < 100_000


def test_ten_thousand_mutations_of_encrypted_datagrams(time):
    chance = random.Random(21)
    ours, theirs = SrtpKey.generate(), SrtpKey.generate()
    far = Srtp(theirs, ours)
    end = End(time, parameters(srtp=SrtpKeys(ours, theirs)))
    for tick in range(1, 1001):
        protected = far.protect(build(0, tick, tick * 160, 7, SPEECH[:160]))
        for _ in range(10):
            end.rtp.add(mutated(protected, chance), time.now)
        end.rtcp.add(mutated(far.protect_rtcp(rtcp.build(7, "far", None, None)), chance), time.now)
        end.rtp.add(protected, time.now)
        end.run(0.020)
    statistics = end.session.statistics
    assert statistics.packets_received >= 999
    assert statistics.packets_malformed >= 9900
    assert end.owner.heard.count(SPEECH[:160]) >= 900


def test_a_flood_of_strangers_does_not_take_the_call(time):
    chance = random.Random(22)
    end = End(time)
    for tick in range(200):
        for _ in range(100):
            data = build(0, chance.randrange(65536), chance.getrandbits(32), chance.getrandbits(32), bytes(160))
            end.rtp.add(data, time.now, (f"203.0.113.{chance.randrange(256)}", chance.randrange(1024, 65536)))
        end.rtp.add(build(0, tick, tick * 160, 7, SPEECH[tick % 50 * 160 : tick % 50 * 160 + 160]), time.now)
        end.run(0.020)
    assert end.session.statistics.packets_received == 200
    assert end.session.statistics.concealed_seconds < 0.2
