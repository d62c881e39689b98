"""Digest authentication of callers: challenges that cost no memory, and the check of their answers (RFC 7616)."""

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable
from typing import Literal

from dialtone.sip.digest import ALGORITHMS, Challenge, Credentials, digest_response, parse_fields
from dialtone.sip.errors import ParseError
from dialtone.sip.message import Request
from dialtone.sip.parameters import quoted

Verdict = Literal["right", "wrong", "stale"]

NONCE_SECONDS = 300
_MAX_NONCES = 10_000
"""Of which the last count is remembered; the oldest is forgotten first, which only allows a replay within its life."""
_MAC_BYTES = 16


class DigestServer:
    """Asks callers for their password. A nonce proves itself by its signature, so strangers leave nothing behind."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenges(self, realm: str, algorithms: Iterable[str] = ALGORITHMS, *, stale: bool = False) -> list[str]:
        """The lines of a WWW-Authenticate, one for each algorithm, in this order."""
        nonce = self._new_nonce()
        end = ", stale=true" if stale else ""
        return [
            f'Digest realm={quoted(realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{end}'
            for algorithm in algorithms
        ]

    def claimed(self, request: Request) -> tuple[str, str] | None:
        """User name and realm that a request says it answers for; None where it answers no challenge."""
        fields = _answer_in(request)
        if fields is None or "username" not in fields or "realm" not in fields:
            return None
        return fields["username"], fields["realm"]

    def verify(self, request: Request, realm: str, password: str, algorithms: Container[str] = ALGORITHMS) -> Verdict:
        """Whether the request answers a challenge of ours with this password."""
        fields = _answer_in(request)
        if fields is None or fields.get("realm") != realm or fields.get("qop", "").lower() != "auth":
            return "wrong"
        algorithm = fields.get("algorithm", "MD5").upper()
        nonce, count, client_nonce = (fields.get(name, "") for name in ("nonce", "nc", "cnonce"))
        if algorithm not in algorithms or not self._is_ours(nonce):
            return "wrong"
        # What proxies wrote into the Request-URI on the way differs from what was signed. That nobody uses the answer
        # for another request is seen by its count.
        uri = fields.get("uri", "")
        challenge = Challenge(realm, nonce, algorithm, "auth", None, stale=False)
        expected = digest_response(
            challenge,
            Credentials(fields.get("username", ""), password),
            request.method,
            uri,
            request.body,
            count,
            client_nonce,
        )
        given = fields.get("response", "").lower().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given):
            return "wrong"
        return "right" if self._is_fresh(nonce, count) else "stale"

    def _new_nonce(self) -> str:
        made = int(self._now()).to_bytes(8, "big") + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(made + self._mac(made)).decode()

    def _mac(self, made: bytes) -> bytes:
        return hmac.digest(self._key, made, hashlib.sha256)[:_MAC_BYTES]

    def _is_ours(self, nonce: str) -> bool:
        try:
            raw = base64.b64decode(nonce, altchars=b"-_", validate=True)
        except ValueError:
            return False
        return len(raw) == 16 + _MAC_BYTES and hmac.compare_digest(raw[16:], self._mac(raw[:16]))

    def _is_fresh(self, nonce: str, count: str) -> bool:
        made = int.from_bytes(base64.b64decode(nonce, altchars=b"-_")[:8], "big")
        try:
            number = int(count, 16)
        except ValueError:
            return False
        if self._now() - made > NONCE_SECONDS or number <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = number
        self._counts.move_to_end(nonce)
        if len(self._counts) > _MAX_NONCES:
            self._counts.popitem(last=False)
        return True


def _answer_in(request: Request) -> dict[str, str] | None:
    line = request.get("authorization")
    if line is None:
        return None
    try:
        return parse_fields(line)
    except ParseError:
        return None
