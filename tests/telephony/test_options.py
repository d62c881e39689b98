"""Settings of the telephone that can't work are refused in words that name them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from dialtone.settings import Settings
from dialtone.telephony.options import telephone_options
from tests.sip.certificates import make_certificate

CERTIFICATE, KEY = "DIALTONE_SIP_TLS_CERTIFICATE", "DIALTONE_SIP_TLS_KEY"


def _with_files(certificate: Path, key: Path) -> Settings:
    return Settings(sip_listen="tls://127.0.0.1:0", sip_tls_certificate=certificate, sip_tls_key=key)


def _refusal(settings: Settings) -> str:
    with pytest.raises(ValueError, match="DIALTONE_") as refused:
        telephone_options(settings)
    return str(refused.value)


def test_the_certificates_files_are_told_apart(tmp_path: Path) -> None:
    good = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    missing, text, locked = tmp_path / "missing.pem", tmp_path / "text.pem", tmp_path / "locked.pem"
    text.write_text("no PEM at all")
    key = ec.generate_private_key(ec.SECP256R1())
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret")))
    assert telephone_options(_with_files(good, good)) is not None
    assert _refusal(_with_files(missing, good)) == f"{CERTIFICATE}: {missing} can't be read (No such file or directory)"
    assert _refusal(_with_files(good, missing)) == f"{KEY}: {missing} can't be read (No such file or directory)"
    assert _refusal(_with_files(tmp_path, good)) == f"{CERTIFICATE}: {tmp_path} can't be read (Is a directory)"
    assert _refusal(_with_files(text, good)) == f"{CERTIFICATE}: {text} holds no certificate in PEM form"
    assert _refusal(_with_files(good, text)) == f"{KEY}: {text} holds no private key in PEM form"
    encrypted = f"{KEY}: the key in {locked} is encrypted: store it without a password"
    assert _refusal(_with_files(good, locked)) == encrypted
    words = f"{KEY}: the key in {other} is not that of the certificate in {good} ({CERTIFICATE})"
    assert _refusal(_with_files(good, other)) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("31001-31000", "must be a range from a lower port to a higher one (got '31001-31000')"),
        ("31000-31000", "must be a range from a lower port to a higher one (got '31000-31000')"),
        ("20000-70000", "must be a range from 1024 to 65535 (got 20000 to 70000)"),
        ("20000", "must be a range like 20000-29999 (got '20000')"),
    ],
)
def test_ports_for_audio_are_a_range(written: str, words: str) -> None:
    refused = _refusal(Settings(sip_listen="udp://127.0.0.1:0", rtp_ports=written))
    assert refused.startswith("DIALTONE_RTP_PORTS")
    assert refused.endswith(words)
