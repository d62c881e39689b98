"""Requests that we send, until their final response (RFC 3261 section 17.1, RFC 6026)."""

import asyncio
from typing import Literal, Protocol

from dialtone.sip.errors import TransportError
from dialtone.sip.flow import Flow
from dialtone.sip.message import Request, Response
from dialtone.sip.timers import Retransmission, Timers

ClientKey = tuple[str, str]
"""Branch and method (RFC 3261 section 17.1.3)."""

Failure = Literal["timeout", "transport"]


class ClientListener(Protocol):
    """Who sent the request."""

    def on_response(self, response: Response, transaction: "ClientTransaction") -> None:
        """Every response that is no repetition. To an INVITE, each 2xx, also repeated ones: each wants an ACK."""

    def on_failure(self, failure: Failure, transaction: "ClientTransaction") -> None:
        """No final response will come."""


class ClientTable(Protocol):
    """Where transactions are found by their responses."""

    timers: Timers

    def add_client(self, transaction: "ClientTransaction") -> None: ...

    def remove_client(self, transaction: "ClientTransaction") -> None: ...


class ClientTransaction:
    """What both kinds have in common."""

    patience: float | None = None
    """Seconds after which a server that has answered nothing at all is given up, where that is before Timer B or F."""

    def __init__(self, table: ClientTable, request: Request, flow: Flow, listener: ClientListener) -> None:
        self.request = request
        self.flow = flow
        self.key: ClientKey = (request.via.branch, request.method)
        self.answered = False
        """A provisional response has come."""
        self.done = False
        """A final response has come, or none will."""
        self._table = table
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._timeout: asyncio.TimerHandle | None = None
        self._retransmission: Retransmission | None = None

    def start(self) -> None:
        """Send the request."""
        self._table.add_client(self)
        timers = self._table.timers
        seconds = timers.timeout if self.patience is None else min(self.patience, timers.timeout)
        self._timeout = self._loop.call_later(seconds, self._fail, "timeout")
        if not self.flow.reliable:
            self._retransmission = Retransmission(self._transmit, timers.t1, self._longest_interval())
        self._transmit()

    def receive(self, response: Response) -> None:
        raise NotImplementedError

    def lose(self) -> None:
        """The connection is gone. Who rings already may still answer, over a connection of its own."""
        if not self.answered:
            self._fail("transport")

    def abandon(self) -> None:
        """Forget the transaction without telling its listener."""
        self.done = True
        self._end()

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self.abandon()

    def _longest_interval(self) -> float | None:
        raise NotImplementedError

    def _transmit(self) -> None:
        try:
            self.flow.send(self.request.to_bytes())
        except TransportError:
            self._stop_waiting()
            # Not from within `start`: its caller does not expect to be told yet.
            self._loop.call_soon(self._fail, "transport")

    def _fail(self, failure: Failure) -> None:
        if not self.done:
            self.done = True
            self._end()
            self._listener.on_failure(failure, self)

    def _stop_waiting(self) -> None:
        if self._retransmission is not None:
            self._retransmission.stop()
            self._retransmission = None
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _end(self) -> None:
        self._stop_waiting()
        self._table.remove_client(self)

    def _linger(self, seconds: float) -> None:
        """Stay to take in what comes twice."""
        self._stop_waiting()
        self._timeout = self._loop.call_later(seconds, self._end)


class InviteClientTransaction(ClientTransaction):
    """Waits as long as it rings. It acknowledges refusals itself, but leaves a 2xx to whoever sent the INVITE."""

    def __init__(self, table: ClientTable, request: Request, flow: Flow, listener: ClientListener) -> None:
        super().__init__(table, request, flow, listener)
        self._ack: bytes | None = None
        self._accepted = False

    def _longest_interval(self) -> float | None:
        return None

    def receive(self, response: Response) -> None:
        if self._ack is not None:
            if response.status >= 300:
                self._send_ack()
        elif response.status < 200:
            if not self.done:
                self._stop_waiting()
                self.answered = True
                self._listener.on_response(response, self)
        elif response.status < 300:
            if not self._accepted:
                self._accepted = self.done = True
                self._linger(self._table.timers.timeout)
            self._listener.on_response(response, self)
        elif not self._accepted:
            self.done = True
            self._ack = ack_of_refusal(self.request, response).to_bytes()
            self._send_ack()
            self._linger(0 if self.flow.reliable else self._table.timers.completed)
            self._listener.on_response(response, self)

    def leave(self) -> None:
        """An answer that still comes is acknowledged; the listener hears of it."""
        if not self.done:
            self.done = True
            self._linger(self._table.timers.timeout)

    def _send_ack(self) -> None:
        if self._ack is not None:
            try:
                self.flow.send(self._ack)
            except TransportError:
                return  # the other side repeats its refusal, or gives up


class PlainClientTransaction(ClientTransaction):
    """Everything but INVITE: a final response comes within 32 s or not at all."""

    def _longest_interval(self) -> float | None:
        return self._table.timers.t2

    def receive(self, response: Response) -> None:
        if self.done:
            return
        if response.status < 200:
            self.answered = True
            if self._retransmission is not None:
                self._retransmission.slow_down()
        else:
            self.done = True
            self._linger(0 if self.flow.reliable else self._table.timers.t4)
        self._listener.on_response(response, self)


def ack_of_refusal(request: Request, response: Response) -> Request:
    """The ACK that belongs to the INVITE's own transaction (RFC 3261 section 17.1.1.3)."""
    fields = {name: list(request.lines(name)) for name in ("route", "from", "call-id", "max-forwards")}
    number = request.cseq[0]
    fields = {
        "via": request.lines("via")[:1],
        **{name: lines for name, lines in fields.items() if lines},
        "to": list(response.lines("to")),
        "cseq": [f"{number} ACK"],
    }
    return Request("ACK", request.uri_text, fields)


def cancel_of(request: Request) -> Request:
    """The CANCEL of an INVITE (RFC 3261 section 9.1)."""
    number = request.cseq[0]
    fields = {
        "via": request.lines("via")[:1],
        **{
            name: list(request.lines(name))
            for name in ("route", "from", "to", "call-id", "max-forwards")
            if request.lines(name)
        },
        "cseq": [f"{number} CANCEL"],
    }
    return Request("CANCEL", request.uri_text, fields)
