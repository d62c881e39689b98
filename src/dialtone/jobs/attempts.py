"""One attempt at a job: from the handler's call to the verdict."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialtone.jobs.base import GiveUp, Handler, RetryLater
from dialtone.jobs.schedule import pause
from dialtone.jobs.store import Ended, Taken

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """How the jobs of a kind are done."""

    handler: Handler
    at_once: int
    seconds: float
    """The longest that an attempt may take."""
    attempts: int
    """After so many, an unexpected failure is final."""


async def attempt(kind: Kind, taken: Taken, clock: Callable[[], datetime], stopping: Callable[[], bool]) -> Ended:
    """Never raises: also a cancelled attempt is told as one that ended."""
    limit = asyncio.timeout(kind.seconds)
    try:
        async with limit:
            await kind.handler(taken.job)
    except RetryLater as later:
        again_at = clock() + timedelta(seconds=max(later.seconds, 0.0))
        return Ended(taken, later.reason or "to be tried later", again_at, later.counted)
    except GiveUp as final:
        return failed(taken, str(final) or "given up")
    except asyncio.CancelledError:
        if stopping():
            return Ended(taken, "the server was stopped", clock(), counted=False)
        return failed_unexpectedly(kind, taken, "cancelled itself", clock())
    except Exception as problem:
        overtime = isinstance(problem, TimeoutError) and limit.expired()
        reason = f"took longer than {kind.seconds:g} s" if overtime else _named(problem)
        return failed_unexpectedly(kind, taken, reason, clock())
    return Ended(taken)


def failed_unexpectedly(kind: Kind, taken: Taken, reason: str, moment: datetime) -> Ended:
    """To be tried again after a pause, unless it had all its attempts."""
    job = taken.job
    if job.attempt >= kind.attempts:
        return failed(taken, reason)
    logger.warning("job %s (%s): attempt %d failed: %s", job.id, job.kind, job.attempt, reason)
    return Ended(taken, reason, moment + pause(job.attempt))


def failed(taken: Taken, reason: str) -> Ended:
    logger.error(
        "job %s (%s) failed for good at attempt %d: %s", taken.job.id, taken.job.kind, taken.job.attempt, reason
    )
    return Ended(taken, reason)


def _named(problem: Exception) -> str:
    """What it was and where; not its message, which may hold anything."""
    frames = traceback.extract_tb(problem.__traceback__)
    where = f" at {frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(problem).__name__}{where}"
