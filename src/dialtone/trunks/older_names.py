"""A trunk written by older names, in today's."""

from collections.abc import Mapping
from typing import Any

from dialtone.platform.errors import invalid
from dialtone.platform.problems import problem
from dialtone.trunks.addresses import join, split

_RENAMED = {"username": "auth_username", "password": "auth_password", "outbound_address": "address"}


def modern(given: Mapping[str, Any], stored_address: str | None) -> tuple[dict[str, Any], list[str]]:
    """`given` by today's names, and the older names that had no effect because today's was given too.

    `stored_address` is the address of the trunk that `given` changes. Raises `ApiError` (400).
    """
    values = dict(given)
    ignored = []
    for older, name in _RENAMED.items():
        if older in values:
            value = values.pop(older)
            if name in values:
                ignored.append(older)
            elif name != "address" or value is not None:
                values[name] = value
    host, port = values.pop("host", None), values.pop("port", None)
    if "address" in values:
        ignored += [name for name in ("host", "port") if name in given]
    elif host is not None or port is not None:
        values["address"] = _address(host or stored_address, port, keep_port=host is not None)
    return values, ignored


def _address(address: str | None, port: int | None, *, keep_port: bool) -> str:
    """`port` beside a `host`, or in place of the stored address's port."""
    if address is None:
        raise invalid([problem("host", "is required beside port")])
    host, own_port = split(address)
    if keep_port and None not in (port, own_port) and port != own_port:
        raise invalid([problem("port", f"must equal the port in host, which is {own_port}", port)])
    return join(host, port or own_port)
