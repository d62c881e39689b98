"""Placing telephone calls through a carrier's API."""

import asyncio
import contextlib
from collections.abc import Callable

from dialtone.lines.base import Line
from dialtone.lines.carriers.base import CallOrder, CarrierError
from dialtone.lines.carriers.waiting import CallOverError, CarrierCall, CarrierCalls
from dialtone.lines.outbound import DialError, DialRequest, Route
from dialtone.platform.carriers import CarrierAccount

LATE_SECONDS = 8.0
"""So long after the ringing a carrier may take to tell that nobody answered, or to open the stream."""


class CarrierDialer:
    """A `Dialer` over the carriers of this process."""

    def __init__(self, calls: CarrierCalls) -> None:
        self._calls = calls

    def can_dial(self, route: Route) -> bool:
        """See `Dialer.can_dial`."""
        return isinstance(route, CarrierAccount) and route.carrier in self._calls.carriers

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        """See `Dialer.dial`."""
        account = request.route
        assert isinstance(account, CarrierAccount)
        call = self._calls.expect(account, request.caller_number, on_ringing=on_ringing)
        order = CallOrder(request.destination, request.caller_number, request.ring_seconds, call.addresses)
        placing = asyncio.get_running_loop().create_task(call.carrier.place(account, order))
        try:
            async with asyncio.timeout(request.ring_seconds + LATE_SECONDS):
                # Whoever is in a hurry waits elsewhere: only the answer says which call to take back.
                if not call.named(await asyncio.shield(placing)):
                    raise CarrierError("The carrier named another call than it had before.")
                return await call.connected()
        except CarrierError as problem:
            call.give_up()
            raise DialError(problem.reason, str(problem)) from None
        except CallOverError as problem:
            raise DialError(problem.failure or "no_answer", str(problem)) from None
        except TimeoutError:
            self._calls.spawn(_take_back(call, placing))
            raise DialError("no_answer", "Nobody answered in time.") from None
        except asyncio.CancelledError:
            self._calls.spawn(_take_back(call, placing))
            raise


async def _take_back(call: CarrierCall, placing: "asyncio.Task[str]") -> None:
    """Stop the ringing, also of a call that is only just being placed."""
    with contextlib.suppress(CarrierError):  # then there is nothing that could ring
        call.named(await placing)
    call.give_up()
