"""Registers this server at the providers of trunks that want it, and stays registered (RFC 3261 section 10)."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from dialtone.lines.sip.line import in_words
from dialtone.lines.sip.no_answer import why
from dialtone.lines.sip.server import SipServer
from dialtone.platform.crypto import SecretKeyError
from dialtone.sip.errors import SipError
from dialtone.sip.events import Account, RegistrationChanged
from dialtone.sip.registration import RegistrationOrder
from dialtone.sip.user_agent import UserAgent
from dialtone.telephony.rounds import Rounds
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.registrations import LOST_SECONDS, Registrations, State
from dialtone.trunks.uses import RegisteringTrunk

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often what is to be registered is looked up; this process's own changes are looked up at once."""
ANSWER_SECONDS = 5.0
"""A database that takes longer counts as lost."""
STARTS_AT_ONCE = 50
"""Registrations that are begun together; the next ones a second later, so that many are no flood."""
STOP_SECONDS = 3.0
"""How long a provider that does not answer may keep a registration from being taken back."""


class Registrar:
    """`start` it once the user agent is open, `stop` it before that closes."""

    def __init__(
        self, agent: Callable[[], UserAgent], registrations: Registrations, events: TrunkEvents, node: str
    ) -> None:
        self._agent = agent
        self._registrations = registrations
        self._events = events
        self._node = node
        self._running: dict[str, RegisteringTrunk] = {}
        """By the trunks' ids, which are the user agent's names for registrations."""
        self._contacts: dict[str, str] = {}
        """Ids of trunks by the users of their registered addresses."""
        self._failed: set[str] = set()
        """Trunks that can't be registered as they are; they have been told so."""
        self._renewed_at = float("-inf")
        self._rounds = Rounds(self.look, LOOK_SECONDS, "trunks could not be registered; trying again")
        self._telling: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()

    def registered_as(self, user: str) -> str | None:
        """The id of the trunk that is registered with this user in its address."""
        return self._contacts.get(user)

    def wake(self) -> None:
        """A trunk was made, changed or deleted."""
        self._rounds.wake()

    async def start(self) -> None:
        with contextlib.suppress(Exception):  # what an earlier run left; the look that follows tells what is wrong
            await self._registrations.release(self._node)
        self._rounds.start()

    async def stop(self) -> None:
        """Take all registrations back, in bounded time, and leave them to others. Idempotent."""
        if not await self._rounds.stop():
            return
        await asyncio.gather(*(self._end(trunk_id) for trunk_id in list(self._running)))
        await asyncio.gather(*self._telling, return_exceptions=True)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._registrations.release(self._node)
        except Exception as problem:
            logger.warning("other servers can't be told to register trunks (%s)", type(problem).__name__)

    async def look(self) -> None:
        """Find out what this process is to register, and do so."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                wanted = {trunk.id: trunk for trunk in await self._registrations.renew(self._node)}
        except Exception as problem:
            logger.warning("trunks to register can't be looked up (%s)", type(problem).__name__)
            if loop.time() - self._renewed_at < LOST_SECONDS:
                return
            wanted = {}  # another process may register them by now
        else:
            self._renewed_at = loop.time()
        self._failed &= wanted.keys()
        changed = [trunk_id for trunk_id, running in self._running.items() if wanted.get(trunk_id) != running]
        await asyncio.gather(*(self._end(trunk_id) for trunk_id in changed))
        new = [trunk for trunk in wanted.values() if trunk.id not in self._running]
        for index, trunk in enumerate(new, 1):
            self._begin(trunk)
            if index % STARTS_AT_ONCE == 0:
                await asyncio.sleep(1.0)

    def take(self, event: RegistrationChanged) -> None:
        """What the user agent tells of a registration."""
        trunk = self._running.get(event.name)
        if trunk is None:
            return
        if event.registered:
            self._tell(trunk, "registered", event.status, "Registered at the provider.")
        elif event.no_answer is not None:
            self._tell(trunk, "failing", None, f"The registration was not answered: {why(event.no_answer)}.")
        else:
            words = f"The provider refused the registration ({in_words(event.status)})."
            self._tell(trunk, "failing", event.status, words)

    def _begin(self, trunk: RegisteringTrunk) -> None:
        try:
            self._agent().register(_order(trunk))
        except (SecretKeyError, SipError, ValueError) as problem:
            if trunk.id not in self._failed:
                self._failed.add(trunk.id)
                self._tell(trunk, "failing", None, f"The trunk can't be registered ({type(problem).__name__}).")
            return
        self._failed.discard(trunk.id)
        self._running[trunk.id] = trunk
        self._contacts[trunk.contact] = trunk.id

    async def _end(self, trunk_id: str) -> None:
        trunk = self._running.pop(trunk_id)
        self._contacts.pop(trunk.contact, None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._agent().unregister(trunk_id)

    def _tell(self, trunk: RegisteringTrunk, state: State, status: int | None, words: str) -> None:
        task = asyncio.get_running_loop().create_task(self._write(trunk, state, status, words))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _write(self, trunk: RegisteringTrunk, state: State, status: int | None, words: str) -> None:
        async with self._in_order:
            try:
                if await self._registrations.note(self._node, trunk, state, status, words):
                    await self._events.note(trunk.organization_id, trunk.id, status, words, kind="registration")
            except Exception as problem:
                logger.warning("the state of a trunk's registration could not be stored (%s)", type(problem).__name__)


def _order(trunk: RegisteringTrunk) -> RegistrationOrder:
    """Raises `SecretKeyError`; `ValueError` where the trunk has no login."""
    password = trunk.password()
    if not trunk.auth_username or password is None:
        raise ValueError("a registration needs a login")
    return RegistrationOrder(
        trunk.id,
        SipServer(trunk.host, trunk.port, trunk.transport).uri,
        Account(trunk.auth_username, password),
        seconds=trunk.register_expires,
        contact_user=trunk.contact,
    )
