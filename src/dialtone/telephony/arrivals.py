"""What becomes of a telephone call that comes in, from its first ring to its place among the live calls."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from dialtone.calls.inbound import Acceptance, Inbound, Rejection
from dialtone.calls.live import RETRY_AFTER_SECONDS, LiveCalls
from dialtone.calls.masking import masked
from dialtone.calls.service import Calls
from dialtone.lines.inbound import CallerLeftError
from dialtone.lines.sip.incoming import IncomingSipCall, RefusedError
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.numbers.service import InboundNumber
from dialtone.platform.errors import ApiError
from dialtone.sip.events import IncomingCall
from dialtone.telephony.admission import Doorkeeper
from dialtone.telephony.announcing import Announcements
from dialtone.telephony.dialled import caller_of, forwarded_from
from dialtone.telephony.directory import TrunkDirectory
from dialtone.trunks.channels import Channels, NoChannelError
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.uses import CallingTrunk

logger = logging.getLogger(__name__)

NOT_FOUND = 404
FORBIDDEN = 403
UNAVAILABLE = 480
BUSY = 486
"""Not 503: to that, providers take the whole server for down."""
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
        doorkeeper: Doorkeeper,
        inbound: Inbound,
        calls: Calls,
        directory: TrunkDirectory,
        channels: Channels,
        events: TrunkEvents,
        live: Callable[[], LiveCalls],
    ) -> None:
        """`live` raises `ApiError` while the server takes no calls."""
        self._doorkeeper = doorkeeper
        self._inbound = inbound
        self._calls = calls
        self._directory = directory
        self._channels = channels
        self._events = events
        self._live = live
        self._announcements = Announcements()
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, phone: SipPhone, invitation: IncomingCall) -> None:
        """Somebody calls."""
        self.own(self._take(IncomingSipCall(phone, invitation)))

    def own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that belongs to no call yet; it ends with this at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Turn away whoever still waits to be answered."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, call: IncomingSipCall) -> None:
        try:
            await (self._place(call) if call.invitation.replaces is None else call.take_over())
        except CallerLeftError:
            logger.info("a call that was to take the place of another one was given up")
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
        meant = await self._doorkeeper.meant(invitation)
        trunk, number = meant.trunk, meant.number
        if trunk is None or number is None:
            raise RefusedError(FORBIDDEN if meant.is_foreign else NOT_FOUND, meant.why)
        try:
            await self._channels.check(trunk.organization_id, trunk.id, trunk.max_channels)
        except NoChannelError as problem:
            raise RefusedError(BUSY, str(problem)) from None
        call.ring()
        caller = caller_of(invitation, trunk.numbering)
        sent_on = forwarded_from(invitation, trunk.numbering)
        decision = await self._inbound.decide(number, caller, sent_on)
        if call.is_over:
            return False
        if decision is None:
            raise RefusedError(NOT_FOUND, "The number that was called has no assistant that takes calls.")
        if isinstance(decision, Rejection):
            raise await self._turned_away(call, decision, caller, live)
        await self._accept(call, trunk, decision, caller, live)
        return True

    async def _turned_away(
        self, call: IncomingSipCall, rejection: Rejection, caller: str | None, live: LiveCalls
    ) -> RefusedError:
        """Put the call on record, and tell the caller in words."""
        status, words = _REJECTED[rejection.end_reason]
        await self._calls.create_rejected_call(
            rejection.call_id,
            rejection.number,
            caller,
            rejection.end_reason,
            words,
            forwarded_from=rejection.forwarded_from,
        )
        await self._announcements.speak(call, rejection, live)
        return RefusedError(status, words)

    async def _explain(self, call: IncomingSipCall, refusal: RefusedError) -> None:
        """Tell the trunk's owner. Where several organizations have a trunk at the address, what was called must be one
        organization's number, lest it be shown to another.
        """
        meant = await self._doorkeeper.meant(call.invitation)
        trunk, number, called = meant.trunk, meant.number or meant.inactive, meant.called
        if trunk is None:
            return
        if called is not None and number is not None and await self._inbound.in_gdpr_mode(number):
            called = masked(called)
        dialled = meant.dialled if meant.dialled != called else None
        await self._events.note(trunk.organization_id, trunk.id, refusal.status, str(refusal), called, dialled=dialled)

    async def _accept(
        self, call: IncomingSipCall, trunk: CallingTrunk, acceptance: Acceptance, caller: str | None, live: LiveCalls
    ) -> None:
        call.prepare()
        number, claimed = acceptance.number, acceptance.call
        server = await self._transfer_server(call, trunk, number)
        with_channel = self._channels.take, (trunk.organization_id, trunk.id, claimed.call_id)
        try:
            await self._calls.create_inbound_call(claimed, number, acceptance.notes, with_channel)
        except NoChannelError as problem:
            raise RefusedError(BUSY, str(problem)) from None
        ready = asyncio.Event()
        live.take(
            claimed,
            call.answer(server, ready),
            caller,
            number.phone_number,
            acceptance.notes,
            audio=call.audio,
            on_ready=ready.set,
            play=call.play if call.can_play else None,
        )

    async def _transfer_server(self, call: IncomingSipCall, trunk: CallingTrunk, number: InboundNumber) -> SipServer:
        """Where a caller is handed over to a telephone number: at the number's trunk, else at whoever called."""
        chosen = await self._directory.first(number.organization_id, number.trunk_id)
        if chosen is None:
            return SipServer(call.invitation.source, numbering=trunk.numbering)
        return SipServer(chosen.host, chosen.port, numbering=chosen.numbering)
