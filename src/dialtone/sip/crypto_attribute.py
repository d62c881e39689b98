"""Keys for SRTP in session descriptions: the crypto attribute (RFC 4568)."""

import base64
import re
import secrets
from dataclasses import dataclass, field

from dialtone.sip.errors import ParseError

KEY_BYTES = {
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
"""Master key and salt of each suite (RFC 4568 section 6.2, RFC 6188), in order of preference."""

_CRYPTO = re.compile(
    r"(?P<tag>[0-9]{1,9})\s+(?P<suite>[A-Za-z0-9_]{1,64})\s+inline:(?P<key>[A-Za-z0-9+/=]{1,128})(?P<rest>[|;\s].*)?"
)


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """The key that one side encrypts with."""

    tag: int
    """What joins an answer's key to the offered one."""
    suite: str
    key: bytes = field(repr=False)
    """Master key followed by master salt."""

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


def new_key(tag: int, suite: str) -> SrtpKey:
    return SrtpKey(tag, suite, secrets.token_bytes(KEY_BYTES[suite]))


def parse_crypto(value: str) -> SrtpKey:
    """Read a crypto attribute with one key, whatever its lifetime. Raises `ParseError` for all that we cannot do."""
    match = _CRYPTO.fullmatch(value.strip())
    if match is None or match["suite"] not in KEY_BYTES:
        raise ParseError("a crypto attribute with an unknown form or suite")
    lifetime, _, session_parameters = (match["rest"] or "").partition(" ")
    if ":" in lifetime or ";" in lifetime or session_parameters.strip():
        # A key identifier would stand in every packet; session parameters change how packets are protected.
        raise ParseError("a crypto attribute with a key identifier or session parameters")
    try:
        key = base64.b64decode(match["key"] + "=" * (-len(match["key"]) % 4), validate=True)
    except ValueError as error:
        raise ParseError("a crypto attribute with a malformed key") from error
    if len(key) != KEY_BYTES[match["suite"]]:
        raise ParseError("a crypto attribute with a key of the wrong length")
    return SrtpKey(int(match["tag"]), match["suite"], key)
