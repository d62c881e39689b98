"""A call that rings: its vendors are connected meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from dialtone.conversation.preparation import Preparation
from dialtone.providers.base import ProviderError
from dialtone.providers.use import VendorUse

logger = logging.getLogger(__name__)

FIRST_WORDS_SECONDS = 1.5
"""So much longer an incoming call may ring, so that its first words are there when it is answered."""

EARLY_MESSAGE_SECONDS = 25.0
"""For making and speaking what is said before the answer."""

Play = Callable[[bytes], Awaitable[None]]
"""Has the caller hear whole frames of audio before the call is answered; returns when that is over."""


class Ringing:
    """Belongs to one call until somebody answers (`take`) or nobody does (`close`)."""

    def __init__(self, prepare: Callable[[], Preparation]) -> None:
        self._prepare = prepare
        self._prepared: Preparation | None = None

    def begin(self) -> None:
        """It rings. Never raises: a call goes on without what was to be prepared."""
        if self._prepared is None:
            try:
                self._prepared = self._prepare()
            except Exception:
                logger.exception("a ringing call's vendors could not be connected ahead")

    def when_ready(self, tell: Callable[[], None], play: Play | None = None) -> None:
        """Call `tell` once the first words are there, won't be, or have taken too long. With `play` the call's early
        message is heard before.
        """
        if self._prepared is None:
            tell()
        else:
            self._prepared.tasks.spawn(_tell_when_ready(self._prepared, tell, play))

    def take(self) -> Preparation | None:
        """What is prepared belongs to the call from now on."""
        prepared, self._prepared = self._prepared, None
        return prepared

    async def close(self) -> tuple[VendorUse, ...]:
        """Nobody answered: give back what was prepared; returns what it has used."""
        prepared = self.take()
        if prepared is None:
            return ()
        await prepared.close()
        return prepared.uses()


async def _tell_when_ready(prepared: Preparation, tell: Callable[[], None], play: Play | None) -> None:
    try:
        if play is not None:
            await _say_early(prepared, play)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_WORDS_SECONDS):
                await prepared.ready()
    finally:
        tell()  # whatever went wrong, the call is answered


async def _say_early(prepared: Preparation, play: Play) -> None:
    try:
        async with asyncio.timeout(EARLY_MESSAGE_SECONDS):
            await play(await prepared.early_message())
    except ProviderError as problem:
        prepared.note(f"the early message was not spoken ({problem.unquoted})")
    except TimeoutError:
        prepared.note(f"the early message was not spoken to its end within {EARLY_MESSAGE_SECONDS:g} s")
