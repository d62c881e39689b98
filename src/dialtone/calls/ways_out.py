"""What can carry a call: which number it is placed from, through what, and what dials."""

from collections.abc import Sequence
from dataclasses import dataclass

from dialtone.lines.outbound import Dialer, DialRequest, OutboundTrunk, Route
from dialtone.numbers.service import Numbers, OutboundNumber
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.trunks.service import Trunks

DIAL_GRACE_SECONDS = 10.0
"""A dialer that has not told that nobody answers is given up this long after the ringing should have ended."""

NO_NUMBER = "There is no active number to call from: register one with POST /numbers."
NO_TRUNK = "There is no active SIP trunk to call through: make one with POST /sip-trunks."
TRUNK_NOT_ACTIVE = (
    "The number's own SIP trunk is not active: choose another with transfer_trunk_id in PATCH /numbers/{id}."
)
NO_DIALER = "This server has nothing that can place calls through a SIP trunk."


@dataclass(frozen=True, slots=True)
class WayOut:
    number: OutboundNumber
    route: Route
    dialer: Dialer

    def request(self, call_id: str, destination: str) -> DialRequest:
        """An attempt to reach `destination` this way."""
        return DialRequest(call_id, destination, self.number.phone_number, self.route)


class WaysOut:
    """For calls that are placed, and for the second legs of calls that are handed over."""

    def __init__(self, database: Database, numbers: Numbers, trunks: Trunks, dialers: Sequence[Dialer]) -> None:
        """`dialers`: the first that can use a way does; may still change."""
        self._database = database
        self._numbers = numbers
        self._trunks = trunks
        self._dialers = dialers

    @property
    def any(self) -> bool:
        """Whether anything here can place calls at all."""
        return bool(self._dialers)

    async def find(self, organization_id: str, number_id: str | None) -> WayOut:
        """The way from one of the organization's numbers; None = its oldest active one.

        Raises `ApiError`: 400 for a `number_id` that is unknown or not active, 409 where something is missing.
        """
        async with self._database.read() as session:
            number = await self._numbers.for_outbound(session, organization_id, number_id)
            own_trunk = number.trunk_id if number is not None else None
            found = await self._trunks.get_for_dialing(session, organization_id, own_trunk)
        if number is None or found is None:
            trunk_missing = TRUNK_NOT_ACTIVE if own_trunk is not None else NO_TRUNK
            raise _no_outbound_line(
                ([] if number is not None else [NO_NUMBER]) + ([] if found is not None else [trunk_missing])
            )
        trunk = OutboundTrunk(found.id, found.host, found.port, found.transport, found.auth_username, found.password())
        for dialer in self._dialers:
            if dialer.can_dial(trunk):
                return WayOut(number, trunk, dialer)
        raise _no_outbound_line([NO_DIALER])


def _no_outbound_line(missing: Sequence[str]) -> ApiError:
    return ApiError(
        409,
        "no_outbound_line",
        "No outbound line",
        "Nothing can carry this call; details names what is missing.",
        missing,
    )
