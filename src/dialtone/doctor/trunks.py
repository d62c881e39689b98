"""Does a trunk's server answer, and does it take this server's login?"""

import asyncio
from dataclasses import dataclass

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.lines.sip.line import in_words
from dialtone.lines.sip.no_answer import CERTIFICATE, why
from dialtone.lines.sip.server import SipServer
from dialtone.platform.crypto import SecretKeyError
from dialtone.sip.endpoint import Endpoint
from dialtone.sip.errors import SipError, TransportError
from dialtone.sip.events import Account, NoAnswer
from dialtone.sip.flow import Target
from dialtone.sip.locating import locate
from dialtone.sip.probing import Reply, ask_bindings, ask_options
from dialtone.sip.uri import parse_uri
from dialtone.trunks.examining import ExaminedTrunk

LOGIN_REFUSED = (401, 403, 407)
_CHECK_LOGIN = "Compare auth_username and auth_password with what the provider gave out."
_CHECK_WAY = "Compare the trunk's address and transport with the provider's, and see whether a firewall is between."
_CHECK_CERTIFICATE = (
    "Use the address that the certificate is for. It must count today, and be of an authority that this machine knows: "
    "SSL_CERT_FILE names a file with a private authority, or with the certificate of a PBX that vouches for itself."
)
_SOME_DO_NOT_ANSWER = (
    "Some answer only to addresses that are on record with them, and some never: for those set the trunk's keep_alive "
    "to false."
)
_CALL = "Place a call through it; GET /sip-trunks/{id}/events tells what became of that."


@dataclass(frozen=True, slots=True)
class Examined:
    what: str
    findings: list[Finding]
    host: str | None
    """IP address of the trunk's server; None where it has none."""


async def examine(endpoint: Endpoint, examined: ExaminedTrunk, patience: float, *, runs: bool) -> Examined:
    """Ask a trunk's server. Every question has `patience` seconds. `runs`: our server does."""
    trunk = examined.trunk
    what = f"trunk {trunk.name} ({trunk.id})"
    uri = SipServer(trunk.host, trunk.port, trunk.transport).uri
    try:
        async with asyncio.timeout(2 * patience):
            found = await locate(parse_uri(uri), endpoint.resolver)
    except (SipError, OSError):
        unknown = NoAnswer("name_not_found", trunk.host)
        return Examined(
            what, [failed(what, _in_words(unknown), "Compare the trunk's address with the provider's.")], None
        )
    targets = [target for target in found if endpoint.transports.speaks(target.transport, target.host)]
    if not targets:
        return Examined(what, [_not_spoken(what, found[0])], found[0].host)
    host = targets[0].host
    no_way = await _no_way(endpoint, what, trunk.host, targets, patience)
    if no_way is not None:
        return Examined(what, [no_way], host)
    reply = await ask_options(endpoint, uri, patience)
    findings = [_answered(what, trunk.host, targets, reply, examined)]
    login = await _login(endpoint, what, examined, patience, reachable=reply is not None)
    findings += [] if login is None else [login]
    registration = examined.registration
    if runs and registration is not None and registration["state"] == "pending":
        words = registration["reason"] or "The provider has not answered its registration yet."
        findings.append(warning(what, words, "Look again in a minute; GET /sip-trunks/{id} tells its `registration`."))
    return Examined(what, findings, host)


def _not_spoken(what: str, target: Target) -> Finding:
    ip = "IPv6" if ":" in target.host else "IPv4"
    listen = "udp://[::]:5060" if ":" in target.host else "udp://0.0.0.0:5060"
    words = f"Calls to it need UDP over {ip}, and DIALTONE_SIP_LISTEN has no such address."
    return failed(what, words, f"Add {listen} to DIALTONE_SIP_LISTEN, or choose the trunk's transport tcp.")


async def _no_way(endpoint: Endpoint, what: str, name: str, targets: list[Target], patience: float) -> Finding | None:
    """Why nothing can be sent to any of these, the addresses of a name; None where it can."""
    problem: NoAnswer | None = None
    for target in targets:
        try:
            async with asyncio.timeout(patience):
                await endpoint.transports.flow_to(target)
        except (TransportError, TimeoutError) as error:
            obstacle = error.obstacle if isinstance(error, TransportError) else "connection_timeout"
            problem = problem or NoAnswer(obstacle, name, target.transport, (target.host, target.port))
        else:
            return None
    assert problem is not None  # there is a server, and the way to it failed
    return failed(what, _in_words(problem), _CHECK_CERTIFICATE if problem.obstacle in CERTIFICATE else _CHECK_WAY)


def _in_words(problem: NoAnswer) -> str:
    words = why(problem)
    return f"{words[0].upper()}{words[1:]}."


def _answered(what: str, host: str, targets: list[Target], reply: Reply | None, examined: ExaminedTrunk) -> Finding:
    place = f"{host} ({targets[0].transport} {targets[0].host} port {targets[0].port})"
    if reply is None:
        words = f"{place} does not answer OPTIONS."
        registration = examined.registration
        if registration is not None and registration["state"] == "registered":
            return warning(what, f"{words} It is registered, though.", "Nothing, if calls work: some leave that out.")
        if not examined.keep_alive:
            words = f"{words} Its keep_alive is off, so that nobody expects it to."
            return warning(what, words, f"Nothing, if calls work. {_CHECK_WAY}")
        return failed(what, words, f"{_CHECK_WAY} {_SOME_DO_NOT_ANSWER}")
    answered = f"{place} answers OPTIONS in {reply.seconds * 1000:.0f} ms ({in_words(reply.status)})."
    if reply.status == 503:
        return warning(what, answered, "The provider takes no calls at the moment, or none from here: ask there.")
    return ok(what, answered)


async def _login(
    endpoint: Endpoint, what: str, examined: ExaminedTrunk, patience: float, *, reachable: bool
) -> Finding | None:
    """None where nothing can be said that is not said already."""
    trunk, registration = examined.trunk, examined.registration
    if registration is not None and registration["state"] == "registered":
        return ok(what, f"Registered since {registration['since']}.")
    if registration is not None and registration["state"] == "failing":
        refused = registration["status"] in LOGIN_REFUSED
        return failed(what, registration["reason"], _CHECK_LOGIN if refused else _CHECK_WAY)
    try:
        password = trunk.password()
    except SecretKeyError as problem:
        fix = "Run the doctor with the server's DIALTONE_SECRET_KEY and data directory."
        return failed(what, f"Its password can't be read: {problem}.", fix)
    if not trunk.auth_username or password is None or not reachable:
        return None
    account = Account(trunk.auth_username, password)
    registrar = SipServer(trunk.host, trunk.port, trunk.transport).uri
    reply = await ask_bindings(endpoint, registrar, account, patience)
    return _logged_in(what, reply, registers=registration is not None)


def _logged_in(what: str, reply: Reply | None, *, registers: bool) -> Finding:
    """What the answer to a REGISTER that registers nothing means. A trunk need not take registrations to take calls."""
    if reply is not None and reply.status < 300:
        return ok(what, "The login is taken." if reply.asked_for_password else "No password is asked for.")
    if reply is not None and (reply.status in (401, 407) or (registers and reply.status == 403)):
        return failed(what, f"The login is refused ({in_words(reply.status)}).", _CHECK_LOGIN)
    answer = "no answer" if reply is None else in_words(reply.status)
    if registers:
        return failed(what, f"It takes no registrations ({answer}).", "Ask the provider where to register.")
    words = f"Whether the login is right shows only in a call: REGISTER gets {answer}."
    return warning(what, words, _CALL)
