"""What becomes of a telephone call that comes in, from its first ring to its place among the live calls."""

import asyncio
import logging
from collections.abc import Callable

from dialtone.calls.inbound import Acceptance, Inbound, Rejection
from dialtone.calls.live import RETRY_AFTER_SECONDS, LiveCalls
from dialtone.calls.service import Calls
from dialtone.lines.sip.incoming import IncomingSipCall, RefusedError
from dialtone.lines.sip.phone import SipPhone
from dialtone.numbers.service import InboundNumber
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError
from dialtone.sip.events import IncomingCall
from dialtone.sip.uri import host_in_uri
from dialtone.telephony.admission import Doorkeeper, trunks_of
from dialtone.telephony.dialled import called_numbers, caller_of
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.service import Trunks

logger = logging.getLogger(__name__)

NOT_FOUND = 404
FORBIDDEN = 403
UNAVAILABLE = 480
SERVER_ERROR = 500
BUSY_HERE = 503
DECLINED = 603

_REJECTED = {
    "insufficient_credits": (UNAVAILABLE, "The organization has no minutes left."),
    "rejected": (DECLINED, "The answer to the assistant-request turned the caller away."),
}
"""Status and words for the reasons of a `Rejection`."""


class Arrivals:
    """Takes calls one by one, each in a task of its own."""

    def __init__(
        self,
        database: Database,
        doorkeeper: Doorkeeper,
        inbound: Inbound,
        calls: Calls,
        trunks: Trunks,
        events: TrunkEvents,
        live: Callable[[], LiveCalls],
    ) -> None:
        """`live` raises `ApiError` while the server takes no calls."""
        self._database = database
        self._doorkeeper = doorkeeper
        self._inbound = inbound
        self._calls = calls
        self._trunks = trunks
        self._events = events
        self._live = live
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, phone: SipPhone, invitation: IncomingCall) -> None:
        """Somebody calls."""
        call = IncomingSipCall(phone, invitation)
        task = asyncio.get_running_loop().create_task(self._take(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Turn away whoever still waits to be answered."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, call: IncomingSipCall) -> None:
        try:
            await self._place(call)
        except asyncio.CancelledError:
            call.reject(BUSY_HERE, retry_after=RETRY_AFTER_SECONDS)
            raise
        except RefusedError as problem:
            busy = problem.status == BUSY_HERE
            call.reject(problem.status, retry_after=RETRY_AFTER_SECONDS if busy else None)
            await self._explain(call, problem)
        except Exception:
            logger.exception("a telephone call could not be taken")
            call.reject(SERVER_ERROR)

    async def _place(self, call: IncomingSipCall) -> None:
        """Hold a place for the call until it is among the live ones. Raises `RefusedError`."""
        try:
            live = self._live()
            live.reserve()
        except ApiError as problem:
            raise RefusedError(BUSY_HERE, problem.message or problem.error) from None
        taken = False
        try:
            taken = await self._settle(call, live)
        finally:
            if not taken:
                live.release()

    async def _settle(self, call: IncomingSipCall, live: LiveCalls) -> bool:
        """Find out who takes the call, and hand it on. Was it? Raises `RefusedError`."""
        invitation = call.invitation
        number = await self._doorkeeper.number(_dialled(invitation))
        if number is None:
            raise RefusedError(NOT_FOUND, "Nobody registered the number that was called.")
        if number.organization_id not in trunks_of(invitation.tag):
            raise RefusedError(FORBIDDEN, "The number that was called is not of the trunk's organization.")
        call.ring()
        caller = caller_of(invitation)
        decision = await self._inbound.decide(number.phone_number, caller)
        if call.is_over:
            return False
        if decision is None:
            raise RefusedError(NOT_FOUND, "The number that was called has no assistant that takes calls.")
        if isinstance(decision, Rejection):
            raise await self._turned_away(decision, caller)
        await self._accept(call, decision, caller, live)
        return True

    async def _turned_away(self, rejection: Rejection, caller: str | None) -> RefusedError:
        """Put the call on record."""
        status, words = _REJECTED[rejection.end_reason]
        await self._calls.create_rejected_call(rejection.call_id, rejection.number, caller, rejection.end_reason, words)
        return RefusedError(status, words)

    async def _explain(self, call: IncomingSipCall, refusal: RefusedError) -> None:
        """Tell the trunk's owner. Where several organizations have a trunk at the address, what was called must be one
        organization's number, lest it be shown to another.
        """
        trunks, dialled = trunks_of(call.invitation.tag), _dialled(call.invitation)
        number = await self._doorkeeper.number(dialled)
        owner = number.organization_id if number is not None else next(iter(trunks)) if len(trunks) == 1 else None
        if owner in trunks:
            called = number.phone_number if number is not None else next(iter(dialled), None)
            await self._events.note(owner, trunks[owner], refusal.status, str(refusal), called)

    async def _accept(self, call: IncomingSipCall, acceptance: Acceptance, caller: str | None, live: LiveCalls) -> None:
        call.prepare()
        domain = await self._transfer_domain(call, acceptance.number)
        await self._calls.create_inbound_call(acceptance.call, acceptance.number, caller, acceptance.notes)
        called = acceptance.number.phone_number
        live.take(acceptance.call, call.answer(domain), caller, called, acceptance.notes)

    async def _transfer_domain(self, call: IncomingSipCall, number: InboundNumber) -> str:
        """Where a caller is handed over to a telephone number: at the number's trunk, else at whoever called."""
        async with self._database.read() as session:
            trunk = await self._trunks.get_for_dialing(session, number.organization_id, number.trunk_id)
        if trunk is None:
            return host_in_uri(call.invitation.source)
        return f"{host_in_uri(trunk.host)}:{trunk.port}"


def _dialled(invitation: IncomingCall) -> list[str]:
    return called_numbers(invitation.request_uri, invitation.called.uri)
