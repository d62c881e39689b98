"""What becomes of a call that a carrier tells of, from the request to its place among the live calls."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import IntegrityError

from dialtone.calls.inbound import Acceptance, Inbound, Rejection
from dialtone.calls.live import LiveCalls
from dialtone.calls.service import Calls
from dialtone.carriers.seen import SeenCalls, note
from dialtone.lines.carriers.base import Answer, CarrierError, Incoming
from dialtone.lines.carriers.waiting import CarrierCall, CarrierCalls
from dialtone.numbers.service import Numbers
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.errors import ApiError
from dialtone.platform.rows import is_duplicate

logger = logging.getLogger(__name__)

REPEAT_SECONDS = 60.0
"""How long a request that comes again gets the very answer that it got before; later ones are turned away."""

NO_MINUTES = "The organization has no minutes left."
TURNED_AWAY = "The answer to the assistant-request turned the caller away."


class Arrivals:
    """Takes calls one by one, each in a task of its own: a carrier that gives up waiting does not stop it halfway."""

    def __init__(
        self,
        carrier_calls: CarrierCalls,
        seen: SeenCalls,
        numbers: Numbers,
        inbound: Inbound,
        calls: Calls,
        live: Callable[[], LiveCalls],
    ) -> None:
        """`live` raises `ApiError` while the server takes no calls."""
        self._carrier_calls = carrier_calls
        self._seen = seen
        self._numbers = numbers
        self._inbound = inbound
        self._calls = calls
        self._live = live
        self._answers: dict[tuple[str, str, str], asyncio.Task[Answer]] = {}
        """By organization, carrier and the carrier's id of the call."""

    async def take(self, account: CarrierAccount, incoming: Incoming) -> Answer:
        """The answer to a carrier's request, which is known to be genuine. The same request gets the same answer.

        Raises `ApiError` (503) where the server stops meanwhile.
        """
        key = (account.organization_id, account.carrier, incoming.call)
        if key not in self._answers:
            task = self._answers[key] = asyncio.get_running_loop().create_task(self._answer(account, incoming))
            task.add_done_callback(partial(self._answered, key))
        task = self._answers[key]
        await asyncio.wait([task])
        if task.cancelled():
            raise ApiError(503, "server_shutdown", "Service unavailable", "The server is shutting down.")
        return task.result()

    def _answered(self, key: tuple[str, str, str], task: "asyncio.Task[Answer]") -> None:
        """Keep the answer for a while; what failed may be tried again at once."""
        failed = task.cancelled() or task.exception() is not None
        task.get_loop().call_later(0.0 if failed else REPEAT_SECONDS, self._answers.pop, key, None)

    async def close(self) -> None:
        """Turn away whoever still waits to be answered."""
        for task in self._answers.values():
            task.cancel()
        await asyncio.gather(*self._answers.values(), return_exceptions=True)
        self._answers.clear()

    async def _answer(self, account: CarrierAccount, incoming: Incoming) -> Answer:
        try:
            if await self._seen.has(account, incoming.call):
                return await self._turn_away(account, incoming)
            live = self._live()
            live.reserve()
        except ApiError:
            return await self._turn_away(account, incoming, busy=True)
        taken = False
        try:
            call = await self._settle(account, incoming, live)
            taken = isinstance(call, CarrierCall)
        finally:
            if not taken:
                live.release()
        return call if isinstance(call, Answer) else await self._connect(account, incoming, call)

    async def _settle(self, account: CarrierAccount, incoming: Incoming, live: LiveCalls) -> CarrierCall | Answer:
        """The call, in the place that was reserved; or the answer where it is not taken."""
        number = await self._numbers.for_inbound(incoming.number)
        if number is None or number.organization_id != account.organization_id:
            return await self._turn_away(account, incoming)
        decision = await self._inbound.decide(number, incoming.caller)
        if decision is None:
            return await self._turn_away(account, incoming)
        try:
            if isinstance(decision, Rejection):
                return await self._reject(account, incoming, decision)
            return await self._accept(account, incoming, decision, live)
        except IntegrityError as problem:
            if not is_duplicate(problem):
                raise
            return await self._turn_away(account, incoming)  # another process had the same request

    async def _reject(self, account: CarrierAccount, incoming: Incoming, rejection: Rejection) -> Answer:
        """Put the call on record, and tell the caller why where there are words for them."""
        error = NO_MINUTES if rejection.end_reason == "insufficient_credits" else TURNED_AWAY
        await self._calls.create_rejected_call(
            rejection.call_id,
            rejection.number,
            incoming.caller,
            rejection.end_reason,
            error,
            (note, (account, incoming.call, rejection.call_id)),
        )
        return await self._turn_away(account, incoming, rejection.words)

    async def _accept(
        self, account: CarrierAccount, incoming: Incoming, acceptance: Acceptance, live: LiveCalls
    ) -> CarrierCall:
        await self._calls.create_inbound_call(
            acceptance.call,
            acceptance.number,
            acceptance.notes,
            (note, (account, incoming.call, acceptance.call.call_id)),
        )
        call = self._carrier_calls.expect(account, incoming.number, incoming.call)
        called = acceptance.number.phone_number
        live.take(acceptance.call, call.picked_up(), incoming.caller, called, acceptance.notes)
        return call

    async def _connect(self, account: CarrierAccount, incoming: Incoming, call: CarrierCall) -> Answer:
        try:
            return await call.carrier.connect(account, incoming.call, incoming.number, call.addresses)
        except CarrierError as problem:
            logger.warning("a call at %s could not be answered: %s", account.carrier, problem)
            call.refused(str(problem))
            return Answer()

    async def _turn_away(
        self, account: CarrierAccount, incoming: Incoming, words: str | None = None, *, busy: bool = False
    ) -> Answer:
        carrier = self._carrier_calls.carriers[account.carrier]
        try:
            return await carrier.turn_away(account, incoming.call, words, busy=busy)
        except CarrierError as problem:
            logger.warning("a call at %s could not be turned away: %s", account.carrier, problem)
            return Answer()
