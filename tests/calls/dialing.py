"""A dialer whose destination does what the test says, and a house that can place calls."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dialtone.lines.base import Line
from dialtone.lines.outbound import DialRequest, OutboundTrunk, Route
from tests.calls.conftest import TRANSIENT, House, RunningCall

NUMBER = "+31201234567"
DESTINATION = "+31623731537"


@dataclass
class Attempt:
    request: DialRequest
    ring: Callable[[], None]
    result: asyncio.Future[Line]
    given_up: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, line: Line) -> None:
        self.result.set_result(line)

    def fail(self, problem: Exception) -> None:
        self.result.set_exception(problem)


@dataclass
class FakeDialer:
    attempts: asyncio.Queue[Attempt] = field(default_factory=asyncio.Queue)

    def can_dial(self, route: Route) -> bool:
        return isinstance(route, OutboundTrunk) and route.transport == "udp"

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        attempt = Attempt(request, on_ringing, asyncio.get_running_loop().create_future())
        self.attempts.put_nowait(attempt)
        try:
            return await attempt.result
        except asyncio.CancelledError:
            attempt.given_up.set()
            raise

    async def attempt(self) -> Attempt:
        """The next one."""
        async with asyncio.timeout(5):
            return await self.attempts.get()


@dataclass
class Exchange:
    """A calls house with a number, a trunk, and a dialer."""

    house: House
    dialer: FakeDialer
    number_id: str
    trunk_id: str

    async def place(self, **body: Any) -> str:
        answer = await self.post(**body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["call_id"])

    async def post(self, **body: Any) -> Any:
        chosen = {} if body.keys() & {"assistant", "assistant_id", "agent_id", "agent"} else {"assistant": TRANSIENT}
        async with self.house.client() as client:
            return await client.post("/api/v1/calls/outbound", json={"destination": DESTINATION, **chosen, **body})

    async def answered(self, attempt: Attempt, line: Line) -> RunningCall:
        attempt.answer(line)
        async with asyncio.timeout(5):
            return await self.house.engine.arrived.get()

    async def over(self) -> None:
        """Wait until no call is live."""
        live = self.house.room.live
        assert live is not None
        await asyncio.wait(live._running, timeout=5)
        assert len(live) == 0


async def make_number(house: House, **fields: Any) -> str:
    async with house.client() as client:
        answer = await client.post("/api/v1/numbers", json={"phone_number": NUMBER, **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["number"]["id"])


async def make_trunk(house: House, **fields: Any) -> str:
    body = {"name": "Carrier", "provider": "other", "address": "sip.carrier.example", **fields}
    async with house.client() as client:
        answer = await client.post("/api/v1/sip-trunks", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["trunk"]["id"])


async def exchange_of(house: House) -> Exchange:
    dialer = FakeDialer()
    house.room.dialers.append(dialer)
    trunk = await make_trunk(house, auth_username="u", auth_password="p4ssw0rd")
    return Exchange(house, dialer, await make_number(house), trunk)
