"""API keys: who is asking. A key belongs to one organization, and is stored only as a hash."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from dialtone.platform.batches import Batches
from dialtone.platform.db import iso, now
from dialtone.platform.errors import ApiError

KEY_START = "fl_"
CACHE_SECONDS = 10.0
"""How long a revoked key may still work in another process."""
CACHE_ENTRIES = 10_000
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
    """What the database knows of a key."""

    id: str
    hash: str
    organization_id: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks."""

    organization_id: str
    key_id: str


class Authenticator:
    """Tells whose key it is, remembering the keys seen in the last seconds.

    All keys that are not remembered are looked up together, one statement at a time: strangers who try keys keep one
    connection busy, and an honest caller among them waits for a statement, never for a turn.
    """

    def __init__(
        self,
        find: Callable[[Sequence[str]], Awaitable[Mapping[str, StoredKey]]],
        used: Callable[[str], None] = lambda _key_id: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = now,
    ) -> None:
        """`find` looks keys up by their hashes; `used` is told the id of every key that was accepted."""
        self._find = find
        self._used = used
        self._clock = clock
        self._now = now
        self._look_ups: Batches[str, StoredKey | None] = Batches(self._look_up)
        self._recent: OrderedDict[str, tuple[float, StoredKey]] = OrderedDict()
        self._forgotten = 0

    async def identify(self, key: str) -> Identity:
        """Raises `ApiError` (401) for a key that is unknown, revoked or expired."""
        if not key.startswith(KEY_START) or len(key) > MAX_KEY_LENGTH:
            raise _unknown()
        key_hash = hash_key(key)
        remembered = self._recent.get(key_hash)
        if remembered is not None and remembered[0] > self._clock():
            stored: StoredKey | None = remembered[1]
        else:
            stored = await self._look_ups.ask(key_hash)
        if stored is None or not hmac.compare_digest(stored.hash, key_hash):
            raise _unknown()
        if stored.revoked_at is not None:
            raise _unauthorized("api_key_revoked", "API key revoked", "This key was revoked; use another one.")
        if stored.expires_at is not None and stored.expires_at <= self._now():
            raise _unauthorized("api_key_expired", "API key expired", f"This key expired at {iso(stored.expires_at)}.")
        self._used(stored.id)
        return Identity(stored.organization_id, stored.id)

    def forget(self) -> None:
        """Drop what is remembered, after a key was revoked."""
        self._recent.clear()
        self._forgotten += 1

    async def close(self) -> None:
        await self._look_ups.close()

    async def _look_up(self, hashes: Sequence[str]) -> list[StoredKey | None]:
        forgotten = self._forgotten
        found = await self._find(list(dict.fromkeys(hashes)))
        if forgotten == self._forgotten:  # else a key may have been read before it was revoked
            until = self._clock() + CACHE_SECONDS
            for key_hash, stored in found.items():
                self._recent[key_hash] = (until, stored)
                self._recent.move_to_end(key_hash)
            while len(self._recent) > CACHE_ENTRIES:
                self._recent.popitem(last=False)
        return [found.get(each) for each in hashes]


IDENTITY = "identity"
REFUSAL = "refusal"
"""Where `identify.Identify` leaves in a request's state whose key it shows, or why the key is refused."""


def shown_key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key in an Authorization header; None where there is none, or another kind."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return (key.strip() or None) if scheme.lower() == "bearer" else None
    return None


def authenticate(request: Request) -> Identity:
    """Whose request it is. Raises `ApiError` (401)."""
    identity: Identity | None = getattr(request.state, IDENTITY, None)
    if identity is None:
        refusal: ApiError | None = getattr(request.state, REFUSAL, None)
        raise refusal or _unauthorized(
            "unauthorized", "Unauthorized", "Send your API key in the header Authorization: Bearer <key>."
        )
    return identity


def _unknown() -> ApiError:
    return _unauthorized("unauthorized", "Invalid API key", "This key is unknown.")


def _unauthorized(code: str, error: str, message: str) -> ApiError:
    return ApiError(401, code, error, message, headers={"WWW-Authenticate": "Bearer"})


class _Bearer(SecurityBase):
    """How the API document describes the key. As a dependency it only hands on what `identify.Identify` has found out:
    FastAPI takes a request apart anew for every dependency, so a route has one.
    """

    def __init__(self) -> None:
        self.model = HTTPBearerModel(bearerFormat="fl_...", description="Your organization's API key.")
        self.scheme_name = "BearerAuth"


class _CurrentIdentity(_Bearer):
    async def __call__(self, request: Request) -> Identity:
        """Raises `ApiError` (401)."""
        return authenticate(request)


class _CurrentOrganization(_Bearer):
    async def __call__(self, request: Request) -> str:
        """Raises `ApiError` (401)."""
        return authenticate(request).organization_id


Caller = Annotated[str, Security(_CurrentOrganization())]
"""Type of a route's parameter that receives the id of the asking organization."""

CallerIdentity = Annotated[Identity, Security(_CurrentIdentity())]
"""The same with the id of the key."""
