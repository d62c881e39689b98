"""Requests begin a few in each turn of the event loop."""

import asyncio
from collections import Counter
from typing import Any

from starlette.types import Receive, Scope, Send

from dialtone.platform.admission import BEGIN_AT_ONCE, Admission

REQUESTS = 10 * BEGIN_AT_ONCE + 1


class App:
    """Notes in which turn of the loop each request began; those in `slow` never end."""

    def __init__(self, slow: range = range(0)) -> None:
        self.began: list[int] = []
        self.turns: Counter[int] = Counter()
        self._slow = slow
        self._turn = 0
        self._count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began.append(scope["number"])
        self.turns[self._turn] += 1
        if scope["number"] in self._slow:
            await asyncio.Event().wait()

    def _count(self) -> None:
        self._turn += 1
        asyncio.get_running_loop().call_soon(self._count)


def ask(admission: Admission, number: int, kind: str = "http") -> asyncio.Task[None]:
    async def nothing(*_: Any) -> Any: ...

    async def request() -> None:
        await admission({"type": kind, "number": number}, nothing, nothing)

    return asyncio.create_task(request())


async def test_a_burst_begins_in_turns_and_in_order() -> None:
    app = App()
    admission = Admission(app)
    await asyncio.gather(*(ask(admission, number) for number in range(REQUESTS)))
    assert app.began == list(range(REQUESTS))
    assert max(app.turns.values()) == BEGIN_AT_ONCE
    again = len(app.turns)
    await asyncio.gather(*(ask(admission, number) for number in range(BEGIN_AT_ONCE)))
    assert len(app.turns) == again + 1, "after the burst requests begin at once"


async def test_slow_requests_hold_up_nobody() -> None:
    app = App(slow=range(2 * BEGIN_AT_ONCE))
    admission = Admission(app)
    tasks = [ask(admission, number) for number in range(REQUESTS)]
    await asyncio.wait_for(asyncio.gather(*tasks[2 * BEGIN_AT_ONCE :]), 10)
    for task in tasks:
        task.cancel()


async def test_who_leaves_while_waiting_gives_the_turn_away() -> None:
    app = App()
    admission = Admission(app)
    tasks = [ask(admission, number) for number in range(REQUESTS)]
    await asyncio.sleep(0)
    for task in tasks[BEGIN_AT_ONCE:-1]:
        task.cancel()
    await asyncio.wait_for(tasks[-1], 10)
    assert app.began == [*range(BEGIN_AT_ONCE), REQUESTS - 1]


async def test_what_is_no_request_does_not_wait() -> None:
    app = App()
    admission = Admission(app)
    await asyncio.gather(*(ask(admission, number, "lifespan") for number in range(REQUESTS)))
    assert max(app.turns.values()) == REQUESTS
