"""Provisional responses that must not get lost: 100rel and PRACK (RFC 3262)."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dialtone.sip.message import Request, Response
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.timers import Retransmission, Timers

MAX_WAITING = 8


@dataclass(slots=True)
class _Unacknowledged:
    number: int
    repetition: Retransmission
    timeout: asyncio.TimerHandle


class ReliableResponses:
    """Sends provisional responses to one INVITE, one after the other, each until its PRACK has come."""

    def __init__(self, transaction: ServerTransaction, timers: Timers, on_timeout: Callable[[], None]) -> None:
        self._transaction = transaction
        self._timers = timers
        self._on_timeout = on_timeout
        self._number = random.randint(1, 2**31 - 1000)
        self._waiting: deque[Response] = deque()
        self._sent: _Unacknowledged | None = None
        self._when_done: Callable[[], None] | None = None

    def send(self, response: Response) -> None:
        if self._sent is not None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(response)
            return
        self._number += 1
        response.set("require", "100rel")
        response.set("rseq", str(self._number))
        loop = asyncio.get_running_loop()
        self._sent = _Unacknowledged(
            self._number,
            Retransmission(self._transaction.repeat, self._timers.t1, None),
            loop.call_later(self._timers.timeout, self._on_timeout),
        )
        self._transaction.respond(response)

    def acknowledge(self, prack: Request) -> bool:
        """Take a PRACK. False for one that belongs to nothing."""
        words = (prack.get("rack") or "").split()
        number, method = self._transaction.request.cseq
        sent = self._sent
        if sent is None or words != [str(sent.number), str(number), method]:
            return False
        self.stop()
        if self._waiting:
            self.send(self._waiting.popleft())
        elif self._when_done is not None:
            self._when_done()
        return True

    def after(self, action: Callable[[], None]) -> None:
        """Do something once all is acknowledged: a 2xx must not overtake what came before it."""
        self._waiting.clear()
        if self._sent is None:
            action()
        else:
            self._when_done = action

    def stop(self) -> None:
        if self._sent is not None:
            self._sent.repetition.stop()
            self._sent.timeout.cancel()
            self._sent = None
