"""Placing calls: who calls, through what, and whether there is room, all settled before anything rings."""

from collections.abc import Callable, Sequence

from dialtone.calls.live import LiveCalls
from dialtone.calls.outbound_schemas import OutboundCallRequest
from dialtone.calls.service import Calls
from dialtone.lines.outbound import Dialer, DialRequest, OutboundTrunk
from dialtone.numbers.service import Numbers, OutboundNumber
from dialtone.organizations.service import Organizations
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.platform.fields import ignored_fields
from dialtone.trunks.service import Trunks

NO_NUMBER = "There is no active number to call from: register one with POST /numbers."
NO_TRUNK = "There is no active SIP trunk to call through: make one with POST /sip-trunks."
TRUNK_NOT_ACTIVE = (
    "The number's own SIP trunk is not active: choose another with transfer_trunk_id in PATCH /numbers/{id}."
)
NO_DIALER = "This server has nothing that can place calls through a SIP trunk."


class Outbound:
    def __init__(
        self,
        database: Database,
        calls: Calls,
        numbers: Numbers,
        trunks: Trunks,
        organizations: Organizations,
        dialers: Sequence[Dialer],
        live: Callable[[], LiveCalls],
    ) -> None:
        self._database = database
        self._calls = calls
        self._numbers = numbers
        self._trunks = trunks
        self._organizations = organizations
        self._dialers = dialers
        self._live = live

    async def place(self, organization_id: str, request: OutboundCallRequest) -> tuple[str, list[str]]:
        """The id of a call that is now being placed, and the paths of the request's fields that had no effect.

        Raises `ApiError`, and then there is no call: 400 and 404 for what the request names, 402 without minutes,
        409 where nothing can carry the call, 503 where the server is full.
        """
        assistant = await self._calls.resolve(organization_id, request)
        await self._organizations.require_credit(organization_id)
        number, trunk, dialer = await self._way_out(organization_id, request.number_id)
        live = self._live()
        live.reserve()
        try:
            call = await self._calls.create_outbound_call(organization_id, request, assistant, number)
        except BaseException:
            live.release()
            raise
        dialing = DialRequest(call.call_id, request.destination, number.phone_number, trunk)
        live.dial(call, dialer, dialing, request.first_message)
        return call.call_id, [*ignored_fields(request), *assistant.ignored]

    async def _way_out(
        self, organization_id: str, number_id: str | None
    ) -> tuple[OutboundNumber, OutboundTrunk, Dialer]:
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
                return number, trunk, dialer
        raise _no_outbound_line([NO_DIALER])


def _no_outbound_line(missing: Sequence[str]) -> ApiError:
    return ApiError(
        409,
        "no_outbound_line",
        "No outbound line",
        "Nothing can carry this call; details names what is missing.",
        missing,
    )
