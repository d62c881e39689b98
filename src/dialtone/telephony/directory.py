"""Whose trunk is at which IP address, and which trunks an organization has."""

import asyncio
import contextlib
import ipaddress
import logging
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from dialtone.platform.db import Database, now
from dialtone.platform.numbering import Numbering
from dialtone.sip.dns import Resolver
from dialtone.sip.errors import SipError
from dialtone.sip.locating import locate
from dialtone.sip.uri import host_in_uri, parse_uri
from dialtone.telephony.networks import Network, NetworkTable, network
from dialtone.trunks.service import MAX_READ, Trunks
from dialtone.trunks.uses import CallingTrunk

logger = logging.getLogger(__name__)

HIT_SECONDS = 5.0
"""How long an address that was a trunk's may be taken for it without asking the database again."""
MISS_SECONDS = 1.0
"""Strangers make the database be asked at most once in so long, all together."""
WHOLE_SECONDS = 60.0
"""How often all trunks are read; in between those that changed, as long as none is missing."""
CLOCKS_SECONDS = 30.0
"""By how much the clocks of the machines that change trunks may differ without a change being seen later."""
NAME_SECONDS = 300.0
"""How long the addresses of a host name are remembered."""
AGAIN_SECONDS = 10.0
"""When a name whose addresses were not found is looked up again."""
LOOKUP_SECONDS = 3.0
"""For all names together: a call waits for that."""
LOOKUPS_AT_ONCE = 20

_Name = tuple[str, int | None, str]
"""Host, port and transport."""


