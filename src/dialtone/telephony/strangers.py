"""What the owners of trunks are told of callers who were not let in. These may be many, so that little is."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from dialtone.sip.admission import RequestFacts
from dialtone.sip.events import LoginRefused
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.uses import CallingTrunk

QUIET_SECONDS = 60.0
"""How long nothing more of the same kind is written down at a trunk."""
MAX_QUIET = 10_000
LOGIN_SECONDS = 5.0
"""How long a caller who was asked for a password may take: all are asked, and most then log in."""
MAX_ASKED = 100
"""Callers waited for at a time; of more nothing is told."""


class Strangers:
    def __init__(self, events: TrunkEvents, own: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """`own` runs what belongs to no call yet, until the telephone is closed."""
        self._events = events
        self._own = own
        self._quiet: dict[tuple[str, str], float] = {}
        """Trunks and kinds of events, and until when no more is written down."""
        self._asked: dict[str, asyncio.Task[None]] = {}
        """IP addresses of callers who were asked to log in and have not tried."""

    async def not_answered(self, trunks: Collection[CallingTrunk], facts: RequestFacts, called: str) -> None:
        words = (
            f"A call came from {_source(facts)}, which is none of the trunk's addresses, and was not answered. If it "
            "is the trunk's, add it to inbound_addresses."
        )
        await self._note("address", trunks, 408, words, called)

    def asked(self, trunks: Collection[CallingTrunk], facts: RequestFacts, called: str) -> None:
        """A caller was asked to log in. Its trunks are told if nothing comes of that."""
        is_told = not any(self._is_due("no login", trunk) for trunk in trunks)
        if is_told or facts.source in self._asked or len(self._asked) >= MAX_ASKED:
            return
        task = self._asked[facts.source] = self._own(self._wait_for_login(trunks, facts, called))
        task.add_done_callback(lambda _: self._asked.pop(facts.source, None))

    def tries(self, facts: RequestFacts) -> None:
        """A caller answers what it was asked."""
        waiting = self._asked.get(facts.source)
        if waiting is not None:
            waiting.cancel()

    async def unknown_user(self, trunks: Collection[CallingTrunk], facts: RequestFacts, called: str) -> None:
        words = (
            f"A call came from {_source(facts)} and logged in with another user name than the trunk's: compare its "
            "auth_username with what the caller was given."
        )
        await self._note("user", trunks, 401, words, called)

    async def wrong_password(self, trunks: Collection[CallingTrunk], event: LoginRefused) -> None:
        source = f"{event.source} port {event.source_port}"
        await self._note(
            "password", trunks, 401, f"Somebody at {source} used the trunk's user name with a wrong password."
        )

    async def _wait_for_login(self, trunks: Collection[CallingTrunk], facts: RequestFacts, called: str) -> None:
        await asyncio.sleep(LOGIN_SECONDS)
        words = (
            f"A call came from {_source(facts)}, which is none of the trunk's addresses, and did not log in: add the "
            "address to inbound_addresses, or have the caller log in with the trunk's auth_username and auth_password."
        )
        await self._note("no login", trunks, 401, words, called)

    async def _note(
        self, kind: str, trunks: Collection[CallingTrunk], status: int, words: str, called: str | None = None
    ) -> None:
        for trunk in trunks:
            if not self._is_due(kind, trunk):
                continue
            if len(self._quiet) >= MAX_QUIET:
                self._quiet.clear()
            self._quiet[trunk.id, kind] = asyncio.get_running_loop().time() + QUIET_SECONDS
            await self._events.note(trunk.organization_id, trunk.id, status, words, called)

    def _is_due(self, kind: str, trunk: CallingTrunk) -> bool:
        return self._quiet.get((trunk.id, kind), float("-inf")) <= asyncio.get_running_loop().time()


def _source(facts: RequestFacts) -> str:
    return f"{facts.source} port {facts.source_port} ({facts.transport})"
