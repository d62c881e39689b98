"""Which methods an address takes, for the Allow header of a refusal (RFC 9110 section 15.5.6).

The framework names only the methods of the first route that fits the address.
"""

import re
from collections import defaultdict

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path


class AllowedMethods:
    """Knows the methods of every path of an app, whose routes are all there by the first question."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._paths: list[tuple[re.Pattern[str], set[str]]] | None = None

    def at(self, address: str) -> list[str]:
        """The methods of the path that fits best: one without parameters before one with."""
        if self._paths is None:
            self._paths = _paths(self._app)
        return next((sorted(methods) for fits, methods in self._paths if fits.match(address)), [])


def _paths(app: FastAPI) -> list[tuple[re.Pattern[str], set[str]]]:
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for route in iter_route_contexts(app.routes):
        if route.path is not None and route.methods is not None:
            methods[route.path] |= set(route.methods)
    by_parameters = sorted(methods, key=lambda path: path.count("{"))
    return [(compile_path(path)[0], methods[path]) for path in by_parameters]
