"""The address at which HTTP is served."""

import asyncio
import errno
import os
import socket
from typing import Any

_CHOOSE_PORT = "choose another one with --port or DIALTONE_PORT (0 picks a free one)"
_CHOOSE_HOST = "choose one with --host or DIALTONE_HOST (0.0.0.0 stands for all)"


async def listen(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listening sockets, one for each address of the host. Raises `OSError` in words that say what to do.

    Left to itself, uvicorn would log a bare line and end the process.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        raise OSError(f"{host} is not found: {_CHOOSE_HOST}") from None
    listening: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listening.append(_listen(family, address, backlog))
    except OSError as problem:
        for each in listening:
            each.close()
        raise OSError(_in_words(problem, host, port)) from None
    return listening


def _listen(family: int, address: tuple[Any, ...], backlog: int) -> socket.socket:
    # With its protocol named: asyncio sends small pieces at once (TCP_NODELAY) only where it sees that this is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before don't count
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made


def _in_words(problem: OSError, host: str, port: int) -> str:
    match problem.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is in use: stop the program that has it, or {_CHOOSE_PORT}"
        case errno.EACCES:
            return f"this user may not listen on port {port} of {host}: {_CHOOSE_PORT}"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine: {_CHOOSE_HOST}"
        case number:
            words = os.strerror(number) if number is not None else str(problem)
            return f"port {port} of {host} can't be listened on ({words}): {_CHOOSE_PORT}"
