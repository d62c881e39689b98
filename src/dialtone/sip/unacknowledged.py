"""A 2xx of ours to an INVITE until its ACK has come (RFC 3261 section 13.3.1.4)."""

import asyncio
from collections.abc import Callable

from dialtone.sip.message import Request
from dialtone.sip.server_transactions import ServerTransaction
from dialtone.sip.timers import Retransmission, Timers


class UnacknowledgedAnswer:
    """Repeats the 2xx, over any transport, since a proxy on the way may lose it."""

    def __init__(
        self,
        transaction: ServerTransaction,
        timers: Timers,
        on_ack: Callable[[Request], None],
        on_timeout: Callable[[], None],
    ) -> None:
        self.number = transaction.request.cseq[0]
        self._on_ack = on_ack
        self._repetition = Retransmission(transaction.repeat, timers.t1, timers.t2)
        self._timeout = asyncio.get_running_loop().call_later(timers.timeout, on_timeout)

    def acknowledged(self, ack: Request) -> None:
        self.stop()
        self._on_ack(ack)

    def stop(self) -> None:
        self._repetition.stop()
        self._timeout.cancel()
