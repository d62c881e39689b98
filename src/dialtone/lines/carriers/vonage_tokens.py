"""JSON Web Tokens (RFC 7519) of the two kinds that Vonage knows: those that it sends, and those for its API."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TOKEN_SECONDS = 300
"""How long a token for the API is good."""
SPARE_SECONDS = 60
"""So long before its end a token is no longer used: an order takes a while, and clocks differ."""
MOST_TOKENS = 1000
KEY_BITS = range(2048, 4097)


class Tokens:
    """Tokens for the API, each kept while it is good. To sign takes milliseconds, so it is done in a thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        """Until when, by the loop's time, and the token; by a digest of whose it is."""
        self._signing = asyncio.Lock()

    async def of(self, application_id: str, private_key: str) -> str:
        """Raises `ValueError` for a key that can't be used."""
        whose = hashlib.sha256(f"{application_id}\0{private_key}".encode()).digest()
        loop = asyncio.get_running_loop()
        async with self._signing:
            until, token = self._kept.get(whose, (0.0, ""))
            if loop.time() >= until:
                until = loop.time() + TOKEN_SECONDS - SPARE_SECONDS
                token = await asyncio.to_thread(token_of, application_id, private_key)
                self._kept[whose] = (until, token)
                self._kept.move_to_end(whose)
                if len(self._kept) > MOST_TOKENS:
                    self._kept.popitem(last=False)
        return token


def verified(token: str, secret: str) -> Mapping[str, Any] | None:
    """The claims of a token that is signed with `secret` (HS256); None for any other."""
    signed, _, signature = token.rpartition(".")
    head, _, claims = signed.partition(".")
    due = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    try:
        if not hmac.compare_digest(_decoded(signature), due):
            return None
        about, found = json.loads(_decoded(head)), json.loads(_decoded(claims))
    except (ValueError, RecursionError):
        return None
    is_sound = isinstance(about, dict) and about.get("alg") == "HS256" and isinstance(found, dict)
    return found if is_sound else None


def token_of(application_id: str, private_key: str) -> str:
    """A token for the API (RS256). Raises `ValueError` for a key that can't be used."""
    key = _rsa_key(private_key)
    now = int(time.time())
    claims = {"application_id": application_id, "iat": now, "exp": now + TOKEN_SECONDS, "jti": str(uuid.uuid4())}
    signed = f"{_encoded(orjson.dumps({'alg': 'RS256', 'typ': 'JWT'}))}.{_encoded(orjson.dumps(claims))}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _rsa_key(private_key: str) -> rsa.RSAPrivateKey:
    """Raises `ValueError`."""
    try:
        # To look whether its numbers are prime takes 100 ms, which calls would hear; the rest is looked at here.
        key = load_pem_private_key(private_key.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("no private key, or one with a password") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size not in KEY_BITS:
        raise ValueError("no private key of RSA, of 2048 to 4096 bits")
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    if modulus % 2 == 0 or numbers.p * numbers.q != modulus:
        raise ValueError("no private key of RSA")
    return key


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(value: str) -> bytes:
    """Raises `ValueError`."""
    return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
