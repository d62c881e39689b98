"""Calls on their way to a media stream, in virtual time: what becomes of those whose stream never opens."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dialtone.lines.base import Line
from dialtone.lines.carriers.base import CallOrder, CarrierError
from dialtone.lines.carriers.dialer import LATE_SECONDS, CarrierDialer
from dialtone.lines.carriers.twilio import Twilio
from dialtone.lines.carriers.waiting import STREAM_SECONDS, CarrierCalls
from dialtone.lines.inbound import CallerLeftError
from dialtone.lines.outbound import DialError, DialRequest
from dialtone.platform.carriers import CarrierAccount
from dialtone.platform.guarded_http import GuardedHttp
from tests.conversation.virtual_time import run
from tests.lines.carriers.hooks import CALLER, OURS, account

ACCOUNT = account("twilio", "token", account_sid="AC" + "0" * 32)


class SlowTwilio(Twilio):
    """An API that takes its time, and what it was told."""

    def __init__(self) -> None:
        super().__init__(GuardedHttp(allow_private_addresses=False))
        self.placed = asyncio.Event()
        self.hung_up: list[str] = []
        self.refuses = False

    async def place(self, account: CarrierAccount, order: CallOrder) -> str:
        await self.placed.wait()
        if self.refuses:
            raise CarrierError("Twilio refused the call (HTTP 400).")
        return "CA1"

    async def hang_up(self, account: CarrierAccount, call: str) -> None:
        self.hung_up.append(call)


def in_virtual_time(test: Callable[[CarrierCalls, SlowTwilio], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        twilio = SlowTwilio()
        calls = CarrierCalls({"twilio": twilio}, "https://voice.example.com")
        await test(calls, twilio)
        await calls.close()

    run(main())


def dial(calls: CarrierCalls) -> "asyncio.Task[Line]":
    request = DialRequest("call-1", CALLER, OURS, ACCOUNT, ring_seconds=30.0)
    return asyncio.get_running_loop().create_task(CarrierDialer(calls).dial(request, lambda: None))


def test_a_caller_whose_stream_never_opens_has_left() -> None:
    async def test(calls: CarrierCalls, twilio: SlowTwilio) -> None:
        call = calls.expect(ACCOUNT, OURS, "CA1")
        began = asyncio.get_running_loop().time()
        with pytest.raises(CallerLeftError, match="opened no media stream within 15 s"):
            await call.picked_up()
        assert asyncio.get_running_loop().time() - began == pytest.approx(STREAM_SECONDS)
        await calls.close()
        assert twilio.hung_up == ["CA1"]
        assert calls.find("twilio", call.addresses.token) is None
        assert calls.open_stream(f"/carriers/twilio/stream/{call.addresses.token}") is None

    in_virtual_time(test)


def test_a_telephone_that_rings_for_ever_is_given_up() -> None:
    async def test(calls: CarrierCalls, twilio: SlowTwilio) -> None:
        twilio.placed.set()
        began = asyncio.get_running_loop().time()
        with pytest.raises(DialError, match="Nobody answered in time"):
            await dial(calls)
        assert asyncio.get_running_loop().time() - began == pytest.approx(30.0 + LATE_SECONDS)
        await calls.close()
        assert twilio.hung_up == ["CA1"]

    in_virtual_time(test)


@pytest.mark.parametrize("refuses", [False, True])
def test_a_call_that_is_given_up_while_it_is_placed_is_taken_back(refuses: bool) -> None:
    async def test(calls: CarrierCalls, twilio: SlowTwilio) -> None:
        twilio.refuses = refuses
        dialing = dial(calls)
        await asyncio.sleep(1)
        dialing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialing
        twilio.placed.set()
        await calls.close()
        assert twilio.hung_up == ([] if refuses else ["CA1"])

    in_virtual_time(test)


@pytest.mark.parametrize(
    "path",
    ["/carriers/twilio/stream/{token}/more", "/carriers/plivo/stream/{token}", "/carriers/twilio/hook/{token}"],
)
def test_a_stream_is_opened_once_and_at_its_own_address(path: str) -> None:
    async def test(calls: CarrierCalls, twilio: SlowTwilio) -> None:
        token = calls.expect(ACCOUNT, OURS, "CA1").addresses.token
        address = f"/carriers/twilio/stream/{token}"
        assert [calls.open_stream(each) is None for each in (path.format(token=token), address, address)] == [
            True,
            False,
            True,
        ]

    in_virtual_time(test)
