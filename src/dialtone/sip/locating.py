"""Which servers to try for a URI, best first (RFC 3263)."""

import ipaddress
import random
from typing import cast

from dialtone.sip.dns import Pointer, Resolver, Service
from dialtone.sip.errors import TransportError
from dialtone.sip.flow import DEFAULT_PORTS, Target, Transport
from dialtone.sip.uri import Uri

MAX_TARGETS = 8

_SERVICES: dict[str, Transport] = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_PREFIXES: dict[Transport, str] = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}


async def locate(uri: Uri, resolver: Resolver) -> list[Target]:
    """The servers for a SIP URI, each host in as many targets as it has addresses. Raises `TransportError`."""
    if not uri.is_sip:
        raise TransportError("a URI that is no SIP address")
    wanted = _wanted_transport(uri)
    host = uri.bare_host
    if _is_address(host):
        transport = wanted or "udp"
        return [Target(transport, host, uri.port or DEFAULT_PORTS[transport], host)]
    if uri.port is not None:
        transport = wanted or "udp"
        return await _at_host(host, uri.port, transport, host, resolver)
    targets: list[Target] = []
    for transport, name in await _service_names(uri, wanted, resolver):
        for service in _in_order(await resolver.services(name)):
            targets += await _at_host(service.host, service.port, transport, host, resolver, missing=True)
            if len(targets) >= MAX_TARGETS:
                return targets[:MAX_TARGETS]
    if targets:
        return targets
    transport = wanted or "udp"
    return await _at_host(host, DEFAULT_PORTS[transport], transport, host, resolver)


def _wanted_transport(uri: Uri) -> Transport | None:
    named = uri.transport
    if uri.scheme == "sips" or named == "tls":
        return "tls"
    if named is None:
        return None
    if named not in DEFAULT_PORTS:
        raise TransportError("a URI with a transport that we do not speak")
    return cast(Transport, named)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _at_host(
    host: str, port: int, transport: Transport, server_name: str, resolver: Resolver, *, missing: bool = False
) -> list[Target]:
    """One target for each address of a host. With `missing`, a host without any is left out instead of an error."""
    try:
        addresses = [host] if _is_address(host) else await resolver.addresses(host)
    except TransportError:
        if missing:
            return []
        raise
    if not addresses and not missing:
        raise TransportError("a host name without an address", "name_not_found")
    return [Target(transport, address, port, server_name) for address in addresses[:MAX_TARGETS]]


async def _service_names(uri: Uri, wanted: Transport | None, resolver: Resolver) -> list[tuple[Transport, str]]:
    """Transports and the names of their SRV records (RFC 3263 section 4.1)."""
    host = uri.bare_host
    if wanted is not None:
        return [(wanted, _PREFIXES[wanted] + host)]
    pointers = [pointer for pointer in await resolver.pointers(host) if pointer.flags == "s"]
    pointers.sort(key=_rank)
    found = [(_SERVICES[pointer.service], pointer.replacement) for pointer in pointers if pointer.service in _SERVICES]
    return found or [(transport, _PREFIXES[transport] + host) for transport in ("udp", "tcp")]


def _rank(pointer: Pointer) -> tuple[int, int]:
    return pointer.order, pointer.preference


def _in_order(services: list[Service]) -> list[Service]:
    """By priority, and within one by chance in proportion to weight (RFC 2782)."""
    ordered: list[Service] = []
    for priority in sorted({service.priority for service in services}):
        group = [service for service in services if service.priority == priority]
        while group:
            weights = [service.weight + 0.01 for service in group]
            chosen = random.choices(group, weights)[0]
            group.remove(chosen)
            ordered.append(chosen)
    return [service for service in ordered if service.host not in ("", ".")]
