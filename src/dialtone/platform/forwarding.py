"""Calls that were sent on by somebody else's telephone."""

from typing import TypedDict


class Forwarding(TypedDict):
    """Somebody who was called first, and whose telephone sent the call on."""

    number: str | None
    """E.164; None where it is no number, or withheld."""
    reason: str
    """`user-busy`, `no-answer`, `unconditional` ..., `unknown`."""
