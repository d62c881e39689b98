"""Which methods an address takes.

Every address that takes GET takes HEAD, as RFC 9110 section 9.1 demands; the framework leaves HEAD out. For the Allow
header of a refusal (section 15.5.6) the framework names only the methods of the first route that fits the address.
"""

import re
from collections import defaultdict

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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


class AllowedMethods:
    """Knows the methods of every path of an app, whose routes are all there by the first question."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._paths: list[tuple[re.Pattern[str], set[str]]] | None = None

    def at(self, address: str) -> list[str]:
        """The methods of the path that fits best: one without parameters before one with."""
        if self._paths is None:
            self._paths = [(compile_path(path)[0], methods) for path, methods in _paths(self._app)]
        return next((sorted(methods) for fits, methods in self._paths if fits.match(address)), [])


def keep_fixed_paths(app: FastAPI) -> None:
    """Have paths without parameters refuse other methods themselves. Else `GET /calls/outbound` would ask for the call
    of that name.
    """
    known = _paths(app)
    for path, methods in known:
        if "{" not in path:
            taken = (others for other, others in known if "{" in other and compile_path(other)[0].match(path))
            if foreign := set[str]().union(*taken) - methods:
                app.router.routes.insert(0, Route(path, _refuse, methods=sorted(foreign), include_in_schema=False))


async def _refuse(_request: Request) -> Response:
    raise HTTPException(405)


def _paths(app: FastAPI) -> list[tuple[str, set[str]]]:
    """Every path with its methods, those with the fewest parameters first."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for route in iter_route_contexts(app.routes):
        refuses = isinstance(route.original_route, Route) and route.original_route.endpoint is _refuse
        if route.path is not None and route.methods is not None and not refuses:
            methods[route.path] |= {*route.methods, "HEAD"} if "GET" in route.methods else route.methods
    return sorted(methods.items(), key=lambda found: found[0].count("{"))
