"""Calls through a proxy that loses a fifth of all messages: retransmissions bring every one of them to its end."""

import asyncio

from dialtone.sip.events import Answered, Confirmed, Ended, IncomingCall, OfferAnswered, OfferReceived
from tests.sip.proxy import lossy_proxy
from tests.sip.stage import ANSWER, order, phone, run


async def one_call(seed: int) -> int:
    """From INVITE over early sound, an answer and a hold to BYE; how many messages were lost."""
    async with phone() as alice, phone() as bob, lossy_proxy(0.2, seed) as proxy:
        ours = alice.agent.invite(order(bob.uri(), proxy=f"sip:127.0.0.1:{proxy.port}"))
        call = (await bob.expect(IncomingCall)).call
        bob.agent.ring(call, ANSWER if seed % 2 else None)
        await asyncio.sleep(1)
        bob.agent.answer(call, ANSWER)
        await alice.eventually(Answered)
        await bob.expect(Confirmed)
        bob.agent.hold(call)
        await alice.expect(OfferReceived)
        alice.agent.answer_offer(ours, ANSWER)
        await bob.expect(OfferAnswered)
        await asyncio.sleep(40)
        alice.agent.hangup(ours)
        assert (await alice.expect(Ended)).by == "us"
        assert (await bob.expect(Ended)).by == "them"
        return proxy.lost


def test_calls_survive_a_bad_network() -> None:
    assert sum(run(one_call(seed)) for seed in range(20)) > 40
