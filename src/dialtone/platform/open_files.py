"""How many files and sockets this process may have open."""

import sys

WANTED = 65_536
"""A call has two sockets for audio and some more to vendors; strangers' connections to the telephone may be 2000."""


def allow_many() -> int | None:
    """Raise the limit as far as the system lets anybody (systemd starts services with 1024, of 524,288 that they may
    have), and return it; None where there is none.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft  # some systems have a lower limit of their own
    return wanted
