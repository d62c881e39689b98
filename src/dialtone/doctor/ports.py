"""Are there ports for the audio of as many calls as the server takes?"""

import asyncio

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.media.rtp.ports import PortPool
from dialtone.settings import Settings

WHAT = "audio ports"
_SETTING = "DIALTONE_RTP_PORTS"


async def examine(settings: Settings, pool: PortPool, host: str, *, runs: bool) -> Finding:
    """`host`: where audio is received. `runs`: the server does, so that its live calls have some of the ports."""
    pairs = pool.free
    try:
        taken = await asyncio.to_thread(pool.taken, host)
    except OSError:
        fix = "Name an address of this machine in DIALTONE_SIP_LISTEN."
        return failed(WHAT, f"None can be had at {host}, which is not this machine's.", fix)
    if taken == pairs:
        return failed(WHAT, f"All of {settings.rtp_ports} are taken.", f"Choose another range: {_SETTING}.")
    usable = pairs if runs else pairs - taken
    if usable < settings.max_calls:
        words = f"{settings.rtp_ports} has room for {usable} calls, and the server takes {settings.max_calls}."
        fix = f"Widen {_SETTING} (two ports for each call) and open it in the firewall, or lower DIALTONE_MAX_CALLS."
        return warning(WHAT, words, fix)
    return ok(WHAT, f"{settings.rtp_ports} has room for {usable} calls; the server takes {settings.max_calls}.")
