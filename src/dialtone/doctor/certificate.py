"""Is the certificate of `tls://` listeners one that trunks accept?"""

import asyncio
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.doctor.listeners import local_address
from dialtone.platform.db import now
from dialtone.sip.transports import Listener

WHAT = "certificate"
SOON = timedelta(days=14)
MAX_NAMES = 5


async def examine(file: Path, listener: Listener, patience: float, *, runs: bool) -> Finding:
    """The certificate in a file that can be used (the listener has it), and at a running server the one it shows."""
    try:
        certificate = x509.load_pem_x509_certificates(await asyncio.to_thread(file.read_bytes))[0]
    except (OSError, ValueError):
        return warning(WHAT, f"What it says of itself can't be read from {file}.", "Have it made anew.")
    finding = _of_file(certificate, now())
    if finding.status == "failed" or not runs:
        return finding
    shown = await _shown(listener, patience)
    if shown is not None and shown != certificate.public_bytes(Encoding.DER):
        return warning(WHAT, "The server still shows another certificate than the file's.", "Restart the server.")
    return finding


def _of_file(certificate: x509.Certificate, at: datetime) -> Finding:
    until, renew = certificate.not_valid_after_utc, "Renew it (DIALTONE_SIP_TLS_CERTIFICATE), and restart the server."
    if at > until:
        return failed(WHAT, f"It expired on {until:%Y-%m-%d}.", renew)
    if at < certificate.not_valid_before_utc:
        words = f"It counts only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on."
        return failed(WHAT, words, "Set this machine's clock right, or use another certificate.")
    if until - at < SOON:
        return warning(WHAT, f"It expires on {until:%Y-%m-%d}.", renew)
    words = f"It is for {_names(certificate)}, until {until:%Y-%m-%d}."
    if certificate.issuer == certificate.subject:
        fix = "Use one of a public authority, unless the trunks' servers know this one."
        return warning(WHAT, f"{words} It vouches for itself, which providers don't accept.", fix)
    return ok(WHAT, words)


def _names(certificate: x509.Certificate) -> str:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no name at all"
    addresses = [str(address) for address in named.get_values_for_type(x509.IPAddress)]
    names = [*named.get_values_for_type(x509.DNSName), *addresses]
    return ", ".join(names[:MAX_NAMES]) + (" and others" if len(names) > MAX_NAMES else "")


async def _shown(listener: Listener, patience: float) -> bytes | None:
    """What the server at work proves itself with; None where it can't be had."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # which one it is, is the question
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(*local_address(listener), ssl=context)
    except (OSError, TimeoutError):
        return None
    shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown
