"""This machine's address as telephone providers see it, asked of a STUN server (RFC 8489) while the server runs."""

import asyncio
import logging

from dialtone.sip.errors import SipError, TransportError
from dialtone.sip.flow import SocketAddress
from dialtone.sip.user_agent import UserAgent
from dialtone.trunks.addresses import split

logger = logging.getLogger(__name__)

STUN_PORT = 3478
FIRST_SECONDS = 3.0
"""How long the server's start waits for the first answer."""
ASK_EVERY_SECONDS = 25.0
"""Providers change addresses, and routers forget a UDP port that was silent for 30 s (RFC 5626 section 4.4.2)."""


async def stun_server(written: str, agent: UserAgent) -> SocketAddress:
    """Where a server like `stun.example.com:3478` is. Raises `SipError` where it is not found."""
    host, port = split(written)
    reachable = [
        each for each in await agent.endpoint.resolver.addresses(host) if agent.endpoint.transports.speaks("udp", each)
    ]
    if not reachable:
        raise TransportError("it has no address that is reached over UDP")
    return reachable[0], port or STUN_PORT


class PublicAddress:
    """Has the user agent know, and keep on knowing, how others see it."""

    def __init__(self, agent: UserAgent, server: str) -> None:
        self._agent = agent
        self._server = server
        self._known: str | None = None
        self._is_away = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask, then ask again and again. A server that does not answer keeps nobody from starting."""
        answered = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._ask_again_and_again(answered))
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                await answered.wait()
        except TimeoutError:
            logger.warning("the STUN server %s has not answered yet", self._server)

    async def stop(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _ask_again_and_again(self, asked: asyncio.Event) -> None:
        while True:
            await self._ask()
            asked.set()
            await asyncio.sleep(ASK_EVERY_SECONDS)

    async def _ask(self) -> None:
        try:
            address, _ = await self._agent.learn_public_address(await stun_server(self._server, self._agent))
        except (SipError, OSError) as problem:
            if not self._is_away:
                logger.warning("the STUN server %s does not answer (%s)", self._server, type(problem).__name__)
            self._is_away = True
            return
        self._is_away = False
        if address != self._known:
            self._known = address
            logger.info("others see this machine at %s", address)
