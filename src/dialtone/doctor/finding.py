"""What the doctor finds."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Holds no secret."""

    what: str
    status: Status
    words: str
    fix: str | None = None
    """What to do about it; None where all is well."""


def ok(what: str, words: str) -> Finding:
    return Finding(what, "ok", words)


def warning(what: str, words: str, fix: str) -> Finding:
    return Finding(what, "warning", words, fix)


def failed(what: str, words: str, fix: str) -> Finding:
    return Finding(what, "failed", words, fix)
