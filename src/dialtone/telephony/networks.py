"""Which trunks' calls come from an IP address, found without looking at every trunk."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from dialtone.trunks.addresses import WIDEST

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Key = tuple[int, int, int]
"""IP version, prefix length, and the network's address without the bits that follow."""


class NetworkTable:
    """Ids of trunks by networks. A look-up costs one step for each length of prefix that occurs."""

    def __init__(self) -> None:
        self._trunks: dict[_Key, set[str]] = {}
        self._keys: dict[str, list[_Key]] = {}
        self._lengths: dict[tuple[int, int], int] = {}
        """How many networks have a prefix of this length, by IP version and length."""

    def put(self, trunk_id: str, networks: Iterable[Network]) -> None:
        """From now on a trunk's calls come from these, and from nowhere else. Networks wider than those that are taken
        today, which older trunks may name, let nobody in.
        """
        self.remove(trunk_id)
        keys = list({_key(network) for network in networks if network.prefixlen >= WIDEST[network.version]})
        if not keys:
            return
        self._keys[trunk_id] = keys
        for key in keys:
            if key not in self._trunks:
                self._trunks[key] = set()
                self._lengths[key[:2]] = self._lengths.get(key[:2], 0) + 1
            self._trunks[key].add(trunk_id)

    def remove(self, trunk_id: str) -> None:
        for key in self._keys.pop(trunk_id, ()):
            self._trunks[key].discard(trunk_id)
            if not self._trunks[key]:
                del self._trunks[key]
                self._lengths[key[:2]] -= 1
                if not self._lengths[key[:2]]:
                    del self._lengths[key[:2]]

    def at(self, source: str) -> set[str]:
        """Ids of the trunks whose calls come from this address."""
        address = ipaddress.ip_address(source)
        found: set[str] = set()
        for version, length in self._lengths:
            if version == address.version:
                found |= self._trunks.get((version, length, int(address) >> (address.max_prefixlen - length)), set())
        return found


@lru_cache(maxsize=50_000)
def network(written: str) -> Network:
    """Raises `ValueError` for anything else."""
    return ipaddress.ip_network(written, strict=False)


def _key(each: Network) -> _Key:
    return each.version, each.prefixlen, int(each.network_address) >> (each.max_prefixlen - each.prefixlen)
