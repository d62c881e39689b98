"""What rooms with durable work write and catch."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dialtone.platform.db import iso


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of durable work, as its handler sees it."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    """What `defer` was given: ids, never content."""
    attempt: int
    """From 1. An attempt whose process was killed counts."""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that ended failed, as long as it is kept."""

    job: Job
    reason: str
    failed_at: datetime

    def __str__(self) -> str:
        """One line for people."""
        job = self.job
        return f"{iso(self.failed_at)}  {job.kind}  {job.id}  attempt {job.attempt}: {self.reason}  {dict(job.payload)}"


class RetryLater(Exception):  # noqa: N818 - no error, but a handler's wish
    """A handler's way to be run again."""

    def __init__(self, seconds: float, reason: str, *, counted: bool = True) -> None:
        """`reason` in words, without secrets or a customer's content: it is stored and logged. Not `counted`: the
        next attempt has the same number, because this one did not even try.
        """
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason
        self.counted = counted


class GiveUp(Exception):  # noqa: N818 - as above
    """A handler's final failure: `GiveUp("the reason in words")`, without secrets or a customer's content."""


Handler = Callable[[Job], Awaitable[None]]
