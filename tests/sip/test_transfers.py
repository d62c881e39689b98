"""What becomes of a REFER of ours, as its far end tells it or does not (RFC 3515)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from dialtone.sip.errors import WrongStateError
from dialtone.sip.events import Answered, Ended, TransferProgress
from dialtone.sip.message import Request
from tests.sip.stage import ANSWER, Phone, order, phone, run
from tests.sip.wire import Wire, wire

TARGET = "sip:carol@example.com"


@dataclass
class Stage:
    """A call that the wire has answered."""

    alice: Phone
    bob: Wire
    call: str
    invite: Request

    async def refer(self) -> Request:
        self.alice.agent.refer(self.call, TARGET)
        return await self.bob.request("REFER")

    async def accepted(self) -> Request:
        refer = await self.refer()
        self.bob.send(self.bob.answer(refer, 202), self.alice)
        await asyncio.sleep(0.1)
        return refer

    def says(self, method: str, number: int, body: str = "", **headers: str) -> None:
        """A request of the wire within the call."""
        request = self.bob.new(method, number=number, **{"from": self.invite.lines("to")[0] + ";tag=wire"}, **headers)
        request.set("to", self.invite.lines("from")[0])
        request.set("call-id", self.invite.call_id)
        request.body = body.encode()
        self.bob.send(request, self.alice)

    async def notifies(self, number: int, status_line: str, state: str, event: str = "refer") -> int:
        """Say how the transfer goes; what the NOTIFY is answered with."""
        self.says("NOTIFY", number, f"SIP/2.0 {status_line}\r\n", event=event, subscription_state=state)
        response = await self.bob.next()
        assert not isinstance(response, Request)
        return response.status

    async def told(self) -> TransferProgress:
        return await self.alice.expect(TransferProgress)


@asynccontextmanager
async def in_a_call() -> AsyncIterator[Stage]:
    async with phone() as alice, wire() as bob:
        call = alice.agent.invite(order(bob.uri))
        invite = await bob.request("INVITE")
        bob.send(bob.answer(invite, 200, "wire", ANSWER), alice)
        await bob.request("ACK")
        await alice.expect(Answered)
        yield Stage(alice, bob, call, invite)


def test_who_stops_telling_before_it_worked_has_failed() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            await stage.accepted()
            assert await stage.notifies(1, "180 Ringing", "active;expires=60") == 200
            assert await stage.told() == TransferProgress(stage.call, 180, "Ringing")
            assert await stage.notifies(2, "180 Ringing", "terminated;reason=timeout") == 200
            assert await stage.told() == TransferProgress(stage.call, 180, "Ringing", "failed")
            assert stage.alice.agent.calls == 1

    run(main())


@pytest.mark.parametrize(("status_line", "outcome"), [("200 OK", "succeeded"), ("486 Busy", "failed")])
def test_a_final_status_is_the_outcome_also_before_the_answer_to_the_refer(status_line: str, outcome: str) -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            refer = await stage.refer()
            assert await stage.notifies(1, status_line, "terminated;reason=noresource") == 200
            assert (await stage.told()).outcome == outcome
            stage.bob.send(stage.bob.answer(refer, 202), stage.alice)
            assert await stage.notifies(2, status_line, "terminated;reason=noresource") == 481
            assert stage.alice.unseen == []

    run(main())


def test_who_hangs_up_while_trying_has_succeeded() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            await stage.accepted()
            stage.says("BYE", 1)
            assert await stage.told() == TransferProgress(stage.call, 100, "the call ended", "succeeded")
            assert (await stage.alice.expect(Ended)).by == "them"

    run(main())


def test_who_hangs_up_before_the_refer_was_taken_has_only_hung_up() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            await stage.refer()
            stage.says("BYE", 1)
            assert (await stage.alice.expect(Ended)).by == "them"
            assert stage.alice.unseen == []

    run(main())


def test_a_call_that_we_end_was_not_handed_over() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            await stage.accepted()
            stage.alice.agent.hangup(stage.call)
            assert (await stage.alice.expect(Ended)).by == "us"

    run(main())


def test_a_transfer_that_was_given_up_makes_room_for_another() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            first = await stage.accepted()
            with pytest.raises(WrongStateError):
                stage.alice.agent.refer(stage.call, TARGET)
            stage.alice.agent.abandon_refer(stage.call)
            assert await stage.notifies(1, "180 Ringing", "active", f"refer;id={first.cseq[0]}") == 481
            second = await stage.accepted()
            assert await stage.notifies(2, "200 OK", "terminated", f"refer;id={first.cseq[0]}") == 481
            assert await stage.notifies(3, "200 OK", "terminated", f"refer;id={second.cseq[0]}") == 200
            assert await stage.told() == TransferProgress(stage.call, 200, "OK", "succeeded")
            stage.alice.agent.hangup(stage.call)
            stage.alice.agent.abandon_refer(stage.call)  # which is over: there is nothing to wait for

    run(main())


def test_an_answer_to_a_refer_that_was_given_up_is_no_news() -> None:
    async def main() -> None:
        async with in_a_call() as stage:
            first = await stage.refer()
            stage.alice.agent.abandon_refer(stage.call)
            second = await stage.refer()
            stage.bob.send(stage.bob.answer(first, 603), stage.alice)
            stage.bob.send(stage.bob.answer(second, 202, refer_sub="false"), stage.alice)
            assert await stage.told() == TransferProgress(stage.call, 200, "Accepted", "succeeded")

    run(main())
