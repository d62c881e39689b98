"""From settings to what a telephone listens on."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from dialtone.media.rtp.ports import PortPool
from dialtone.settings import Settings
from dialtone.sip.endpoint import Options
from dialtone.sip.flow import DEFAULT_PORTS, Transport
from dialtone.sip.transports import Listener, TransportOptions
from dialtone.trunks.addresses import split

NEW_CALLS_PER_SECOND = 50.0
_CERTIFICATE, _KEY = "DIALTONE_SIP_TLS_CERTIFICATE", "DIALTONE_SIP_TLS_KEY"


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
    certificate, key = settings.sip_tls_certificate, settings.sip_tls_key
    if certificate is None or key is None:
        raise ValueError(f"tls:// in DIALTONE_SIP_LISTEN needs {_CERTIFICATE} and {_KEY}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for setting, file in ((_CERTIFICATE, certificate), (_KEY, key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise ValueError(f"{setting}: {file} can't be read ({error.strerror})") from None
    try:
        # Without a password of nobody's a key that needs one would make OpenSSL ask on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        raise ValueError(_unusable(certificate, key, error)) from None
    return context


def _unusable(certificate: Path, key: Path, error: ssl.SSLError) -> str:
    """Which of the two files is wrong: OpenSSL does not say."""
    try:
        load_pem_x509_certificates(certificate.read_bytes())
    except ValueError:
        return f"{_CERTIFICATE}: {certificate} holds no certificate in PEM form"
    try:
        load_pem_private_key(key.read_bytes(), None)
    except TypeError:
        return f"{_KEY}: the key in {key} is encrypted: store it without a password"
    except ValueError:
        return f"{_KEY}: {key} holds no private key in PEM form"
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{_KEY}: the key in {key} is not that of the certificate in {certificate} ({_CERTIFICATE})"
    return f"{_CERTIFICATE}: the certificate in {certificate} can't be used with the key in {key} ({error.reason})"


def _ports(written: str) -> PortPool:
    lowest, dash, highest = written.partition("-")
    if not (dash and lowest.strip().isdecimal() and highest.strip().isdecimal()):
        raise ValueError(f"DIALTONE_RTP_PORTS must be a range like 20000-29999 (got {written!r})")
    if int(lowest) >= int(highest):
        raise ValueError(f"DIALTONE_RTP_PORTS must be a range from a lower port to a higher one (got {written!r})")
    try:
        return PortPool(int(lowest), int(highest))
    except ValueError as error:
        raise ValueError(f"DIALTONE_RTP_PORTS: {error}") from None
