"""Does the server run?"""

import aiohttp

from dialtone.doctor.finding import Finding, ok, warning
from dialtone.settings import Settings

WHAT = "server"
_ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


async def examine(settings: Settings, patience: float) -> tuple[Finding, bool]:
    """The finding, and whether it runs."""
    if settings.port == 0:
        words = "Nobody knows at which port the server answers: DIALTONE_PORT is 0."
        return warning(WHAT, words, "Give the running server's port with --port."), False
    host = _ANY.get(settings.host) or (f"[{settings.host}]" if ":" in settings.host else settings.host)
    url = f"http://{host}:{settings.port}"
    limit = aiohttp.ClientTimeout(total=patience)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(f"{url}/health") as answer:
            version = (await answer.json())["version"]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        fix = "Start it (`dialtone serve`), or give --host and --port where it answers elsewhere."
        return warning(WHAT, f"No server answers at {url}; what needs none is examined.", fix), False
    return ok(WHAT, f"Version {version} answers at {url}."), True
