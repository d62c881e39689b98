"""Calls at carriers: on their way to a media stream, and beside it."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from dialtone.lines.carriers.base import (
    Addresses,
    Answer,
    BadHookError,
    Carrier,
    CarrierError,
    TransferOrder,
)
from dialtone.lines.carriers.stream import StreamLine
from dialtone.lines.inbound import CallerLeftError, NotAnsweredError
from dialtone.lines.outbound import DialFailure
from dialtone.platform.carriers import CarrierAccount

logger = logging.getLogger(__name__)

STREAM_SECONDS = 15.0
"""How long a caller whose call is answered may take to be on a media stream."""
TRANSFER_SECONDS = 10.0
"""How long a carrier that was told of a transfer may take to ask where to."""
GOODBYE_SECONDS = 5.0
"""How long a stopping server waits for its last orders to carriers."""
TOKEN_BYTES = 32


class CallOverError(Exception):
    """The call ended before it had a stream. `str()` says why, in words that name nobody."""

    def __init__(self, failure: DialFailure | None, words: str) -> None:
        super().__init__(words)
        self.failure = failure


class CarrierCall:
    """One call, from the order or the request that began it until its stream is gone."""

    def __init__(
        self,
        calls: "CarrierCalls",
        carrier: Carrier,
        account: CarrierAccount,
        addresses: Addresses,
        number: str,
        call: str | None,
        on_ringing: Callable[[], None] | None,
    ) -> None:
        self.carrier = carrier
        self.account = account
        self.addresses = addresses
        self.call = call
        """The carrier's id; None until it is known."""
        self._calls = calls
        self._number = number
        self._is_placed = call is None
        self._on_ringing = on_ringing
        self._line: asyncio.Future[StreamLine] = asyncio.get_running_loop().create_future()
        self._has_stream = False
        self._has_left = False
        self._transfer: tuple[TransferOrder, asyncio.Future[None]] | None = None

    def may_be(self, call: str) -> bool:
        """Whether the carrier's `call` can be this one, as far as that is known."""
        return self.call in (None, call)

    def named(self, call: str) -> bool:
        """The carrier says, or its stream does, which call this is. Does it fit?"""
        self.call = self.call or call
        return self.call == call

    # Until there is a stream

    async def connected(self) -> StreamLine:
        """The line, once the stream has begun. Raises `CallOverError`."""
        try:
            return await self._line
        except asyncio.CancelledError:
            self._drop_line()
            raise

    async def picked_up(self) -> StreamLine:
        """The line of a caller who is being answered. Raises `CallerLeftError` and `NotAnsweredError`."""
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                return await self.connected()
        except TimeoutError:
            self.give_up()
            raise CallerLeftError(f"The carrier opened no media stream within {STREAM_SECONDS:g} s.") from None
        except CallOverError:
            raise CallerLeftError("The caller hung up before the call was answered.") from None
        except asyncio.CancelledError:
            self.give_up()
            raise

    def ringing(self) -> None:
        if self._on_ringing is not None:
            tell, self._on_ringing = self._on_ringing, None
            tell()

    def over(self, failure: DialFailure | None, words: str) -> None:
        """The carrier says that the call is over. Where it has a stream, that tells it too."""
        if not self._line.done():
            self._line.set_exception(CallOverError(failure, words))
            self._line.exception()  # whoever waited may be gone
        if not self._has_stream:
            self._calls.forget(self)

    def refused(self, words: str) -> None:
        """The carrier did not answer the call, since it or its account could not."""
        if not self._line.done():
            self._line.set_exception(NotAnsweredError(words))
            self._line.exception()  # whoever waited may be gone
        self.give_up()

    def give_up(self) -> None:
        """Nobody waits for the stream any more: end the call at the carrier."""
        self._drop_line()
        self._calls.forget(self)
        if self.call is not None:
            self._calls.hang_up(self)

    def _drop_line(self) -> None:
        """Whoever waited for the line does not take it."""
        if not self._line.done():
            self._line.cancel()
        elif not self._line.cancelled() and self._line.exception() is None:
            self._line.result().fail("given_up", "Nobody waits for this call any more.", 1001)

    # What its stream tells (`stream.Owner`)

    def open_stream(self) -> StreamLine | None:
        """The far end of the call's media stream; None where it had one, or needs none any more."""
        if self._has_stream or self._line.done():
            return None
        self._has_stream = True
        return StreamLine(self.carrier.open_stream(), self)

    def started(self, line: StreamLine, call: str) -> bool:
        if self._line.done() or not self.named(call):
            return False
        self._line.set_result(line)
        return True

    def left(self) -> None:
        self._has_left = True
        self.over(None, "The media stream was lost before it began.")
        if self._transfer is None:  # else the carrier may still have to ask where to
            self._calls.forget(self)

    def hang_up(self) -> None:
        if not self.carrier.hangs_up_with_stream:
            self._calls.hang_up(self)

    async def hand_over(self, destination: str) -> None:
        assert self.call is not None
        shown = self._number if self._is_placed else None
        order = TransferOrder(destination, shown, self._number, self.addresses)
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transfer = order, asked
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                await self.carrier.transfer(self.account, self.call, order)
                if self.carrier.asks_for_transfer:
                    await asked
        except TimeoutError:
            raise CarrierError("The carrier did not ask where to transfer the caller.") from None
        finally:
            self._transfer = None
            if self._has_left:
                self._calls.forget(self)

    def transfer_document(self) -> Answer:
        """Where the caller goes. Raises `BadHookError` where nobody is handed over."""
        if self._transfer is None:
            raise BadHookError("there is no transfer")
        order, asked = self._transfer
        if not asked.done():
            asked.set_result(None)
        return self.carrier.transfer_document(order)


