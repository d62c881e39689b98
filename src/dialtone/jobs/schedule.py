"""When work is to be done: pauses before another attempt, and the moments of what repeats itself."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 3600.0
JITTER = 0.25
"""Each pause is up to this share shorter or longer, so that what failed together does not come back together."""


def pause(attempt: int) -> timedelta:
    """How long to wait after this many attempts that failed unexpectedly."""
    seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 30), LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))


@dataclass(frozen=True, slots=True)
class Every:
    """Repeats at whole multiples of `seconds` after midnight, 1 January 1970 UTC: every process names the same
    moments.
    """

    seconds: int

    def after(self, moment: datetime) -> datetime:
        return datetime.fromtimestamp((int(moment.timestamp()) // self.seconds + 1) * self.seconds, UTC)


@dataclass(frozen=True, slots=True)
class EveryDay:
    """Repeats at a time of the day, in UTC."""

    at: time

    def after(self, moment: datetime) -> datetime:
        today = datetime.combine(moment.astimezone(UTC).date(), self.at, UTC)
        return today if today > moment else today + timedelta(days=1)


Schedule = Every | EveryDay
