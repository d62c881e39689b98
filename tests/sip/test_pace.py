"""New calls a second, shared by all who call."""

from dialtone.sip.pace import MAX_SOURCES, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(pace: Pace, clock: Clock, source: str, per_second: float, seconds: float) -> int:
    count = 0
    for _ in range(round(per_second * seconds)):
        clock.now += 1 / per_second
        count += pace.take(source)
    return count


def test_one_caller_may_have_everything_while_nobody_else_calls() -> None:
    clock = Clock()
    pace = Pace(50, clock)
    assert sum(pace.take("192.0.2.1") for _ in range(200)) == 50
    clock.now += 10
    taken(pace, clock, "192.0.2.1", 400, 2)
    assert taken(pace, clock, "192.0.2.1", 400, 10) in range(495, 506)


def test_a_flood_of_one_does_not_keep_out_the_few_calls_of_others() -> None:
    clock = Clock()
    pace = Pace(50, clock)
    taken(pace, clock, "192.0.2.1", 400, 2)
    few = []
    for _ in range(100):
        taken(pace, clock, "192.0.2.1", 400, 0.1)
        few.append(pace.take("192.0.2.2"))
    assert all(few)


def test_what_many_want_together_is_bounded_and_so_is_what_is_kept_of_them() -> None:
    clock = Clock()
    pace = Pace(50, clock)
    got = 0
    for number in range(2 * MAX_SOURCES):
        clock.now += 0.001
        got += pace.take(f"10.0.{number >> 8}.{number & 255}")
    assert got <= 75 + 50 * 20 + 1
    assert len(pace._had) <= MAX_SOURCES
