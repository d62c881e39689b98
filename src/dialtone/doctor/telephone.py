"""`dialtone doctor sip`: all that telephone calls need, from the server's own addresses to its trunks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from dialtone.doctor import audio, carriers, certificate, listeners, ports, records, running, trunks
from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.doctor.records import MAX_TRUNKS, Records, UnreadableError
from dialtone.settings import Settings
from dialtone.sip.admission import Admission, RequestFacts, Silence
from dialtone.sip.endpoint import Options
from dialtone.sip.errors import SipError
from dialtone.sip.transports import Listener
from dialtone.sip.user_agent import UserAgent
from dialtone.telephony.options import TelephoneOptions, telephone_options
from dialtone.telephony.public_address import stun_server
from dialtone.trunks.examining import ExaminedTrunk

TRUNKS_AT_ONCE = 20


async def examine(settings: Settings, trunk_id: str | None, patience: float) -> list[Finding]:
    """All findings, in order. Every question to somebody else has `patience` seconds for its answer.

    `trunk_id`: the only trunk to examine; None = all that are active, up to 200.
    """
    found, runs = await running.examine(settings, patience)
    findings = [found]
    try:
        options = telephone_options(settings)
    except ValueError as problem:
        findings.append(failed("settings", f"{problem}.", "Correct it; the server would not start with it."))
        return findings
    stored, about_records = await _records(settings, trunk_id)
    if options is None:
        fix = "Set it, e.g. DIALTONE_SIP_LISTEN=udp://0.0.0.0:5060,tcp://0.0.0.0:5060, and restart the server."
        findings.append(failed("settings", "There is no telephone: DIALTONE_SIP_LISTEN is not set.", fix))
        findings += about_records
    else:
        findings += await _own(settings, options, patience, runs=runs)
        findings += about_records
        findings += await _outside(settings, options, stored, patience, runs=runs)
    if stored is not None:
        findings += carriers.examine(settings, stored.carriers)
    return findings


async def _records(settings: Settings, trunk_id: str | None) -> tuple[Records | None, list[Finding]]:
    try:
        stored = await records.read(settings, trunk_id)
    except UnreadableError as problem:
        return None, [problem.finding]
    if stored.has_more:
        words = f"There are more than {MAX_TRUNKS} active ones; only the newest are examined."
        return stored, [warning("trunks", words, "Name one: --trunk ID.")]
    if trunk_id is not None and not stored.trunks:
        return stored, [failed("trunks", "No active trunk has this id.", "See GET /sip-trunks.")]
    if not stored.trunks and not stored.carriers:
        return stored, [warning("trunks", "There is no active one: nobody can call.", "Make one: POST /sip-trunks.")]
    return stored, []


async def _own(settings: Settings, options: TelephoneOptions, patience: float, *, runs: bool) -> list[Finding]:
    """What concerns this machine alone."""
    listening = options.sip.transports.listeners
    findings = [await listeners.examine(listener, patience, runs=runs) for listener in listening]
    with_tls = next((listener for listener in listening if listener.transport == "tls"), None)
    if with_tls is not None and settings.sip_tls_certificate is not None:
        findings.append(await certificate.examine(settings.sip_tls_certificate, with_tls, patience, runs=runs))
    findings.append(await ports.examine(settings, options.ports, listening[0].host, runs=runs))
    return findings


async def _outside(
    settings: Settings, options: TelephoneOptions, stored: Records | None, patience: float, *, runs: bool
) -> list[Finding]:
    """What others say: a user agent of the doctor's own asks them, with the server's addresses but other ports."""
    own = tuple(each for each in options.sip.transports.listeners if audio.is_own(each.host))
    if not own:
        words = "No address of DIALTONE_SIP_LISTEN is this machine's, so nobody was asked."
        return [failed("trunks", words, "See the findings about listeners.")]
    places = asyncio.Semaphore(TRUNKS_AT_ONCE)
    async with _user_agent(options.sip, own) as agent:

        async def one(trunk: ExaminedTrunk) -> trunks.Examined:
            async with places:
                return await trunks.examine(agent.endpoint, trunk, patience, runs=runs)

        findings = [await _public_address(settings, options, agent, patience)]
        examined = await asyncio.gather(*map(one, stored.trunks if stored is not None else ()))
        return findings + await _audio(options, agent, examined)


async def _audio(options: TelephoneOptions, agent: UserAgent, examined: Iterable[trunks.Examined]) -> list[Finding]:
    findings: list[Finding] = []
    addresses: dict[str, str] = {}
    """Own addresses, and where audio for them is received."""
    for each in examined:
        findings += each.findings
        seen = audio.address_for(agent, each.what, each.host) if each.host is not None else None
        if seen is not None:
            addresses[seen.address] = _received_at(options.sip, seen.address)
            findings += [seen.warning] if seen.warning is not None else []
    for address, bound in sorted(addresses.items()):
        findings.append(await audio.examine(options.ports, bound, address))
    return findings


async def _public_address(settings: Settings, options: TelephoneOptions, agent: UserAgent, patience: float) -> Finding:
    what, named = "public address", options.sip.transports.public_address
    if settings.sip_stun is None:
        shown = "that of the network card is named" if named is None else f"{named} is named"
        words = f"DIALTONE_SIP_STUN is not set, so nobody was asked whether others see what they are told: {shown}."
        return ok(what, words)
    try:
        async with asyncio.timeout(patience):
            server = await stun_server(settings.sip_stun, agent)
    except (SipError, OSError):
        words = f"The STUN server {settings.sip_stun} is not found."
        return failed(what, words, "Set DIALTONE_SIP_STUN to a host with a port, like stun.example.com:3478.")
    if named is None:  # the server learns it so, too
        with contextlib.suppress(SipError, TimeoutError):
            async with asyncio.timeout(patience):
                await agent.learn_public_address(server)
    return await audio.public_address(agent, options.ports, _received_at(options.sip, server[0]), server, patience)


def _received_at(sip: Options, address: str) -> str:
    """Where the server receives audio that comes to an address of this family, as `SipPhone` has it."""
    is_ipv6 = ":" in address
    hosts = [each.host for each in sip.transports.listeners if (":" in each.host) == is_ipv6]
    return hosts[0] if hosts else "::" if is_ipv6 else "0.0.0.0"


@contextlib.asynccontextmanager
async def _user_agent(sip: Options, listening: Iterable[Listener]) -> AsyncIterator[UserAgent]:
    """Like the server's at these listeners, but at ports of its own."""
    elsewhere = tuple(replace(listener, port=0) for listener in listening)
    options = replace(sip, transports=replace(sip.transports, listeners=elsewhere))
    agent = UserAgent(options, lambda event: None, _nobody)
    await agent.open()
    try:
        yield agent
    finally:
        await agent.endpoint.close()


async def _nobody(facts: RequestFacts) -> Admission:
    return Silence()
