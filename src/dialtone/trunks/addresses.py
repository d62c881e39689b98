"""Where a trunk is reached, and where its calls come from: host names, IP addresses, networks."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field

from dialtone.platform.fields import Matches
from dialtone.platform.patterns import HOST_NAME, IPV4, IPV6, PORT

_ADDRESS = rf"({IPV4}|{HOST_NAME}\.?)(:{PORT})?|{IPV6}|\[{IPV6}\](:{PORT})?"
WIDEST = {4: 16, 6: 32}
"""Prefix lengths of the widest networks that calls may come from, by IP version. A trunk whose calls could come from
half of the world would let all strangers in, whom the user agent then no longer holds back.
"""
_NETWORK = rf"{IPV4}(/(1[6-9]|2[0-9]|3[0-2]))?|{IPV6}(/(3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-8]))?"


def split(address: str) -> tuple[str, int | None]:
    """Host and port of a `SipAddress`: `sip.example.com:5070`, `192.0.2.1`, `[2001:db8::1]:5060`, `2001:db8::1`.

    The host comes back in one spelling, without brackets.
    """
    if address.startswith("["):
        inside, _, port = address[1:].partition("]")
        return str(ipaddress.IPv6Address(inside)), int(port[1:]) if port else None
    if address.count(":") > 1:
        return str(ipaddress.IPv6Address(address)), None
    host, _, port = address.partition(":")
    return host.lower().removesuffix("."), int(port) if port else None


def join(host: str, port: int | None) -> str:
    """The address as it is stored and shown."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _one_spelling(address: str) -> str:
    return join(*split(address))


def _network(value: str) -> str:
    network = ipaddress.ip_network(value, strict=False)
    return str(network) if "/" in value else str(network.network_address)


SipAddress = Annotated[
    str,
    Field(max_length=253),
    Matches(
        _ADDRESS, "must be a host name or IP address, with a port from 1 to 65535 or without, like sip.example.com:5060"
    ),
    AfterValidator(_one_spelling),
]
"""A host name has at most 253 characters (RFC 1035 section 3.1)."""
Network = Annotated[
    str,
    Field(max_length=64),
    Matches(
        _NETWORK,
        "must be an IP address or a network like 192.0.2.0/24, none wider than "
        f"/{WIDEST[4]} (IPv6: /{WIDEST[6]}), which would let strangers in",
    ),
    AfterValidator(_network),
]
