"""Commands for live calls, wherever they live."""

from collections.abc import Callable, Mapping
from typing import Any

from dialtone.calls.control_schemas import parse
from dialtone.calls.live import LiveCalls
from dialtone.calls.service import Calls
from dialtone.calls.status import IN_PROGRESS
from dialtone.conversation.control import CommandError, not_in_progress
from dialtone.platform.errors import ApiError
from dialtone.platform.node_bus import NodeBus, NodeUnreachableError
from dialtone.platform.rate_limits import RateLimits, too_many_requests


class CallControl:
    def __init__(
        self,
        calls: Calls,
        live: Callable[[], LiveCalls],
        node: str,
        bus: NodeBus | None,
        rate_limits: RateLimits,
        limit: int,
    ) -> None:
        """`bus` reaches the other nodes; None where this process is alone. `limit`: commands a minute for one call."""
        self._calls = calls
        self._live = live
        self._node = node
        self._bus = bus
        self._rate_limits = rate_limits
        self._limit = limit

    async def send(self, organization_id: str, call_id: str, document: Mapping[str, Any]) -> list[str]:
        """Have a call carry the command out; returns the fields that had no effect.

        Raises `ApiError`: 400 for a wrong command or a call that can't carry it out, 404, 429, and 503 where the
        call's node does not answer.
        """
        command, ignored = parse(document)
        place = await self._calls.place(organization_id, call_id)
        allowance = await self._rate_limits.take(f"call:{place.call_id}", self._limit)
        if not allowance.allowed:
            raise too_many_requests(allowance, "commands a minute for one call")
        try:
            if place.node == self._node:
                self._live().command(place.call_id, command)
            elif place.status == IN_PROGRESS:
                await self._send_to(place.node, place.call_id, document)
            else:
                raise not_in_progress()
        except CommandError as problem:
            raise ApiError(400, problem.code, "Command refused", str(problem)) from None
        return ignored

    async def _send_to(self, node: str, call_id: str, document: Mapping[str, Any]) -> None:
        unreachable = ApiError(
            503,
            "node_unreachable",
            "Service unavailable",
            "The server that holds this call does not answer. It may have carried out the command all the same.",
        )
        if self._bus is None:
            raise unreachable
        try:
            answer = await self._bus.ask(node, {"call_id": call_id, "command": dict(document)})
        except NodeUnreachableError:
            raise unreachable from None
        if (refused := answer["refused"]) is not None:
            raise CommandError(refused["code"], refused["words"])

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Another node's question: carry out a command for a call that lives here."""
        command, _ = parse(question["command"])
        try:
            self._live().command(question["call_id"], command)
        except CommandError as problem:
            return {"refused": {"code": problem.code, "words": str(problem)}}
        return {"refused": None}
