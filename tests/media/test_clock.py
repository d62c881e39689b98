import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from dialtone.media.clock import Lateness, MediaClock


class VirtualLoop:
    """The two calls that the clock makes of a loop, in a time that only the test moves."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, callback, *args):
        handle = _Handle(self, when, callback, args)
        self.timers.append(handle)
        return handle

    def run_until(self, end):
        while self.timers and min(t.time for t in self.timers) <= end:
            timer = min(self.timers, key=lambda t: t.time)
            self.timers.remove(timer)
            self.now = max(self.now, timer.time)
            timer.callback(*timer.args)
        self.now = max(self.now, end)

    def run_in_turns(self, end, turn_seconds):
        """Other work fills every turn of the loop; timers that are due are served after it."""
        while self.now < end:
            self.now += turn_seconds
            for timer in sorted((t for t in self.timers if t.time <= self.now), key=lambda t: t.time):
                self.timers.remove(timer)
                timer.callback(*timer.args)


class _Handle:
    def __init__(self, loop, when, callback, args):
        self.loop, self.time, self.callback, self.args = loop, when, callback, args

    def cancel(self):
        self.loop.timers.remove(self)


class Member:
    def __init__(self, action: Callable[[float], None] | None = None):
        self.ticks = []
        self.action = action

    def tick(self, now):
        self.ticks.append(now)
        if self.action:
            self.action(now)


@pytest.fixture
def loop(monkeypatch):
    loop = VirtualLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def clock():
    return MediaClock()


def test_ten_minutes_of_ticks_does_not_drift(loop, clock):
    member = Member()
    clock.add(member)
    loop.run_until(1000.0 + 600 + 0.001)
    assert len(member.ticks) == 30000
    assert member.ticks[-1] - member.ticks[0] == pytest.approx(29999 * 0.02, abs=1e-6)


def test_members_are_spread_over_four_phases(loop, clock):
    members = [Member() for _ in range(8)]
    for member in members:
        clock.add(member)
    loop.run_until(1000.1001)
    offsets = sorted(round(member.ticks[0] * 1000) % 20 for member in members)
    assert offsets == [0, 0, 5, 5, 10, 10, 15, 15]
    assert all(len(member.ticks) == 5 for member in members)


def test_a_short_delay_is_caught_up_tick_by_tick(loop, clock):
    member = Member()
    clock.add(member)
    loop.run_until(1000.1001)
    loop.now += 0.15
    loop.run_until(1001.0001)
    assert len(member.ticks) == 50
    assert clock.lateness.skipped == 0
    assert 0.13 < clock.lateness.maximum <= 0.15


def test_other_work_in_every_turn_delays_frames_by_a_turn_and_no_more(loop, clock):
    members = [Member() for _ in range(8)]
    for member in members:
        clock.add(member)
    loop.run_in_turns(1010.0, 0.012)
    assert clock.lateness.skipped == 0
    assert clock.lateness.maximum <= 0.012 + 1e-6
    assert {len(member.ticks) for member in members} <= {499, 500, 501}


def test_after_a_delay_sockets_are_served_between_the_frames_of_a_call(loop, clock):
    member = Member()
    clock.add(member)
    loop.run_until(1000.1001)
    loop.now += 0.1
    before = len(member.ticks)
    loop.run_in_turns(loop.now + 0.0025, 0.001)
    assert len(member.ticks) == before + 3, "one in each turn"


def test_a_long_delay_is_left_out(loop, clock):
    member = Member()
    clock.add(member)
    loop.run_until(1000.1001)
    phase = member.ticks[0] % 0.02
    loop.now += 5
    loop.run_until(1010.0001)
    assert 5 + 244 <= len(member.ticks) <= 5 + 246
    assert clock.lateness.skipped == pytest.approx(250, abs=1)
    assert member.ticks[-1] % 0.02 == pytest.approx(phase, abs=1e-6)
    after = [tick for tick in member.ticks if tick > 1005]
    assert min(b - a for a, b in pairwise(after)) > 0.015


def test_a_failing_member_is_removed_and_told_and_the_others_go_on(loop, clock):
    told = []

    def fail(_now):
        raise RuntimeError("broken")

    failing, deaf, healthy = Member(fail), Member(fail), Member()
    clock.add(failing, told.append)
    clock.add(deaf)
    clock.add(healthy)
    loop.run_until(1000.2001)
    assert (len(failing.ticks), len(deaf.ticks), len(healthy.ticks)) == (1, 1, 10)
    assert [str(error) for error in told] == ["broken"]
    assert len(clock) == 1


def test_even_a_failing_error_callback_harms_nobody(loop, clock):
    def fail(_value):
        raise RuntimeError("broken")

    healthy = Member()
    clock.add(Member(fail), fail)
    clock.add(healthy)
    loop.run_until(1000.1001)
    assert len(healthy.ticks) == 5


def test_members_come_and_go_during_a_tick(loop, clock):
    late = Member()
    victims = [Member() for _ in range(7)]

    def change(_now):
        for victim in victims:
            clock.remove(victim)
        clock.add(late)
        clock.add(late)

    clock.add(Member())
    clock.add(changer := Member(change))
    for victim in victims:
        clock.add(victim)
    loop.run_until(1000.1001)
    assert len(changer.ticks) == 5
    assert all(not victim.ticks for victim in victims)
    assert len(late.ticks) in (4, 5)
    assert len(clock) == 3


def test_an_empty_clock_has_no_timer_and_starts_again(loop, clock):
    member = Member(lambda _now: clock.remove(member))
    clock.add(member)
    loop.run_until(1001)
    assert (len(member.ticks), loop.timers) == (1, [])
    clock.add(member)
    loop.run_until(1002)
    assert (len(member.ticks), loop.timers) == (2, [])
    clock.remove(member)


def test_lateness_percentiles():
    lateness = Lateness()
    assert lateness.percentile(0.99) == 0
    for milliseconds in range(100):
        lateness.record(milliseconds / 1000)
    assert lateness.percentile(0.5) == pytest.approx(0.0495, abs=0.001)
    assert lateness.percentile(0.99) == pytest.approx(0.0985, abs=0.001)
    assert lateness.maximum == 0.099
    lateness.record(7.0)
    assert lateness.percentile(1.0) == 7.0
    lateness.reset()
    assert (lateness.count, lateness.maximum, lateness.percentile(0.5)) == (0, 0.0, 0.0)


def test_a_newcomer_waits_no_longer_than_one_frame(loop, clock):
    members = [Member() for _ in range(5)]
    for index, member in enumerate(members):
        loop.run_until(1000 + index * 0.0131)
        clock.add(member)
        member.joined = loop.now
    loop.run_until(1001)
    for member in members:
        assert member.ticks[0] - member.joined <= 0.02 + 1e-9
    assert clock.lateness.maximum < 1e-6


def test_phases_without_members_set_no_timer(loop, clock):
    clock.add(member := Member())
    served = []
    serve = clock._serve
    clock._serve = lambda *args: (served.append(loop.now), serve(*args))
    loop.run_until(1001)
    assert len(member.ticks) - len(served) in (0, 1)


async def test_it_ticks_on_a_real_loop():
    clock = MediaClock()
    done = asyncio.get_running_loop().create_future()
    member = Member(lambda now: len(member.ticks) == 3 and done.set_result(now))
    clock.add(member)
    assert await asyncio.wait_for(done, 5) == member.ticks[2]
    clock.remove(member)
    assert len(clock) == 0
    assert member.ticks == sorted(member.ticks)


def test_a_member_that_is_fed_by_another_is_ticked_right_after_it(loop, clock):
    order = []
    fed = Member(lambda now: order.append(("fed", now)))
    clock.add(fed)
    clock.add(Member())
    feeder = Member(lambda now: (order.append(("feeder", now)), clock.follow(fed)))
    clock.add(feeder)
    loop.run_until(1000.0 + 0.5)
    assert clock.serving is None
    assert len(clock) == 3
    settled = order[order.index(("feeder", feeder.ticks[3])) :]
    settled = settled[: len(settled) // 2 * 2]
    assert [name for name, _ in settled] == ["feeder", "fed"] * (len(settled) // 2)
    assert [now for name, now in settled if name == "feeder"] == [now for name, now in settled if name == "fed"]
    gaps = [later - earlier for earlier, later in pairwise(fed.ticks)]
    assert max(gaps) < 0.0401
    assert len(fed.ticks) >= 23


def test_who_feeds_a_member_is_ticked_right_before_it_from_the_first_tick_on(loop, clock):
    order = []
    fed, other, feeder = (
        Member(lambda now, name=name: order.append((name, now))) for name in ("fed", "other", "feeder")
    )
    clock.add(fed)
    clock.add(other)
    loop.run_until(1000.05)
    before = list(fed.ticks)
    order.clear()
    clock.add(feeder, before=fed)
    loop.run_until(1000.5)
    both = [entry for entry in order if entry[0] != "other"]
    assert [name for name, _ in both] == ["feeder", "fed"] * (len(both) // 2)
    assert feeder.ticks == fed.ticks[len(before) :]
    assert [later - earlier for earlier, later in pairwise(fed.ticks)] == pytest.approx([0.020] * (len(fed.ticks) - 1))


def test_who_feeds_a_stranger_is_ticked_all_the_same(loop, clock):
    clock.add(feeder := Member(), before=Member())
    loop.run_until(1000.1)
    assert len(clock) == 1
    assert len(feeder.ticks) == 5


def test_strangers_and_members_outside_a_tick_follow_nobody(loop, clock):
    member, stranger = Member(), Member()
    clock.add(member)
    clock.follow(member)
    busy = Member(lambda _now: clock.follow(stranger))
    clock.add(busy)
    loop.run_until(1000.2)
    assert len(clock) == 2
    assert stranger.ticks == []
    assert len(busy.ticks) == len(member.ticks) == 10
