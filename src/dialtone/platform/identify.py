"""Who asks, and how often: the first thing that happens to a request, before its body is read."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dialtone.platform.auth import IDENTITY, REFUSAL, Authenticator, shown_key
from dialtone.platform.errors import ANSWER_HEADERS, DATABASE_LOST, ApiError, database_lost
from dialtone.platform.rate_limits import RateLimits, too_many_requests


class Identify:
    """ASGI middleware: finds out whose key a request shows, and takes the request from what the key may ask a minute.

    A request without a valid key goes on and costs nothing: keyed routes refuse it (`auth.authenticate`), others don't
    mind. There is no limit for such requests, since one would lock out the honest ones behind a shared address; finding
    a key of 256 random bits by trying is hopeless, and `Authenticator` bounds what trying costs.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        rate_limits: RateLimits,
        requests_a_minute: int,
        free_paths: Collection[str],
    ) -> None:
        """`free_paths` are never counted and never wait for the database here, whatever key they show."""
        self._app = app
        self._authenticator = authenticator
        self._rate_limits = rate_limits
        self._requests_a_minute = requests_a_minute
        self._free_paths = frozenset(free_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = shown_key(scope["headers"]) if scope["type"] == "http" else None
        if key is None or scope["path"] in self._free_paths:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        try:
            identity = await self._authenticator.identify(key)
            allowance = await self._rate_limits.take(f"key:{identity.key_id}", self._requests_a_minute)
        except ApiError as problem:
            state[REFUSAL] = problem
            await self._app(scope, receive, send)
            return
        except DATABASE_LOST as problem:
            await database_lost(problem).response()(scope, receive, send)
            return
        state[IDENTITY] = identity
        headers = allowance.headers()
        state[ANSWER_HEADERS] = headers
        send = _with_headers(send, headers)
        if allowance.allowed:
            await self._app(scope, receive, send)
        else:
            refusal = too_many_requests(allowance, "requests a minute for each API key")
            await refusal.response()(scope, receive, send)


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *encoded]
        await send(message)

    return send_with_headers
