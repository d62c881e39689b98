"""Where requests go: every path with its methods.

FastAPI would try one route after the other, included routers twice; a table finds a path by its segments, at once. It
also knows what the framework does not: every address that takes GET takes HEAD (RFC 9110 section 9.1), and a refusal
names all methods that an address takes (section 15.5.6).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

API = "/api/v1"
"""Below it is the API. Routers name it in their prefix: built under their whole path, routes need not be built again
to be included.
"""


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET is, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # A scope of its own: the server has to know that HEAD was asked, to leave the length of the body as it is.
        await self._app({**scope, "method": "GET"}, receive, without_body)


@dataclass(slots=True)
class _Place:
    """What is at a path, and below it."""

    routes: dict[str, Route] = field(default_factory=dict)
    """By method."""
    fixed: dict[str, "_Place"] = field(default_factory=dict)
    """By the next segment."""
    parameter: Optional["_Place"] = None
    """Where any segment may come next."""

    def find(self, segments: list[str]) -> "_Place | None":
        """The place at the end of the path; fixed segments go before parameters."""
        if not segments:
            return self if self.routes else None
        first, *others = segments
        below = self.fixed.get(first)
        found = None if below is None else below.find(others)
        if found is None and first and self.parameter is not None:
            found = self.parameter.find(others)
        return found


class RouteTable(BaseRoute):
    """All routes of an app, as one route that stands before them. A path that it does not know is left to others."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._root = _Place()
        for route in routes:
            if isinstance(route, Route):
                self._add(route)

    def _add(self, route: Route) -> None:
        place = self._root
        for segment in route.path.split("/"):
            if segment.startswith("{"):
                place.parameter = place.parameter or _Place()
                place = place.parameter
            else:
                place = place.fixed.setdefault(segment, _Place())
        for method in route.methods or ():
            place.routes.setdefault(method, route)

    def allowed(self, path: str) -> list[str]:
        """The methods that a path takes, sorted; none where nothing is."""
        place = self._root.find(path.split("/"))
        if place is None:
            return []
        return sorted({*place.routes, "HEAD"} if "GET" in place.routes else place.routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See `BaseRoute.matches`. A method that the path does not take is refused by `handle`."""
        if scope["type"] != "http":
            return Match.NONE, {}
        place = self._root.find(scope["path"].split("/"))
        if place is None:
            return Match.NONE, {}
        route = place.routes.get(scope["method"])
        if route is None:
            return Match.FULL, {"route": None}
        match, found = route.matches(scope)
        return match, {**found, "route": route}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that `matches`."""
        route: Route | None = scope["route"]
        if route is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self.allowed(scope["path"]))})
        await route.handle(scope, receive, send)


def serve(app: FastAPI, routers: Iterable[APIRouter]) -> RouteTable:
    """Have `app` answer at the routes of these routers, beside those that it has."""
    app.router.routes.extend(route for router in routers for route in router.routes)
    table = RouteTable(app.router.routes)
    app.router.routes.insert(0, table)
    return table
