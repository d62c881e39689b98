"""Placing calls: who calls, through what, and whether there is room, all settled before anything rings."""

from collections.abc import Callable

from dialtone.calls.live import LiveCalls
from dialtone.calls.outbound_schemas import OutboundCallRequest
from dialtone.calls.service import Calls
from dialtone.calls.ways_out import WaysOut
from dialtone.organizations.service import Organizations
from dialtone.platform.fields import ignored_fields


class Outbound:
    def __init__(
        self, calls: Calls, organizations: Organizations, ways: WaysOut, live: Callable[[], LiveCalls]
    ) -> None:
        self._calls = calls
        self._organizations = organizations
        self._ways = ways
        self._live = live

    async def place(self, organization_id: str, request: OutboundCallRequest) -> tuple[str, list[str]]:
        """The id of a call that is now being placed, and the paths of the request's fields that had no effect.

        Raises `ApiError`, and then there is no call: 400 and 404 for what the request names, 402 without minutes,
        409 where nothing can carry the call, 503 where the server is full.
        """
        assistant = await self._calls.resolve(organization_id, request)
        await self._organizations.require_credit(organization_id)
        way = await self._ways.find(organization_id, request.number_id)
        live = self._live()
        live.reserve()
        try:
            call = await self._calls.create_outbound_call(organization_id, request, assistant, way.number)
        except BaseException:
            live.release()
            raise
        live.dial(call, way.dialer, way.request(call.call_id, request.destination), request.first_message)
        return call.call_id, [*ignored_fields(request), *assistant.ignored]
