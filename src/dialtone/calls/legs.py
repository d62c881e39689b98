"""Second legs: somebody else is called for a caller who is to be handed over."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from dialtone.calls.ways_out import DIAL_GRACE_SECONDS, WaysOut
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
    async def reach(self, destination: str) -> AsyncIterator[Line]:
        """See `SecondLegs.reach`. As long as it lasts it takes a place of the server's."""
        try:
            self._places.reserve()
        except ApiError as problem:
            raise DialError("unreachable", problem.message or problem.error) from None
        try:
            line = await self._dial(destination)
            try:
                yield line
            finally:
                await line.close("transferred")
        finally:
            self._places.release()

    async def _dial(self, destination: str) -> Line:
        plan = self._plan
        try:
            way = await self._ways.find(plan.organization_id, plan.number_id)
            request = way.request(plan.call_id, destination)
            async with asyncio.timeout(request.ring_seconds + DIAL_GRACE_SECONDS):
                return await way.dialer.dial(request, _nobody_is_told)
        except DialError:
            raise
        except ApiError as problem:
            raise DialError("unreachable", " ".join(problem.details or [problem.message or problem.error])) from None
        except TimeoutError:
            raise DialError("no_answer", "Nobody answered in time.") from None
        except Exception as error:
            logger.exception("the second leg of call %s could not be placed", plan.call_id)
            raise DialError("unreachable", f"The call could not be placed ({type(error).__name__}).") from None


def _nobody_is_told() -> None:
    """The caller hears a tone from the first moment on."""
