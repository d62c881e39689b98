"""Keeps strangers cheap: how often an address may be heard before anything it sends is looked at."""

import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MESSAGES_PER_SECOND = 20.0
"""From one address that we do not know."""
BURST = 60.0
STRANGERS_PER_SECOND = 400.0
"""From all of them together, so that a flood under false addresses leaves time for calls."""
STRANGERS_BURST = 800.0
HANDSHAKES_PER_SECOND = 50.0
"""TLS with all of them together: it takes a core longer than a message, and begins before any is heard."""
HANDSHAKES_BURST = 100.0
MAX_ADDRESSES = 20_000
"""Remembered of each kind; the one heard longest ago is forgotten first."""
REFUSALS_BEFORE_BLOCK = 10
BLOCK_SECONDS = 60.0
LONGEST_BLOCK_SECONDS = 3600.0
TRUST_SECONDS = 3600.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float

    def take(self, now: float, rate: float, burst: float) -> bool:
        self.tokens = min(burst, self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Stranger:
    bucket: _Bucket
    refusals: int = 0
    blocks: int = 0
    blocked_until: float = 0.0


class Guard:
    """Decides per datagram and connection. Peers that were let in, or that we send to, always pass."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._strangers: OrderedDict[str, _Stranger] = OrderedDict()
        self._trusted: OrderedDict[str, float] = OrderedDict()
        self._all = _Bucket(STRANGERS_BURST, now())
        self._handshakes = _Bucket(HANDSHAKES_BURST, now())
        self.turned_away = 0
        """Datagrams and pieces of streams that were not looked at."""

    def allows(self, host: str) -> bool:
        """Whether to look at what this IP address sent."""
        now = self._now()
        trusted_until = self._trusted.get(host)
        if trusted_until is not None and trusted_until > now:
            return True
        stranger = self._stranger(site_of(host), now)
        allowed = (
            stranger.blocked_until <= now
            and stranger.bucket.take(now, MESSAGES_PER_SECOND, BURST)
            and self._all.take(now, STRANGERS_PER_SECOND, STRANGERS_BURST)
        )
        self.turned_away += not allowed
        return allowed

    def allows_handshake(self) -> bool:
        """Whether to begin TLS with one more stranger."""
        return self._handshakes.take(self._now(), HANDSHAKES_PER_SECOND, HANDSHAKES_BURST)

    def trust(self, host: str) -> None:
        """This address was let in, or we send to it."""
        self._trusted[host] = self._now() + TRUST_SECONDS
        self._trusted.move_to_end(host)
        if len(self._trusted) > MAX_ADDRESSES:
            self._trusted.popitem(last=False)

    def is_trusted(self, host: str) -> bool:
        return self._trusted.get(host, 0.0) > self._now()

    def refuse(self, host: str) -> None:
        """This address asked for something and was not let in. Many refusals block it, each time for longer."""
        if self.is_trusted(host):
            return
        now = self._now()
        stranger = self._stranger(site_of(host), now)
        stranger.refusals += 1
        if stranger.refusals >= REFUSALS_BEFORE_BLOCK:
            stranger.refusals = 0
            stranger.blocked_until = now + min(LONGEST_BLOCK_SECONDS, BLOCK_SECONDS * 2**stranger.blocks)
            stranger.blocks = min(stranger.blocks + 1, 16)

    def _stranger(self, prefix: str, now: float) -> _Stranger:
        stranger = self._strangers.get(prefix)
        if stranger is None:
            stranger = self._strangers[prefix] = _Stranger(_Bucket(BURST, now))
            if len(self._strangers) > MAX_ADDRESSES:
                self._strangers.popitem(last=False)
        else:
            self._strangers.move_to_end(prefix)
        return stranger


def site_of(host: str) -> str:
    """An IPv4 address, or the network of an IPv6 address (/64) that usually belongs to one site."""
    return socket.inet_pton(socket.AF_INET6, host)[:8].hex() if ":" in host else host
