"""Handing the caller over to somebody: by the line itself, or by a second line that is joined with theirs.

Where it fails the caller comes back to the assistant, who is told why.
"""

import asyncio
from contextlib import AsyncExitStack, ExitStack
from typing import Protocol

from dialtone.conversation.bridge import Bridge
from dialtone.conversation.introduction import Introducer
from dialtone.conversation.journal import EndReason, Journal
from dialtone.conversation.voice import Spawn
from dialtone.lines.base import Line, TransferError
from dialtone.lines.outbound import DialError
from dialtone.lines.second_leg import SecondLegs
from dialtone.media.call_tones import HOLD, RINGBACK, Tone
from dialtone.tools.base import Destination


class Sound(Protocol):
    """What the caller hears in place of the assistant."""

    def tick(self, now: float) -> bytes | None: ...


class HandoverHost(Protocol):
    """The call whose caller is handed over."""

    def caller_hears(self, sound: Sound) -> None: ...

    def stay(self, context: str) -> None:
        """The caller is back with the assistant; `context` tells the model why."""

    def leave(self, bridge: Bridge) -> None:
        """The assistant leaves the call; what comes from the caller's line goes to `bridge` from now on."""

    def end(self, reason: EndReason, error: str | None = None) -> None: ...


class Handover:
    """All handing over of one call."""

    def __init__(
        self,
        line: Line,
        legs: SecondLegs | None,
        introducer: Introducer,
        journal: Journal,
        host: HandoverHost,
        spawn: Spawn,
    ) -> None:
        self._line = line
        self._legs = legs
        self._introducer = introducer
        self._journal = journal
        self._host = host
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None

    @property
    def possible(self) -> bool:
        """Whether the caller can be handed over in any way."""
        return self._line.can_transfer or self._reaches_others

    @property
    def _reaches_others(self) -> bool:
        return self._legs is not None and self._legs.possible

    def begin(self, destination: Destination) -> None:
        """Hand the caller over now; nobody speaks with them meanwhile."""
        self._task = self._spawn(self._hand_over(destination))

    def stop(self) -> None:
        """Give it up: the call can't go on."""
        if self._task is not None:
            self._task.cancel()

    async def _hand_over(self, destination: Destination) -> None:
        try:
            if destination.mode == "blind" and await self._by_the_line(destination.number):
                self._host.end("transferred")
                return
            error = await self._by_a_second_line(destination)
        except (TransferError, DialError) as problem:
            why = str(problem).rstrip(".")
            self._journal.note(f"a transfer failed: {why}")
            self._host.stay(
                f"The transfer to {destination.number} failed: {why}. Tell the caller, and help in another way."
            )
        else:
            self._host.end("transferred", error)
        finally:
            self._task = None

    async def _by_the_line(self, number: str) -> bool:
        """False where the line can't do that, but we can. Raises `TransferError`."""
        try:
            await self._line.transfer(number)
        except TransferError as problem:
            if not problem.refused or not self._reaches_others:
                raise
            self._journal.note(f"the caller is connected through this server: {problem}")
            return False
        return True

    async def _by_a_second_line(self, destination: Destination) -> str | None:
        """Returns when the other side has left: what went wrong, where something did. Raises `TransferError` and
        `DialError` as long as the caller was not joined with anybody.
        """
        if self._legs is None:
            raise TransferError("this server has nothing that can place calls")
        warm = destination.mode == "warm"
        self._host.caller_hears(Tone(HOLD if warm else RINGBACK, self._line.audio))
        async with AsyncExitStack() as stack:
            with ExitStack() as until_joined:
                summary = self._summary(until_joined) if warm else None
                other = await stack.enter_async_context(self._legs.reach(destination.number, self._journal.note))
                if summary is not None:
                    await self._introducer.talk(other).run(summary)
            bridge = Bridge(self._line, other, self._journal.note)
            self._host.leave(bridge)
            bridge.join()
            if warm:
                self._spawn(self._connect(other, bridge))
            return await bridge.over

    def _summary(self, stack: ExitStack) -> "asyncio.Future[str]":
        """The caller is summed up while it rings."""
        summary: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def sum_up() -> None:
            text = await self._introducer.sum_up()
            if not summary.done():
                summary.set_result(text)

        stack.callback(self._spawn(sum_up()).cancel)
        return summary

    async def _connect(self, other: Line, bridge: Bridge) -> None:
        """Leave the two alone where their telephone system can connect them itself, while they talk already."""
        try:
            await self._line.connect(other)
        except TransferError as problem:
            self._journal.note(f"both sides stay connected through this server: {problem}")
        else:
            bridge.leave()
