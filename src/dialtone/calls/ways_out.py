"""What can carry a call: which number it is placed from, through what, and what dials."""

from collections.abc import Sequence
from dataclasses import dataclass

from dialtone.byok.service import Byok
from dialtone.calls.failover import Failover, TrunkWay, route_of
from dialtone.lines.outbound import Dialer, DialRequest, Route
from dialtone.numbers.service import Numbers, OutboundNumber
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.trunks.channels import Channels
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.service import Trunks
from dialtone.trunks.uses import DialingTrunk

DIAL_GRACE_SECONDS = 10.0
"""A dialer that has not told that nobody answers is given up this long after the ringing should have ended."""

NO_NUMBER = "There is no active number to call from: register one with POST /numbers."
NO_TRUNK = "There is no active SIP trunk to call through: make one with POST /sip-trunks."
TRUNK_NOT_ACTIVE = (
    "The number's own SIP trunk is not active: choose another with transfer_trunk_id in PATCH /numbers/{id}."
)
NO_ACCOUNT = "There is no account at {carrier}: store its key with POST /byok, and its settings with POST /byok/config."
NO_PUBLIC_URL = "This server does not know how carriers reach it: set DIALTONE_PUBLIC_URL."
NO_DIALER = (
    "This server can't place calls through the SIP trunk: start it with DIALTONE_SIP_LISTEN, e.g. udp://0.0.0.0:5060, "
    "and for a trunk with transport udp with a udp:// address there."
)


@dataclass(frozen=True, slots=True)
class WayOut:
    number: OutboundNumber
    route: Route
    dialer: Dialer

    def request(self, call_id: str, destination: str) -> DialRequest:
        """An attempt to reach `destination` this way."""
        return DialRequest(call_id, destination, self.number.phone_number, self.route)

    async def release(self) -> None:
        """The line that was dialled is closed, and the call that it was for goes on."""
        if isinstance(self.dialer, Failover):
            await self.dialer.release()


class WaysOut:
    """For calls that are placed, and for the second legs of calls that are handed over."""

    def __init__(
        self,
        database: Database,
        numbers: Numbers,
        byok: Byok,
        trunks: Trunks,
        channels: Channels,
        events: TrunkEvents,
        dialers: Sequence[Dialer],
    ) -> None:
        """`dialers`: the first that can use a way does; may still change."""
        self._database = database
        self._numbers = numbers
        self._byok = byok
        self._trunks = trunks
        self._channels = channels
        self._events = events
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
            if number is not None and number.carrier is not None:
                account = await self._byok.carrier_account(session, organization_id, number.carrier)
                return self._by_carrier(number, number.carrier, account)
        trunks = await self._trunks.all_for_dialing(organization_id)
        own_trunk = number.trunk_id if number is not None else None
        if own_trunk is not None:
            # The number's own comes first, then the others in their order; without it no call goes out.
            trunks.sort(key=lambda trunk: trunk.id != own_trunk)
            trunks = trunks if trunks and trunks[0].id == own_trunk else []
        # Tried last, and not never: a call may go through where a question was lost.
        trunks.sort(key=lambda trunk: trunk.is_silent)
        if number is None or not trunks:
            trunk_missing = TRUNK_NOT_ACTIVE if own_trunk is not None else NO_TRUNK
            raise _no_outbound_line(([] if number is not None else [NO_NUMBER]) + ([] if trunks else [trunk_missing]))
        ways = [way for trunk in trunks if (way := self._by_trunk(trunk)) is not None]
        if not ways:
            raise _no_outbound_line([NO_DIALER])
        return WayOut(number, route_of(ways[0].trunk, None), Failover(ways, self._channels, self._events))

    def _by_carrier(self, number: OutboundNumber, carrier: str, account: CarrierAccount | None) -> WayOut:
        if account is None:
            raise _no_outbound_line([NO_ACCOUNT.format(carrier=carrier)])
        for dialer in self._dialers:
            if dialer.can_dial(account):
                return WayOut(number, account, dialer)
        raise _no_outbound_line([NO_PUBLIC_URL])

    def _by_trunk(self, trunk: DialingTrunk) -> TrunkWay | None:
        route = route_of(trunk, None)
        return next((TrunkWay(trunk, dialer) for dialer in self._dialers if dialer.can_dial(route)), None)


def _no_outbound_line(missing: Sequence[str]) -> ApiError:
    return ApiError(
        409,
        "no_outbound_line",
        "No outbound line",
        "Nothing can carry this call; details names what is missing.",
        missing,
    )
