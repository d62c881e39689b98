"""Whose trunk is at which IP address."""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Collection
from functools import lru_cache

from dialtone.platform.db import Database
from dialtone.sip.dns import Resolver
from dialtone.sip.errors import SipError
from dialtone.sip.locating import locate
from dialtone.sip.uri import host_in_uri, parse_uri
from dialtone.trunks.service import CallingTrunk, Trunks

logger = logging.getLogger(__name__)

HIT_SECONDS = 5.0
"""How long an address that was a trunk's may be taken for it without asking the database again."""
MISS_SECONDS = 1.0
"""Strangers make the database be asked at most once in so long, all together."""
NAME_SECONDS = 300.0
"""How long the addresses of a host name are remembered."""
AGAIN_SECONDS = 10.0
"""When a name whose addresses were not found is looked up again."""
LOOKUP_SECONDS = 3.0
"""For all names together: a call waits for that."""
LOOKUPS_AT_ONCE = 20

WIDEST = {4: 16, 6: 32}
"""Prefix lengths, by IP version. A trunk whose calls could come from half of the world would let all strangers in, whom
the user agent then no longer holds back.
"""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrunkDirectory:
    """All active trunks, and where their calls come from. Its knowledge is seconds old at most."""

    def __init__(self, database: Database, trunks: Trunks, resolver: Resolver) -> None:
        self._database = database
        self._trunks = trunks
        self._resolver = resolver
        self._read_at = float("-inf")
        self._entries: list[tuple[CallingTrunk, tuple[_Network, ...]]] = []
        self._names: dict[tuple[str, int | None, str], tuple[float, tuple[str, ...]]] = {}
        """Host, port and transport of trunks; when they were looked up, and their addresses."""
        self._reading = asyncio.Lock()

    async def at(self, source: str) -> list[CallingTrunk]:
        """The trunks whose calls come from this IP address."""
        await self._refresh(HIT_SECONDS)
        found = self._matching(source)
        if not found and await self._refresh(MISS_SECONDS):
            found = self._matching(source)
        return found

    async def of(self, organization_id: str) -> list[CallingTrunk]:
        """An organization's trunks."""
        await self._refresh(MISS_SECONDS)
        return [trunk for trunk, _ in self._entries if trunk.organization_id == organization_id]

    def _matching(self, source: str) -> list[CallingTrunk]:
        address = ipaddress.ip_address(source)
        return [trunk for trunk, networks in self._entries if any(address in network for network in networks)]

    async def _refresh(self, seconds: float) -> bool:
        """Read the trunks anew if that was done longer than `seconds` ago. Was it?"""
        async with self._reading:
            loop = asyncio.get_running_loop()
            if loop.time() - self._read_at < seconds:
                return False
            async with self._database.read() as session:
                trunks = await self._trunks.calling(session)
            await self._look_up(trunks)
            self._entries = [(trunk, self._networks(trunk)) for trunk in trunks]
            self._read_at = loop.time()
            return True

    async def _look_up(self, trunks: Collection[CallingTrunk]) -> None:
        """Find the addresses of host names that are new or long known."""
        now = asyncio.get_running_loop().time()
        keys = {_key(trunk) for trunk in trunks if not _is_address(trunk.host)}
        self._names = {key: known for key, known in self._names.items() if key in keys}
        due = [key for key in keys if key not in self._names or now - self._names[key][0] > NAME_SECONDS]
        places = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def look_up(key: tuple[str, int | None, str]) -> None:
            before = self._names[key][1] if key in self._names else ()
            self._names[key] = (now - NAME_SECONDS + AGAIN_SECONDS, before)
            host, port, transport = key
            written = host_in_uri(host) if port is None else f"{host_in_uri(host)}:{port}"
            try:
                async with places:
                    targets = await locate(parse_uri(f"sip:{written};transport={transport}"), self._resolver)
            except (SipError, OSError) as error:
                logger.warning("the address of a SIP trunk can't be found: %s (%s)", host, type(error).__name__)
            else:
                self._names[key] = (now, tuple({target.host for target in targets}))

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKUP_SECONDS):
                await asyncio.gather(*map(look_up, due))

    def _networks(self, trunk: CallingTrunk) -> tuple[_Network, ...]:
        hosts = [trunk.host] if _is_address(trunk.host) else list(self._names[_key(trunk)][1])
        networks = (_network(written) for written in (*hosts, *trunk.inbound_addresses))
        return tuple(network for network in networks if network.prefixlen >= WIDEST[network.version])


@lru_cache(maxsize=50_000)
def _network(written: str) -> _Network:
    return ipaddress.ip_network(written, strict=False)


def _key(trunk: CallingTrunk) -> tuple[str, int | None, str]:
    return trunk.host, trunk.port, trunk.transport


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
