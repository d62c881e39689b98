"""Which network addresses customers may have us connect to (server-side request forgery, OWASP API7:2023)."""

import ipaddress

from yarl import URL

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH = 2048

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        "100.64.0.0/10",  # RFC 6598, carrier-grade NAT
        *("::1/128", "fc00::/7"),
    )
)
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::254/128"),  # clouds' metadata
        "192.0.0.0/24",  # RFC 6890, protocol assignments
        "fec0::/10",  # RFC 3879, site-local
        "3fff::/20",  # RFC 9637, documentation
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052


def may_connect(address: IPAddress, *, allow_private: bool) -> bool:
    """Whether `address` is public, or loopback or private where `allow_private`.

    Link-local addresses (clouds' metadata services are there), multicast and reserved ones are never allowed.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        embedded = _embedded_ipv4(address)
        if embedded is not None:
            return may_connect(embedded, allow_private=allow_private)
    if any(address in network for network in _NEVER):
        return False
    if any(address in network for network in _PRIVATE):
        return allow_private
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_link_local)


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def check_url(url: str, *, allow_private_addresses: bool) -> URL:
    """Check what can be checked without asking the network, and return the URL parsed.

    A name that resolves to a private address is found out only by `GuardedHttp`, at every request.
    Raises `ValueError` in words fit for an API's error; the URL's path and query are not in them.
    """
    if len(url) > MAX_URL_LENGTH:
        raise ValueError(f"must be at most {MAX_URL_LENGTH} characters (got {len(url)})")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("must not contain spaces or control characters")
    try:
        parsed = URL(url)
    except ValueError as error:
        raise ValueError("must be a valid http or https URL") from error
    if parsed.scheme not in ("http", "https"):
        raise ValueError(f"must be an http or https URL (got scheme {parsed.scheme!r})")
    if parsed.user is not None or parsed.password is not None:
        raise ValueError("must not contain a user name or password")
    _check_host(parsed.raw_host, allow_private=allow_private_addresses)
    return parsed


def _check_host(host: str | None, *, allow_private: bool) -> None:
    if not host:
        raise ValueError("must name a host")
    name = host.rstrip(".").lower()
    literal = _literal_address(host)
    if literal is not None:
        if not may_connect(literal, allow_private=allow_private):
            raise ValueError(f"must not lead to the non-public address {host}")
    elif not allow_private and (name == "localhost" or name.endswith(".localhost")):
        raise ValueError(f"must not lead to this machine itself ({host})")


def _literal_address(host: str) -> IPAddress | None:
    """The address `host` spells out, or None if it is a name. Raises `ValueError` for an odd spelling.

    Systems read 127.1, 0x7f000001, 017700000001 and 2130706433 all as 127.0.0.1 (inet_aton(3)). Rather than
    follow every reader's rules, whatever ends in a number must be written as the standard has it.
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    last = host.rstrip(".").rpartition(".")[2]
    if ":" in host or last.isdigit() or last.lower().startswith("0x"):
        raise ValueError(f"must spell an address as four decimal numbers or in IPv6 form (got {host})")
    return None
