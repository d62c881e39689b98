"""From settings to what a telephone listens on."""

import ipaddress
import ssl
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from dialtone.media.rtp.ports import PortPool
from dialtone.settings import Settings
from dialtone.sip.endpoint import Options
from dialtone.sip.flow import DEFAULT_PORTS, Transport
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.trunks.addresses import split

NEW_CALLS_PER_SECOND = 50.0


@dataclass(frozen=True, slots=True)
class TelephoneOptions:
    sip: Options
    ports: PortPool


def telephone_options(settings: Settings) -> TelephoneOptions | None:
    """None where no telephone is wanted. Raises `ValueError` for settings that can't work."""
    if not settings.sip_listen.strip():
        return None
    listeners = tuple(_listener(part.strip(), settings) for part in settings.sip_listen.split(","))
    public = settings.sip_public_address
    if public is not None:
        public = _ip_address("DIALTONE_SIP_PUBLIC_ADDRESS", public)
    if settings.sip_stun is not None:
        _stun(settings.sip_stun, listeners)
    options = Options(
        TransportOptions(listeners, public_address=public),
        # A caller beyond our own limit is told so in the same way, after its trunk is known.
        max_calls=2 * settings.max_calls,
        new_calls_per_second=NEW_CALLS_PER_SECOND,
    )
    return TelephoneOptions(options, _ports(settings.rtp_ports))


def _listener(written: str, settings: Settings) -> Listener:
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(
            f"DIALTONE_SIP_LISTEN must be addresses like udp://0.0.0.0:5060, with udp, tcp or tls (got {written!r})"
        )
    transport = cast(Transport, parts.scheme)
    host = _ip_address("DIALTONE_SIP_LISTEN", parts.hostname)
    certificate = _certificate(settings) if transport == "tls" else None
    return Listener(transport, host, DEFAULT_PORTS[transport] if port is None else port, certificate)


def _ip_address(setting: str, written: str) -> str:
    try:
        return str(ipaddress.ip_address(written))
    except ValueError:
        raise ValueError(f"{setting} needs an IP address (got {written!r})") from None


def _stun(written: str, listeners: tuple[Listener, ...]) -> None:
    try:
        host, _ = split(written)
    except ValueError:
        host = ""
    if not host:
        raise ValueError(f"DIALTONE_SIP_STUN needs a host like stun.example.com:3478 (got {written!r})")
    if not any(listener.transport == "udp" for listener in listeners):
        raise ValueError("DIALTONE_SIP_STUN needs a udp:// address in DIALTONE_SIP_LISTEN, from which it is asked")


def _certificate(settings: Settings) -> ssl.SSLContext:
    if settings.sip_tls_certificate is None or settings.sip_tls_key is None:
        raise ValueError("tls:// in DIALTONE_SIP_LISTEN needs DIALTONE_SIP_TLS_CERTIFICATE and DIALTONE_SIP_TLS_KEY")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.sip_tls_certificate, settings.sip_tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"the certificate of DIALTONE_SIP_TLS_CERTIFICATE can't be used: {error}") from None
    return context


def _ports(written: str) -> PortPool:
    lowest, dash, highest = written.partition("-")
    if not (dash and lowest.strip().isdecimal() and highest.strip().isdecimal()):
        raise ValueError(f"DIALTONE_RTP_PORTS must be a range like 20000-29999 (got {written!r})")
    try:
        return PortPool(int(lowest), int(highest))
    except ValueError as error:
        raise ValueError(f"DIALTONE_RTP_PORTS: {error}") from None
