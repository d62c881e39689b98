"""How a call is placed: what a dialer is given, and what comes of it.

A dialer reaches telephones one way: through a SIP trunk, or a carrier's API. It knows nothing of assistants; what it
returns is an answered `Line` like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from dialtone.lines.base import Line
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.numbering import INTERNATIONAL, Numbering

DialFailure = Literal["busy", "no_answer", "declined", "unreachable"]

RING_SECONDS = 45.0
"""How long a telephone may ring before the attempt is given up."""


@dataclass(frozen=True, slots=True)
class OutboundTrunk:
    """The way out: somebody's SIP server, and how to log in there."""

    id: str
    host: str
    """A name or an IP address, without brackets."""
    port: int | None
    """None: the one that the DNS names, else the transport's own."""
    transport: str
    """`udp`, `tcp` or `tls`."""
    username: str | None
    password: str | None = field(repr=False)
    caller_number: str | None = None
    """What calls show in place of the number that they are placed from, in E.164."""
    numbering: Numbering = INTERNATIONAL
    from_account: bool = False
    """The trunk wants to see the user name in From; the caller's number stands beside it."""

    @property
    def logs_in(self) -> bool:
        return bool(self.username) and self.password is not None


Route = OutboundTrunk | CarrierAccount


@dataclass(frozen=True, slots=True)
class DialRequest:
    """One attempt to reach somebody."""

    call_id: str
    destination: str
    """E.164 or a SIP URI."""
    caller_number: str
    """The number of ours that the destination sees, in E.164."""
    route: Route
    ring_seconds: float = RING_SECONDS
    patience_seconds: float | None = None
    """How long the way out may be silent before it is given up; None where there is no other."""
    on_note: Callable[[str], None] | None = field(default=None, repr=False, compare=False)
    """Told what an operator should know of how the call was placed, in words that name nobody."""

    @property
    def trunk(self) -> OutboundTrunk:
        """The route, for a dialer of trunks."""
        assert isinstance(self.route, OutboundTrunk)
        return self.route


class DialError(Exception):
    """Nobody answered. `str()` says why, in words that name nobody: it is kept with the call."""

    def __init__(
        self, reason: DialFailure, words: str, *, route_failed: bool = False, status: int | None = None
    ) -> None:
        """`route_failed`: it is the way out that failed, not whoever is called; another one may lead there. `status` is
        the trunk's answer.
        """
        super().__init__(words)
        self.reason: DialFailure = reason
        self.route_failed = route_failed
        self.status = status


class Dialer(Protocol):
    """Places calls. All methods are called on the event loop."""

    def can_dial(self, route: Route) -> bool:
        """Whether calls can go out this way."""

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        """Ring the destination; returns the line once somebody has answered.

        `on_ringing` is called when the far end rings. Raises `DialError`, after `ring_seconds` at the latest.
        Cancelling stops the ringing and leaves nothing open.
        """
