"""Where a trunk is reached, and where its calls come from: host names, IP addresses, networks."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from dialtone.platform.fields import rule

DEFAULT_PORT = 5060
"""For UDP and TCP (RFC 3261 section 19.1.2)."""
DEFAULT_TLS_PORT = 5061

_PORT = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
"""RFC 1123 section 2.1."""


def split(address: str) -> tuple[str, int | None]:
    """Host and port of an address: `sip.example.com:5070`, `192.0.2.1`, `[2001:db8::1]:5060`, `2001:db8::1`.

    The host comes back in one spelling, without brackets. Raises `ValueError`.
    """
    if address.count(":") > 1 and not address.startswith("["):
        return _ipv6(address), None
    if address.startswith("["):
        inside, closed, rest = address[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("brackets")
        return _ipv6(inside), _port(rest[1:]) if rest else None
    host, colon, port = address.partition(":")
    return _host(host.lower().removesuffix(".")), _port(port) if colon else None


def join(host: str, port: int | None) -> str:
    """The address as it is stored and shown."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _ipv6(text: str) -> str:
    address = ipaddress.IPv6Address(text)
    if address.scope_id is not None:
        raise ValueError("scope")
    return str(address)


def _host(name: str) -> str:
    # What ends in a number is an IPv4 address, and has only one spelling (RFC 1123 section 2.1).
    if name.rpartition(".")[2].isdigit():
        return str(ipaddress.IPv4Address(name))
    if not _NAME.fullmatch(name):
        raise ValueError("name")
    return name


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError("port")
    return int(text)


def _address(value: str) -> str:
    try:
        return join(*split(value))
    except ValueError:
        raise rule(
            "must be a host name or IP address, with a port from 1 to 65535 or without, like sip.example.com:5060"
        ) from None


def _network(value: str) -> str:
    try:
        if "%" in value:  # a zone, which Python's parser lets pass
            raise ValueError("zone")
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise rule("must be an IP address or a network like 192.0.2.0/24") from None
    return str(network) if "/" in value else str(network.network_address)


SipAddress = Annotated[str, Field(max_length=262), AfterValidator(_address)]
Network = Annotated[str, Field(max_length=64), AfterValidator(_network)]