class CarrierCalls:
    """All calls of this process at carriers, found by their tokens."""

    def __init__(self, carriers: Mapping[str, Carrier], address: str) -> None:
        """`address`: how carriers reach this process, without a slash at its end."""
        self.carriers = carriers
        self._address = address
        self._by_token: dict[str, CarrierCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def expect(
        self,
        account: CarrierAccount,
        number: str,
        call: str | None = None,
        on_ringing: Callable[[], None] | None = None,
    ) -> CarrierCall:
        """A call that will have a stream, from or to our `number`. `call`: the carrier's id of one that came in."""
        addresses = Addresses(f"{self._address}/carriers/{account.carrier}", secrets.token_urlsafe(TOKEN_BYTES))
        expected = CarrierCall(self, self.carriers[account.carrier], account, addresses, number, call, on_ringing)
        self._by_token[addresses.token] = expected
        return expected

    def find(self, carrier: str, token: str) -> CarrierCall | None:
        found = self._by_token.get(token)
        return found if found is not None and found.account.carrier == carrier else None

    def of(self, account: CarrierAccount, call: str) -> CarrierCall | None:
        """The account's call with the carrier's id `call`."""
        calls = self._by_token.values()
        owner = account.organization_id, account.carrier
        return next(
            (
                found
                for found in calls
                if found.call == call and (found.account.organization_id, found.account.carrier) == owner
            ),
            None,
        )

    def open_stream(self, path: str) -> StreamLine | None:
        """The far end of the stream at `/carriers/{carrier}/stream/{token}`; None where nobody waits for it."""
        _, _, carrier, what, token, *rest = [*path.split("/"), "", "", "", ""]
        found = None if what != "stream" or any(rest) else self.find(carrier, token)
        return None if found is None else found.open_stream()

    def forget(self, call: CarrierCall) -> None:
        self._by_token.pop(call.addresses.token, None)

    def hang_up(self, call: CarrierCall) -> None:
        """Tell the carrier, without waiting for it."""
        assert call.call is not None
        self.spawn(self._hang_up(call.carrier, call.account, call.call))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let the last orders reach the carriers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hang_up(self, carrier: Carrier, account: CarrierAccount, call: str) -> None:
        try:
            await carrier.hang_up(account, call)
        except CarrierError as problem:
            logger.warning("a call at %s could not be ended: %s", account.carrier, problem)
