from datetime import UTC, datetime

import pytest

from dialtone.webhooks.schedule import TRIED_FOR, is_retryable, pause_before_next, retry_after_seconds

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def pauses(draw: float) -> list[float]:
    """All pauses of a delivery that never arrives and is answered at once."""
    found: list[float] = []
    while (pause := pause_before_next(len(found) + 1, sum(found), None, lambda: draw)) is not None:
        found.append(pause)
    return found


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0])
def test_pauses_grow_from_five_seconds_to_an_hour_and_fill_a_day(draw: float) -> None:
    found = pauses(draw)
    assert found[0] == 5 * (1 + 0.2 * draw)
    assert found[:3] == [found[0], 2 * found[0], 4 * found[0]]
    assert max(found) == 3600 * (1 + 0.2 * draw)
    assert sum(found) == pytest.approx(TRIED_FOR)
    assert len(found) < 50


def test_a_longer_wish_is_granted_a_shorter_one_is_not() -> None:
    assert pause_before_next(1, 0, 60.0, lambda: 0.0) == 60
    assert pause_before_next(4, 0, 1.0, lambda: 0.0) == 40
    assert pause_before_next(1, 0, 10 * TRIED_FOR, lambda: 0.0) == TRIED_FOR
    assert pause_before_next(1, TRIED_FOR, 60.0, lambda: 0.0) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 5 ", 5),
        ("0", 0),
        ("9" * 400, 999999999),
        ("Sat, 31 Jan 2026 09:31:00 GMT", 60),
        ("Sat, 31 Jan 2026 09:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


def test_which_answers_are_worth_another_try() -> None:
    assert [code for code in range(300, 600) if is_retryable(code)] == [408, 429, *range(500, 600)]
