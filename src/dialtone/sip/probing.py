"""One question to a server, and what it answers: for whoever wants to know whether a trunk works."""

import asyncio
import secrets
from dataclasses import dataclass

from dialtone.sip.dialog import new_tag
from dialtone.sip.digest import Credentials, DigestClient
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.events import Account
from dialtone.sip.exchange import Exchange, Outgoing
from dialtone.sip.message import Request, Response
from dialtone.sip.uri import Uri, escape_user, parse_uri


@dataclass(frozen=True, slots=True)
class Reply:
    """The final answer to a question."""

    status: int
    seconds: float
    """Until it came, a password that was asked for included."""
    asked_for_password: bool


async def ask_options(endpoint: Endpoint, uri: str, patience: float) -> Reply | None:
    """What a server says to OPTIONS (RFC 3261 section 11); None where nothing came within `patience` seconds.

    Raises `ParseError`.
    """
    server = parse_uri(uri).without_headers()
    us = f"<sip:{endpoint.options.product.lower()}@{server.host}>"
    return await _ask(endpoint, Request("OPTIONS", server, _fields("OPTIONS", us, f"<{server}>")), server, patience)


async def ask_bindings(endpoint: Endpoint, registrar: str, account: Account, patience: float) -> Reply | None:
    """What a registrar says when it is asked who is registered for an account (RFC 3261 section 10.2.3): that needs the
    account's password and changes nothing. None where nothing came within `patience` seconds.

    Raises `ParseError`.
    """
    server = parse_uri(registrar).without_headers()
    address = f"<{Uri('sip', escape_user(account.username), server.host, server.port)}>"
    request = Request("REGISTER", Uri(server.scheme, "", server.host, server.port), _fields("REGISTER", address))
    digest = DigestClient(Credentials(account.username, account.password))
    return await _ask(endpoint, request, server, patience, digest)


def _fields(method: str, us: str, them: str | None = None) -> dict[str, list[str]]:
    return {
        "max-forwards": ["70"],
        "from": [f"{us};tag={new_tag()}"],
        "to": [them or us],
        "call-id": [secrets.token_hex(16)],
        "cseq": [f"1 {method}"],
    }


async def _ask(
    endpoint: Endpoint, request: Request, server: Uri, patience: float, digest: DigestClient | None = None
) -> Reply | None:
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[Response, Exchange]] = loop.create_future()
    number = iter(range(2, 100))

    def on_response(response: Response, exchange: Exchange) -> None:
        if response.status >= 200 and not answered.done():
            answered.set_result((response, exchange))

    began = loop.time()
    # Where a name leads to several servers, one that says nothing leaves time for the next.
    outgoing = Outgoing(request, server, lambda: next(number), digest, patience=patience / 2)
    exchange = endpoint.send(outgoing, on_response)
    try:
        async with asyncio.timeout(patience):
            response, exchange = await answered
    except TimeoutError:
        return None
    finally:
        exchange.abandon()
    if exchange.failure is not None:
        return None
    with_password = any(exchange.request.lines(name) for name in ("authorization", "proxy-authorization"))
    return Reply(response.status, loop.time() - began, with_password)
