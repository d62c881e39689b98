"""Brings what comes in to the transaction it belongs to (RFC 3261 section 17)."""

from collections.abc import Callable

from dialtone.sip.client_transactions import ClientKey, ClientTransaction
from dialtone.sip.errors import ParseError
from dialtone.sip.flow import Flow
from dialtone.sip.message import Message, Request, Response
from dialtone.sip.server_transactions import InviteServerTransaction, ServerKey, ServerTransaction, server_key
from dialtone.sip.timers import Timers
from dialtone.sip.transports import note_source
from dialtone.sip.validation import answerable, usable

MAX_SERVER_TRANSACTIONS = 20_000
"""A transaction stays for 32 s on UDP; what comes beyond is dropped, and repeated by its sender."""


class TransactionLayer:
    """All transactions of a user agent."""

    def __init__(self, timers: Timers, on_request: Callable[[Request, Flow], None]) -> None:
        self.timers = timers
        self._on_request = on_request
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._merging: dict[tuple[str, str, int, str], ServerTransaction] = {}
        """Requests outside of dialogs by From tag, Call-ID and CSeq, to notice one that comes over two ways."""
        self.dropped = 0

    def receive(self, message: Message, flow: Flow) -> None:
        """Take a message from the network."""
        if isinstance(message, Response):
            self._receive_response(message)
        elif isinstance(message, Request):
            self._receive_request(message, flow)

    def _receive_response(self, response: Response) -> None:
        if not usable(response):
            return
        transaction = self._clients.get((response.via.branch, response.cseq[1]))
        if transaction is not None:
            transaction.receive(response)

    def _receive_request(self, request: Request, flow: Flow) -> None:
        try:
            if not answerable(request):
                return
            note_source(request, flow)
            transaction = self._servers.get(server_key(request))
        except ParseError:
            transaction = None  # malformed, but its sender can be told so
        if transaction is None:
            if len(self._servers) >= MAX_SERVER_TRANSACTIONS and request.method != "ACK":
                self.dropped += 1
                return
            self._on_request(request, flow)
        elif request.method == "ACK":
            self._receive_ack(request, flow, transaction)
        else:
            transaction.receive_again()

    def _receive_ack(self, request: Request, flow: Flow, transaction: ServerTransaction) -> None:
        """The ACK of a 2xx is the user agent's, also where a sender gives it the branch of its INVITE (RFC 6026
        section 7.1).
        """
        if transaction.final is not None and transaction.final.status < 300:
            self._on_request(request, flow)
        else:
            transaction.receive_ack()

    def lost(self, flow: Flow) -> None:
        """A connection is gone, and with it the requests on it that nobody has begun to answer."""
        for transaction in list(self._clients.values()):
            if transaction.flow is flow:
                transaction.lose()

    def new_server(self, request: Request, flow: Flow) -> ServerTransaction:
        """Begin to answer a request. Raises `ParseError` for one that cannot be told from others."""
        if request.method == "INVITE":
            return InviteServerTransaction(self, request, flow)
        return ServerTransaction(self, request, flow)

    def invite_to_cancel(self, cancel: Request) -> ServerTransaction | None:
        """The INVITE that a CANCEL means (RFC 3261 section 9.2)."""
        return self._servers.get((*server_key(cancel)[:-1], "INVITE"))

    def is_merged(self, transaction: ServerTransaction) -> bool:
        """The same request is already being answered under another branch (RFC 3261 section 8.2.2.2)."""
        other = self._merging.get(_merge_key(transaction.request))
        return other is not None and other is not transaction

    def add_client(self, transaction: ClientTransaction) -> None:
        self._clients[transaction.key] = transaction

    def remove_client(self, transaction: ClientTransaction) -> None:
        if self._clients.get(transaction.key) is transaction:
            del self._clients[transaction.key]

    def add_server(self, transaction: ServerTransaction) -> None:
        self._servers[transaction.key] = transaction
        if not transaction.request.to.tag:
            self._merging.setdefault(_merge_key(transaction.request), transaction)

    def remove_server(self, transaction: ServerTransaction) -> None:
        self._servers.pop(transaction.key, None)
        key = _merge_key(transaction.request)
        if self._merging.get(key) is transaction:
            del self._merging[key]

    @property
    def open_requests(self) -> int:
        """Requests of others that are remembered, answered or not."""
        return len(self._servers)

    def close(self) -> None:
        for client in list(self._clients.values()):
            client.abandon()
        for server in list(self._servers.values()):
            server.stop()
        self._servers.clear()
        self._merging.clear()


def _merge_key(request: Request) -> tuple[str, str, int, str]:
    return (request.from_.tag, request.call_id, request.cseq[0], request.method)