class TrunkDirectory:
    """All active trunks, and where their calls come from. Its knowledge is seconds old at most."""

    def __init__(self, database: Database, trunks: Trunks, resolver: Resolver) -> None:
        self._database = database
        self._trunks = trunks
        self._resolver = resolver
        self._read_at = self._whole_at = float("-inf")
        self._is_stale = False
        """This process has changed a trunk since what is known was read."""
        self._changed_since = now()
        """What was read last holds all changes until then."""
        self._known: dict[str, CallingTrunk] = {}
        """All of the deployment, by id."""
        self._owned: dict[str, set[str]] = {}
        """Ids of active trunks by their organizations."""
        self._named: dict[_Name, set[str]] = {}
        """Ids of active trunks by the names of their servers."""
        self._names: dict[_Name, tuple[float, tuple[str, ...]]] = {}
        """When names were looked up, and their addresses."""
        self._lost: set[_Name] = set()
        """Names whose addresses were not found when they were looked up last; that was logged."""
        self._numberings: Counter[Numbering] = Counter()
        """Of active trunks."""
        self._table = NetworkTable()
        self._reading = asyncio.Lock()

    def forget(self) -> None:
        """A trunk was made, changed or deleted: what is known is read again before it is used."""
        self._is_stale = True

    async def at(self, source: str) -> list[CallingTrunk]:
        """The trunks whose calls come from this IP address."""
        await self._refresh(HIT_SECONDS)
        found = self._table.at(source)
        if not found and await self._refresh(MISS_SECONDS):
            found = self._table.at(source)
        return self._sorted(found)

    async def of(self, organization_id: str) -> list[CallingTrunk]:
        """An organization's trunks."""
        await self._refresh(MISS_SECONDS)
        return self._sorted(self._owned.get(organization_id, ()))

    async def first(self, organization_id: str, trunk_id: str | None) -> CallingTrunk | None:
        """The organization's trunk with this id, or the one that calls go out by first; None where it is not there, or
        not active.
        """
        await self._refresh(HIT_SECONDS)
        trunks = self._sorted(self._owned.get(organization_id, ()))
        if trunk_id is not None:
            return next((trunk for trunk in trunks if trunk.id == trunk_id), None)
        return max(trunks, key=lambda trunk: (-trunk.priority, trunk.created_at, trunk.id), default=None)

    async def get(self, trunk_ids: Iterable[str]) -> list[CallingTrunk]:
        """Those of these trunks that are there still, and active."""
        await self._refresh(HIT_SECONDS)
        return self._sorted(trunk_id for trunk_id in trunk_ids if trunk_id in self._known)

    async def numberings(self) -> Collection[Numbering]:
        """All the ways in which trunks write numbers."""
        await self._refresh(MISS_SECONDS)
        return self._numberings.keys()

    def _sorted(self, trunk_ids: Iterable[str]) -> list[CallingTrunk]:
        found = (self._known[trunk_id] for trunk_id in sorted(trunk_ids))
        return [trunk for trunk in found if trunk.is_active]

    async def _refresh(self, seconds: float) -> bool:
        """Read what changed if that was done longer than `seconds` ago. Was it?"""
        async with self._reading:
            loop = asyncio.get_running_loop()
            if loop.time() - self._read_at < seconds and not self._is_stale:
                return False
            self._is_stale = False
            began = now()
            if loop.time() - self._whole_at >= WHOLE_SECONDS or not await self._read_changes():
                await self._read_all()
                self._whole_at = loop.time()
            self._changed_since = began
            await self._look_up()
            self._read_at = loop.time()
            return True

    async def _read_changes(self) -> bool:
        """False where there are fewer or more trunks than known: some were deleted."""
        async with self._database.read() as session:
            changed = await self._trunks.calling_since(session, self._changed_since - timedelta(seconds=CLOCKS_SECONDS))
            count = await self._trunks.count(session)
        for trunk in changed:
            self._put(trunk)
        return count == len(self._known)

    async def _read_all(self) -> None:
        """In pieces: the loop turns between two."""
        after, seen = None, set()
        while True:
            async with self._database.read() as session:
                some = await self._trunks.calling(session, after)
            for trunk in some:
                seen.add(trunk.id)
                self._put(trunk)
            if len(some) < MAX_READ:
                break
            after = some[-1].id
        for trunk_id in self._known.keys() - seen:
            self._remove(trunk_id)

    def _put(self, trunk: CallingTrunk) -> None:
        if self._known.get(trunk.id) == trunk:
            return
        self._remove(trunk.id)
        self._known[trunk.id] = trunk
        if not trunk.is_active:
            return
        self._owned.setdefault(trunk.organization_id, set()).add(trunk.id)
        self._numberings[trunk.numbering] += 1
        if not _is_address(trunk.host):
            self._named.setdefault(_name(trunk), set()).add(trunk.id)
        self._table.put(trunk.id, self._networks(trunk))

    def _remove(self, trunk_id: str) -> None:
        trunk = self._known.pop(trunk_id, None)
        if trunk is None or not trunk.is_active:
            return
        self._table.remove(trunk_id)
        self._numberings -= Counter((trunk.numbering,))
        _discard(self._owned, trunk.organization_id, trunk_id)
        _discard(self._named, _name(trunk), trunk_id)

    async def _look_up(self) -> None:
        """Find the addresses of host names that are new or long known."""
        at = asyncio.get_running_loop().time()
        self._names = {name: known for name, known in self._names.items() if name in self._named}
        self._lost &= self._named.keys()
        due = [name for name in self._named if name not in self._names or at - self._names[name][0] > NAME_SECONDS]
        places = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def look_up(name: _Name) -> None:
            before = self._names[name][1] if name in self._names else ()
            self._names[name] = (at - NAME_SECONDS + AGAIN_SECONDS, before)
            host, port, transport = name
            written = host_in_uri(host) if port is None else f"{host_in_uri(host)}:{port}"
            try:
                async with places:
                    targets = await locate(parse_uri(f"sip:{written};transport={transport}"), self._resolver)
            except (SipError, OSError) as error:
                if name not in self._lost:
                    self._lost.add(name)
                    logger.warning("the address of a SIP trunk can't be found: %s (%s)", host, type(error).__name__)
                return
            if name in self._lost:
                self._lost.remove(name)
                logger.info("the address of a SIP trunk is found again: %s", host)
            self._names[name] = (at, tuple({target.host for target in targets}))
            for trunk in self._sorted(self._named.get(name, ())):
                self._table.put(trunk.id, self._networks(trunk))

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKUP_SECONDS):
                await asyncio.gather(*map(look_up, due))

    def _networks(self, trunk: CallingTrunk) -> list[Network]:
        hosts: Collection[str] = [trunk.host]
        if not _is_address(trunk.host):
            hosts = self._names.get(_name(trunk), (0.0, ()))[1]
        return [network(written) for written in (*hosts, *trunk.inbound_addresses)]


def _name(trunk: CallingTrunk) -> _Name:
    return trunk.host, trunk.port, trunk.transport


def _discard(index: dict[Any, set[str]], key: object, trunk_id: str) -> None:
    ids = index.get(key)
    if ids is not None:
        ids.discard(trunk_id)
        if not ids:
            del index[key]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
