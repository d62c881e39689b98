"""Reaching somebody else for a caller who is on a line already, so that the caller can be handed over."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dialtone.lines.base import Line


class SecondLegs(Protocol):
    """Places the second calls of one call."""

    @property
    def possible(self) -> bool:
        """Whether anything here can place a call at all."""

    def reach(self, destination: str, on_note: Callable[[str], None]) -> AbstractAsyncContextManager[Line]:
        """Ring `destination`, E.164 or a SIP URI. The context begins when they answer; the line is closed with it.
        `on_note` is told what an operator should know of the way there.

        Entering raises `DialError` in bounded time. Cancelling stops the ringing and leaves nothing open.
        """
