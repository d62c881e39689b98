"""Digest authentication as a caller (RFC 3261 section 22, RFC 7616, RFC 8760)."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from dialtone.sip.errors import ParseError
from dialtone.sip.message import Request, Response
from dialtone.sip.parameters import quoted, unquote

_FIELD = re.compile(r'\s*([A-Za-z0-9_-]{1,32})\s*=\s*("(?:[^"\\]|\\.)*"|[^",\s]+)\s*(?:,|$)')
_MAX_REALMS = 8
"""Remembered by one account, for each of registrar and proxy."""

ALGORITHMS: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""The hash functions spoken, strongest first."""


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks a password for."""

    realm: str
    nonce: str
    algorithm: str
    """`MD5`, `SHA-256`, or one of them followed by `-sess`."""
    qop: str
    """`auth`, `auth-int`, or empty where the server knows neither."""
    opaque: str | None
    stale: bool


def parse_fields(text: str) -> dict[str, str]:
    """The fields of a Digest header, names in lower case, values without quotation marks. Raises `ParseError`."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest" or len(rest) > 4096:
        raise ParseError("not a Digest header")
    fields: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _FIELD.match(rest, position)
        if match is None:
            raise ParseError("a malformed Digest header")
        fields.setdefault(match[1].lower(), unquote(match[2]))
        position = match.end()
    return fields


def parse_challenge(text: str) -> Challenge:
    """Read a WWW-Authenticate or Proxy-Authenticate. Raises `ParseError`, also for an algorithm not spoken here."""
    fields = parse_fields(text)
    if "realm" not in fields or not fields.get("nonce"):
        raise ParseError("a challenge without realm or nonce")
    algorithm = fields.get("algorithm", "MD5").upper()
    if algorithm.removesuffix("-SESS") not in ALGORITHMS:
        raise ParseError("a challenge with an unknown algorithm")
    offered = {option.strip().lower() for option in fields.get("qop", "").split(",")}
    if "qop" in fields and not offered & {"auth", "auth-int"}:
        raise ParseError("a challenge with an unknown quality of protection")
    qop = "auth" if "auth" in offered else "auth-int" if "auth-int" in offered else ""
    return Challenge(
        fields["realm"],
        fields["nonce"],
        algorithm.replace("-SESS", "-sess"),
        qop,
        fields.get("opaque"),
        fields.get("stale", "").lower() == "true",
    )


def digest_response(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, body: bytes, count: str, client_nonce: str
) -> str:
    """The proof that the sender knows the password (RFC 7616 section 3.4)."""
    hashed = ALGORITHMS[challenge.algorithm.removesuffix("-sess")]

    def hash_of(*parts: str) -> str:
        return hashed(":".join(parts).encode("utf-8", "surrogateescape"))

    secret = hash_of(credentials.username, challenge.realm, credentials.password)
    if challenge.algorithm.endswith("-sess"):
        secret = hash_of(secret, challenge.nonce, client_nonce)
    what = hash_of(method, uri, hashed(body)) if challenge.qop == "auth-int" else hash_of(method, uri)
    if not challenge.qop:
        return hash_of(secret, challenge.nonce, what)
    return hash_of(secret, challenge.nonce, count, client_nonce, challenge.qop, what)


RealmKey = tuple[str, str]
"""The header to answer in, and the realm."""


@dataclass(slots=True)
class _Realm:
    challenge: Challenge
    uses: int = 0


class DigestClient:
    """One account's answers to challenges. Remembers nonces, so that later requests need no challenge of their own."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._realms: dict[RealmKey, _Realm] = {}

    def learn(self, response: Response, answered: set[RealmKey]) -> bool:
        """Remember what a 401 or 407 asks for. False if asking again cannot help.

        `answered`: whose challenges the request has answered already; those of now are added. Who asks once more has
        refused the password, unless it says that only the nonce has grown old (RFC 7616 section 3.3). A refusal of what
        was kept from earlier requests says nothing of the password.
        """
        useful = False
        for header, answer in (("www-authenticate", "authorization"), ("proxy-authenticate", "proxy-authorization")):
            seen: set[str] = set()
            for line in response.lines(header)[:_MAX_REALMS]:
                try:
                    challenge = parse_challenge(line)
                except ParseError:
                    continue
                # The server lists the algorithms of a realm in its order of preference (RFC 8760 section 2.4).
                if challenge.realm in seen:
                    continue
                seen.add(challenge.realm)
                key = (answer, challenge.realm)
                self._realms.pop(key, None)
                if key not in answered or challenge.stale:
                    self._remember(key, challenge)
                    answered.add(key)
                    useful = True
        return useful

    def _remember(self, key: RealmKey, challenge: Challenge) -> None:
        while len(self._realms) >= 2 * _MAX_REALMS:
            del self._realms[next(iter(self._realms))]
        self._realms[key] = _Realm(challenge)

    def authorize(self, request: Request) -> None:
        """Put the answers to all remembered challenges into a request."""
        request.remove("authorization")
        request.remove("proxy-authorization")
        for (header, _), realm in self._realms.items():
            realm.uses += 1
            request.add(header, self._answer(realm, request))

    def _answer(self, realm: _Realm, request: Request) -> str:
        challenge, count, client_nonce = realm.challenge, f"{realm.uses:08x}", secrets.token_hex(8)
        proof = digest_response(
            challenge, self._credentials, request.method, request.uri_text, request.body, count, client_nonce
        )
        parts = [
            f"username={quoted(self._credentials.username)}",
            f"realm={quoted(challenge.realm)}",
            f"nonce={quoted(challenge.nonce)}",
            f'uri="{request.uri_text}"',
            f'response="{proof}"',
            f"algorithm={challenge.algorithm}",
        ]
        if challenge.qop:
            parts += [f"qop={challenge.qop}", f"nc={count}"]
        if challenge.qop or challenge.algorithm.endswith("-sess"):
            parts.append(f'cnonce="{client_nonce}"')
        if challenge.opaque is not None:
            parts.append(f"opaque={quoted(challenge.opaque)}")
        return "Digest " + ", ".join(parts)
