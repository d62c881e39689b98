"""Going out by the first way that works."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dialtone.lines.base import Line
from dialtone.lines.outbound import Dialer, DialError, DialRequest, OutboundTrunk, Route
from dialtone.platform.crypto import SecretKeyError
from dialtone.trunks.channels import Channel, Channels, NoChannelError
from dialtone.trunks.events import TrunkEvents
from dialtone.trunks.uses import DialingTrunk

MAX_TRUNKS_TRIED = 10
PATIENCE_SECONDS = 5.0
"""How long a trunk may be silent before the next one is tried."""
SHORTEST_SECONDS = 5.0
"""With less left of the ringing time no further trunk is tried."""


@dataclass(frozen=True, slots=True)
class TrunkWay:
    """A trunk, and what can dial through it."""

    trunk: DialingTrunk
    dialer: Dialer

    def route(self) -> OutboundTrunk:
        """Raises `SecretKeyError`."""
        return route_of(self.trunk, self.trunk.password())


class Failover:
    """A `Dialer` over several trunks of an organization: where one fails before anything has rung, the next is tried.

    A busy line, a refusal and silence of whoever is called are answers; they come the same way by every trunk.
    """

    def __init__(self, ways: Sequence[TrunkWay], channels: Channels, events: TrunkEvents) -> None:
        self._ways = ways[:MAX_TRUNKS_TRIED]
        self._channels = channels
        self._events = events
        self._taken: tuple[str, Channel] | None = None
        """Organization and channel of the call that was answered."""

    def can_dial(self, route: Route) -> bool:
        """See `Dialer.can_dial`."""
        return any(way.dialer.can_dial(route) for way in self._ways)

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        """See `Dialer.dial`; the request's route is the first one's."""
        deadline = asyncio.get_running_loop().time() + request.ring_seconds
        rung = False

        def ringing() -> None:
            nonlocal rung
            rung = True
            on_ringing()

        for index, way in enumerate(self._ways):
            left = deadline - asyncio.get_running_loop().time()
            is_last = index == len(self._ways) - 1
            patience = None if is_last else PATIENCE_SECONDS
            try:
                return await self._try(way, replace(request, ring_seconds=left, patience_seconds=patience), ringing)
            except DialError as problem:
                if not problem.route_failed:
                    raise
                await self._note(way.trunk, request, problem)
                too_late = deadline - asyncio.get_running_loop().time() < SHORTEST_SECONDS
                if rung or is_last or too_late:
                    raise
                if request.on_note is not None:
                    request.on_note(f"The trunk {way.trunk.name} failed, and the next was tried: {problem}")
        raise AssertionError("a way out has a trunk")

    async def _note(self, trunk: DialingTrunk, request: DialRequest, problem: DialError) -> None:
        whose, call = trunk.organization_id, request.call_id
        await self._events.note(whose, trunk.id, problem.status, str(problem), kind="outbound", call_id=call)

    async def _try(self, way: TrunkWay, request: DialRequest, on_ringing: Callable[[], None]) -> Line:
        """The channel that it takes is the call's until that ends, or until this fails."""
        trunk = way.trunk
        try:
            request = replace(request, route=way.route())
            channel = await self._channels.take_for_dialing(trunk.organization_id, trunk.id, request.call_id)
        except SecretKeyError:
            raise DialError("unreachable", "The trunk's password can't be read.", route_failed=True) from None
        except NoChannelError as problem:
            raise DialError("unreachable", str(problem), route_failed=True) from None
        try:
            line = await self._dial(way, request, channel, on_ringing)
        except BaseException:
            await self._channels.release(trunk.organization_id, channel)
            raise
        self._taken = trunk.organization_id, channel
        return line

    async def release(self) -> None:
        """The line is closed, and the call that it was placed for goes on."""
        if self._taken is not None:
            (organization_id, channel), self._taken = self._taken, None
            await self._channels.release(organization_id, channel)

    async def _dial(
        self, way: TrunkWay, request: DialRequest, channel: Channel, on_ringing: Callable[[], None]
    ) -> Line:
        if channel.wait_seconds:
            await asyncio.sleep(channel.wait_seconds)
            request = replace(request, ring_seconds=max(0.0, request.ring_seconds - channel.wait_seconds))
        return await way.dialer.dial(request, on_ringing)


def route_of(trunk: DialingTrunk, password: str | None) -> OutboundTrunk:
    return OutboundTrunk(
        trunk.id,
        trunk.host,
        trunk.port,
        trunk.transport,
        trunk.auth_username,
        password,
        trunk.outbound_number,
        trunk.numbering,
        from_account=trunk.outbound_from == "account",
    )
