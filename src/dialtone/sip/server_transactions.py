"""Requests that we receive, until nobody repeats them any more (RFC 3261 section 17.2, RFC 6026)."""

import asyncio
from typing import Protocol

from dialtone.sip.errors import TransportError
from dialtone.sip.flow import Flow
from dialtone.sip.message import Request, Response
from dialtone.sip.timers import Retransmission, Timers
from dialtone.sip.transports import response_flow

MAGIC_COOKIE = "z9hG4bK"
"""How branches begin that are unique (RFC 3261 section 8.1.1.7)."""

ServerKey = tuple[str, ...]


def server_key(request: Request) -> ServerKey:
    """What a request and its repetitions, its ACK and its CANCEL have in common (RFC 3261 section 17.2.3)."""
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    if via.branch.startswith(MAGIC_COOKIE) and len(via.branch) > len(MAGIC_COOKIE):
        return (via.branch, via.sent_by.lower(), method)
    # Senders older than RFC 3261 are matched by all that identifies a request.
    number = str(request.cseq[0])
    return (request.uri_text, request.from_.tag, request.call_id, number, via.sent_by.lower(), via.branch, method)


class ServerTable(Protocol):
    """Where transactions are found by repetitions of their requests."""

    timers: Timers

    def add_server(self, transaction: "ServerTransaction") -> None: ...

    def remove_server(self, transaction: "ServerTransaction") -> None: ...


class ServerTransaction:
    """A request other than INVITE. Its last response is sent again for each repetition."""

    def __init__(self, table: ServerTable, request: Request, flow: Flow) -> None:
        self.request = request
        self.flow = flow
        self.key = server_key(request)
        self.final: Response | None = None
        self.cancelled = False
        """A CANCEL came before it was known what to do with the INVITE."""
        self._table = table
        self._reply_flow = response_flow(request, flow)
        self._last: bytes | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        table.add_server(self)

    def respond(self, response: Response) -> None:
        """Send a response. After a final one nothing more is sent."""
        if self.final is not None:
            return
        self._last = response.to_bytes()
        self._transmit()
        if response.status >= 200:
            self.final = response
            self._completed(response)

    def receive_again(self) -> None:
        """A repetition of the request has come."""
        self._transmit()

    def repeat(self) -> None:
        """Send the last response once more: a 2xx to an INVITE until its ACK has come."""
        self._transmit()

    def receive_ack(self) -> None:
        """An ACK in this transaction has come, which only an INVITE's can use."""

    def abandon(self) -> None:
        """Never answer; repetitions are taken in for as long as they may come."""
        if self.final is None and self._timer is None:
            self._last = None
            self._end_after(self._table.timers.timeout)

    def stop(self) -> None:
        """The user agent closes: no timer is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _completed(self, response: Response) -> None:
        self._end_after(0 if self.flow.reliable else self._table.timers.timeout)

    def _transmit(self) -> None:
        if self._last is not None:
            try:
                self._reply_flow.send(self._last)
            except TransportError:
                return  # the peer repeats its request over another connection, or gives up

    def _end_after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._end)

    def _end(self) -> None:
        self.stop()
        self._table.remove_server(self)


class InviteServerTransaction(ServerTransaction):
    """An INVITE: refusals are repeated until they are acknowledged; a 2xx is repeated by whoever answers the call."""

    def __init__(self, table: ServerTable, request: Request, flow: Flow) -> None:
        super().__init__(table, request, flow)
        self._repetition: Retransmission | None = None
        self._acknowledged = False

    def receive_again(self) -> None:
        accepted = self.final is not None and self.final.status < 300
        if not accepted and not self._acknowledged:
            self._transmit()

    def receive_ack(self) -> None:
        if self.final is not None and self.final.status >= 300 and not self._acknowledged:
            self._acknowledged = True
            self._stop_repeating()
            self._end_after(0 if self.flow.reliable else self._table.timers.t4)

    def stop(self) -> None:
        self._stop_repeating()
        super().stop()

    def _completed(self, response: Response) -> None:
        timers = self._table.timers
        self._end_after(timers.timeout)
        if response.status >= 300 and not self.flow.reliable:
            self._repetition = Retransmission(self._transmit, timers.t1, timers.t2)

    def _stop_repeating(self) -> None:
        if self._repetition is not None:
            self._repetition.stop()
            self._repetition = None
