"""Can calls reach the addresses that the server listens on?"""

import asyncio
import errno
import ipaddress
import os
import socket

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.sip.transports import Listener
from dialtone.sip.uri import host_in_uri

_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_SETTING = "DIALTONE_SIP_LISTEN"


async def examine(listener: Listener, patience: float, *, runs: bool) -> Finding:
    """`runs`: the server does, and so has the address."""
    what = name(listener)
    if listener.port == 0:
        return warning(what, "The port is another one at every start.", f"Name a port in {_SETTING}, like 5060.")
    try:
        _bind(listener)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE:
            return _not_to_be_had(what, problem)
        return await _taken(listener, patience, runs=runs)
    if runs:
        fix = f"Start the server with this {_SETTING}, or run the doctor with the server's environment."
        return failed(what, "The server runs, but does not listen here.", fix)
    return _within_reach(listener, "The address is free for the server.")


def name(listener: Listener) -> str:
    return f"listener {listener.transport}://{host_in_uri(listener.host)}:{listener.port}"


def local_address(listener: Listener) -> tuple[str, int]:
    """Where this machine reaches a listener."""
    return _LOCAL.get(listener.host, listener.host), listener.port


def _bind(listener: Listener) -> None:
    """Raises `OSError` where the address can't be had."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if listener.transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before don't count
        probe.bind((listener.host, listener.port))


def _not_to_be_had(what: str, problem: OSError) -> Finding:
    if problem.errno == errno.EADDRNOTAVAIL:
        fix = f"Name an address of this machine in {_SETTING}, or 0.0.0.0; one that only others see belongs into "
        return failed(what, "This machine does not have the address.", f"{fix}DIALTONE_SIP_PUBLIC_ADDRESS.")
    if problem.errno == errno.EACCES:
        return failed(what, "This user may not listen here.", f"Name a port above 1023 in {_SETTING}.")
    words = os.strerror(problem.errno) if problem.errno is not None else type(problem).__name__
    return failed(what, f"The address can't be listened on: {words}.", f"Name another one in {_SETTING}.")


async def _taken(listener: Listener, patience: float, *, runs: bool) -> Finding:
    what = name(listener)
    if not runs:
        fix = f"Stop it, or name another port in {_SETTING}; if it is the server, tell the doctor its --port."
        return failed(what, "Another program listens here.", fix)
    if listener.transport != "udp":
        try:
            async with asyncio.timeout(patience):
                _, writer = await asyncio.open_connection(*local_address(listener))
        except (OSError, TimeoutError):
            fix = "Let the machine's own firewall pass the port, and see the server's log."
            return failed(what, "The address is taken, but takes no connection.", fix)
        writer.close()
    return _within_reach(listener, "The server listens here.")


def _within_reach(listener: Listener, words: str) -> Finding:
    if ipaddress.ip_address(listener.host).is_loopback:
        fix = f"Name 0.0.0.0 in {_SETTING}, unless the trunks' servers run on this machine."
        return warning(name(listener), f"{words} Only this machine can reach it.", fix)
    return ok(name(listener), words)
