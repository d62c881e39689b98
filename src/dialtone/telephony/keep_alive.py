"""Asks the servers of trunks whether they are there (OPTIONS), and tells where one is gone, or back."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dialtone.lines.sip.line import in_words
from dialtone.lines.sip.no_answer import why
from dialtone.lines.sip.server import SipServer
from dialtone.sip.errors import SipError
from dialtone.sip.events import PeerChanged
from dialtone.sip.peers import PeerOrder
from dialtone.sip.user_agent import UserAgent
from dialtone.telephony.rounds import Rounds
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.keep_alives import LOST_SECONDS, AskedTrunk, KeepAlives

logger = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
"""How often it is looked up whom to ask; this process's own changes are looked up at once."""
ANSWER_SECONDS = 5.0
"""A database that takes longer counts as lost."""
STARTS_AT_ONCE = 50
"""Servers that are first asked together; the next ones a second later, so that many are no flood."""


@dataclass(slots=True)
class _Server:
    """One that is asked once for all trunks that it carries, whosever they are."""

    trunks: list[AskedTrunk] = field(default_factory=list)
    answer: PeerChanged | None = None
    """When it last came or went."""


class KeepAlive:
    """`start` it once the user agent is open, `stop` it before that closes."""

    def __init__(
        self,
        agent: UserAgent,
        speaks: Callable[[str], bool],
        keep_alives: KeepAlives,
        events: TrunkEvents,
        node: str,
        seconds: float,
    ) -> None:
        """`speaks`: whether this process can send by a transport; `seconds`: between two questions, on average."""
        self._agent = agent
        self._speaks = speaks
        self._keep_alives = keep_alives
        self._events = events
        self._node = node
        self._seconds = seconds
        self._servers: dict[str, _Server] = {}
        """By their URIs, which are the user agent's names for them."""
        self._renewed_at = float("-inf")
        self._rounds = Rounds(self.look, LOOK_SECONDS, "the servers of trunks could not be asked; trying again")
        self._telling: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()

    def wake(self) -> None:
        """A trunk was made, changed or deleted."""
        self._rounds.wake()

    async def start(self) -> None:
        with contextlib.suppress(Exception):  # what an earlier run left; the look that follows tells what is wrong
            await self._keep_alives.release(self._node)
        self._rounds.start()

    async def stop(self) -> None:
        """Leave the asking to others. Idempotent."""
        if not await self._rounds.stop():
            return
        for uri in self._servers:
            self._agent.unwatch(uri)
        self._servers.clear()
        await asyncio.gather(*self._telling, return_exceptions=True)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._keep_alives.release(self._node)
        except Exception as problem:
            logger.warning("other servers can't be told to ask trunks (%s)", type(problem).__name__)

    async def look(self) -> None:
        """Find out whom this process is to ask, and do so."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                asked = await self._keep_alives.renew(self._node)
        except Exception as problem:
            logger.warning("trunks to ask can't be looked up (%s)", type(problem).__name__)
            if loop.time() - self._renewed_at < LOST_SECONDS:
                return
            asked = []  # another process may ask them by now
        else:
            self._renewed_at = loop.time()
        new = self._arrange(asked)
        for index, uri in enumerate(new, 1):
            self._begin(uri)
            if index % STARTS_AT_ONCE == 0:
                await asyncio.sleep(1.0)
        # What another trunk's asking told already, and what could not be stored when it came.
        await self._settle(trunk for trunk in asked if self._is_news(trunk))

    def take(self, event: PeerChanged) -> None:
        """What the user agent tells of a server."""
        server = self._servers.get(event.name)
        if server is None:
            return
        server.answer = event
        task = asyncio.get_running_loop().create_task(self._settle(server.trunks))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def _arrange(self, asked: list[AskedTrunk]) -> list[str]:
        """Forget the servers that nobody wants any more; returns those that are new."""
        wanted: dict[str, list[AskedTrunk]] = {}
        for trunk in asked:
            if self._speaks(trunk.transport):
                wanted.setdefault(_uri(trunk), []).append(trunk)
        for uri in self._servers.keys() - wanted.keys():
            self._agent.unwatch(uri)
            del self._servers[uri]
        new = [uri for uri in wanted if uri not in self._servers]
        for uri, its_trunks in wanted.items():
            self._servers.setdefault(uri, _Server()).trunks = its_trunks
        return new

    def _begin(self, uri: str) -> None:
        try:
            self._agent.watch(PeerOrder(uri, uri, self._seconds))
        except (SipError, ValueError) as problem:
            logger.warning("the server of a SIP trunk can't be asked (%s)", type(problem).__name__)

    def _is_news(self, trunk: AskedTrunk) -> bool:
        server = self._servers.get(_uri(trunk))
        return server is not None and server.answer is not None and trunk.answers is not server.answer.reachable

    async def _settle(self, of: Iterable[AskedTrunk]) -> None:
        """Store what is known of these trunks' servers, and tell the trunks' owners of what changed."""
        async with self._in_order:
            for trunk in of:
                server = self._servers.get(_uri(trunk))
                if server is None or server.answer is None:
                    continue
                answer = server.answer
                try:
                    changed = await self._keep_alives.note(self._node, trunk, answers=answer.reachable)
                except Exception as problem:
                    logger.warning("whether a trunk's server answers can't be stored (%s)", type(problem).__name__)
                    continue
                if changed:
                    status = answer.status if answer.no_answer is None else None
                    whose = trunk.organization_id
                    await self._events.note(whose, trunk.id, status, _in_words(answer), kind="keep_alive")


def _uri(trunk: AskedTrunk) -> str:
    return SipServer(*trunk.server).uri


def _in_words(answer: PeerChanged) -> str:
    if answer.reachable:
        return "The trunk's server answers again."
    if answer.no_answer is not None:
        words = f"The trunk's server can't be reached: {why(answer.no_answer)}."
    else:
        words = f"The trunk's server, or what is behind it, is out of service ({in_words(answer.status)})."
    return f"{words} Calls go out by other trunks first."
