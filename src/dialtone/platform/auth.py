"""API keys: who is asking. A key belongs to one organization, and is stored only as a hash."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from dialtone.platform.errors import ApiError

KEY_START = "fl_"
CACHE_SECONDS = 10.0
"""How long a revoked key may still work in another process."""
CACHE_ENTRIES = 1024
MAX_KEY_LENGTH = 256


def new_key() -> str:
    """A fresh key with 256 bits of randomness."""
    return f"{KEY_START}live_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """What is stored of a key. A plain hash is enough because keys are random, not chosen like passwords."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_prefix(key: str) -> str:
    """The part of a key that may be shown: enough to tell keys apart, never most of one."""
    return key[: min(12, len(key) // 2)]


@dataclass(frozen=True, slots=True)
class StoredKey:
    hash: str
    organization_id: str


class Authenticator:
    """Finds the organization of a key, remembering recent ones for a few seconds."""

    def __init__(
        self, find: Callable[[str], Awaitable[StoredKey | None]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`find` looks a key up by its hash."""
        self._find = find
        self._clock = clock
        self._recent: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def organization(self, key: str) -> str | None:
        """The id of the organization this key belongs to; None for a key that is not valid."""
        if not key.startswith(KEY_START) or len(key) > MAX_KEY_LENGTH:
            return None
        key_hash = hash_key(key)
        expires, organization_id = self._recent.get(key_hash, (0.0, ""))
        if expires > self._clock():
            return organization_id
        stored = await self._find(key_hash)
        if stored is None or not hmac.compare_digest(stored.hash, key_hash):
            self._recent.pop(key_hash, None)
            return None
        self._recent[key_hash] = (self._clock() + CACHE_SECONDS, stored.organization_id)
        self._recent.move_to_end(key_hash)
        if len(self._recent) > CACHE_ENTRIES:
            self._recent.popitem(last=False)
        return stored.organization_id

    def forget(self) -> None:
        """Drop what is remembered, after a key was revoked."""
        self._recent.clear()


class HasAuthenticator(Protocol):
    """What this module needs of `app.state.parts`."""

    @property
    def authenticator(self) -> Authenticator: ...


async def authenticate(request: Request) -> str:
    """The organization of the request's key, looked up once a request. Raises `ApiError` (401)."""
    known: str | None = getattr(request.state, "organization_id", None)
    if known is not None:
        return known
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise _unauthorized("Unauthorized", "Send your API key in the header Authorization: Bearer <key>.")
    parts: HasAuthenticator = request.app.state.parts
    organization_id = await parts.authenticator.organization(key.strip())
    if organization_id is None:
        raise _unauthorized("Invalid API key", "This key is unknown or was revoked.")
    request.state.organization_id = organization_id
    return organization_id


def _unauthorized(error: str, message: str) -> ApiError:
    return ApiError(401, "unauthorized", error, message, headers={"WWW-Authenticate": "Bearer"})


_bearer = HTTPBearer(
    scheme_name="BearerAuth", bearerFormat="fl_...", description="Your organization's API key.", auto_error=False
)


async def current_organization(request: Request, _documented: Annotated[object, Security(_bearer)]) -> str:
    """FastAPI dependency: the id of the organization that asks. Raises `ApiError` (401)."""
    return await authenticate(request)


Caller = Annotated[str, Depends(current_organization)]
"""Type of a route's parameter that receives the id of the asking organization."""
