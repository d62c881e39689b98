"""Second legs: somebody else is called for a caller who is to be handed over."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from dialtone.calls.ways_out import DIAL_GRACE_SECONDS, WayOut, WaysOut
from dialtone.conversation.plan import CallPlan
from dialtone.lines.base import Line
from dialtone.lines.outbound import DialError
from dialtone.platform.errors import ApiError

logger = logging.getLogger(__name__)


class Places(Protocol):
    """See `dialtone.calls.live`: what a server carries is counted in lines."""

    def reserve(self) -> None: ...

    def release(self) -> None: ...


class Legs:
    """The second legs of one call. They are placed from the call's own number; a web call's from the oldest one."""

    def __init__(self, ways: WaysOut, places: Places, plan: CallPlan) -> None:
        self._ways = ways
        self._places = places
        self._plan = plan

    @property
    def possible(self) -> bool:
        """See `SecondLegs.possible`."""
        return self._ways.any

    @asynccontextmanager
    async def reach(self, destination: str, on_note: Callable[[str], None]) -> AsyncIterator[Line]:
        """See `SecondLegs.reach`. As long as it lasts it takes a place of the server's."""
        try:
            self._places.reserve()
        except ApiError as problem:
            raise DialError("unreachable", problem.message or problem.error) from None
        try:
            way = await self._way()
            line = await self._dial(way, destination, on_note)
            try:
                yield line
            finally:
                await line.close("transferred")
                await self._give_back(way)
        finally:
            self._places.release()

    async def _way(self) -> WayOut:
        try:
            return await self._ways.find(self._plan.organization_id, self._plan.number_id)
        except ApiError as problem:
            raise DialError("unreachable", " ".join(problem.details or [problem.message or problem.error])) from None
        except Exception as error:
            raise self._failed(error) from None

    async def _dial(self, way: WayOut, destination: str, on_note: Callable[[str], None]) -> Line:
        request = replace(way.request(self._plan.call_id, destination), on_note=on_note)
        try:
            async with asyncio.timeout(request.ring_seconds + DIAL_GRACE_SECONDS):
                return await way.dialer.dial(request, _nobody_is_told)
        except DialError:
            raise
        except TimeoutError:
            raise DialError("no_answer", "Nobody answered in time.") from None
        except Exception as error:
            raise self._failed(error) from None

    async def _give_back(self, way: WayOut) -> None:
        """Whatever becomes of it, the end of the call does the same once more."""
        try:
            await way.release()
        except Exception:
            logger.exception("what the second leg of call %s took could not be given back", self._plan.call_id)

    def _failed(self, error: Exception) -> DialError:
        logger.error("the second leg of call %s could not be placed", self._plan.call_id, exc_info=error)
        return DialError("unreachable", f"The call could not be placed ({type(error).__name__}).")


def _nobody_is_told() -> None:
    """The caller hears a tone from the first moment on."""
