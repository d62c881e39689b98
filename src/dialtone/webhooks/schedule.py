"""When a webhook is tried again, and when it is given up. Times in seconds."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 3600.0
JITTER = 0.2
"""A pause is up to this share longer, so that receivers that fell over together are not asked again together."""
TRIED_FOR = 86_400.0
"""From the event, or its replay, to the last try."""


def is_acknowledged(status: int) -> bool:
    """Whether an answer of this status says that the event has arrived."""
    return 200 <= status < 300


def is_retryable(status: int) -> bool:
    """Whether the same request may find another answer later. Redirects and other client errors are final."""
    return status in (408, 429) or status >= 500


def pause_before_next(
    failures: int, elapsed: float, retry_after: float | None, draw: Callable[[], float] = random.random
) -> float | None:
    """How long to wait after `failures` tries failed, the first of them `elapsed` ago; None: give up.

    `retry_after` is what the receiver asked for. The last try comes when the time is up, not before.
    """
    left = TRIED_FOR - elapsed
    if left <= 0:
        return None
    pause: float = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE) * (1 + JITTER * draw())
    return min(max(pause, retry_after or 0.0), left)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The pause that a `Retry-After` asks for (RFC 9110 section 10.2.3): seconds, or a date; None for anything else."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
