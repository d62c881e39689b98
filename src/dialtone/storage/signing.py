"""Signatures of requests to S3: AWS Signature Version 4, in headers or in a URL that works for a while.

From "Authenticating Requests: Using the Authorization Header" and "Using Query Parameters" of the Amazon S3 API
Reference.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from yarl import URL

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
LONGEST_SECONDS = 7 * 86400
"""The longest that a signed URL may work."""


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    """Of temporary credentials."""


class Signer:
    """Signs for one region."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def headers(
        self, method: str, url: URL, headers: Mapping[str, str], body_sha256: str, at: datetime
    ) -> dict[str, str]:
        """`headers` and those that sign the request. `url` must be encoded as `encoded` does it."""
        signed = {
            **headers,
            "Host": url.raw_authority,
            "X-Amz-Content-SHA256": body_sha256,
            "X-Amz-Date": _moment(at),
        }
        if self._credentials.session_token is not None:
            signed["X-Amz-Security-Token"] = self._credentials.session_token
        names = ";".join(sorted(name.lower() for name in signed))
        signature = self._signature(_canonical(method, url, signed, body_sha256), at)
        credential = f"{self._credentials.access_key_id}/{self._scope(at)}"
        signed["Authorization"] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return signed

    def url(self, method: str, url: URL, seconds: int, at: datetime) -> str:
        """`url`, signed so that whoever has it may make this one request until `seconds` after `at`."""
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": f"{self._credentials.access_key_id}/{self._scope(at)}",
            "X-Amz-Date": _moment(at),
            "X-Amz-Expires": str(min(seconds, LONGEST_SECONDS)),
            "X-Amz-SignedHeaders": "host",
        }
        if self._credentials.session_token is not None:
            query["X-Amz-Security-Token"] = self._credentials.session_token
        unsigned = with_query(url, query)
        canonical = _canonical(method, unsigned, {"Host": url.raw_authority}, UNSIGNED)
        return f"{unsigned}&X-Amz-Signature={self._signature(canonical, at)}"

    def _scope(self, at: datetime) -> str:
        return f"{at:%Y%m%d}/{self._region}/s3/aws4_request"

    def _signature(self, canonical_request: str, at: datetime) -> str:
        digest = hashlib.sha256(canonical_request.encode()).hexdigest()
        text = "\n".join((ALGORITHM, _moment(at), self._scope(at), digest))
        key = f"AWS4{self._credentials.secret_access_key}".encode()
        for step in (f"{at:%Y%m%d}", self._region, "s3", "aws4_request"):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def encoded(text: str, *, slash: bool = False) -> str:
    """As signatures want it: everything but unreserved characters percent-encoded. `slash`: in a path, "/" stays."""
    return quote(text, safe="-_.~/" if slash else "-_.~")


def with_query(url: URL, query: Mapping[str, str]) -> URL:
    """`url` with a query in the order and encoding in which it is signed."""
    pairs = sorted((encoded(name), encoded(value)) for name, value in query.items())
    return URL(f"{url}?{'&'.join(f'{name}={value}' for name, value in pairs)}" if pairs else str(url), encoded=True)


def _moment(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"


def _canonical(method: str, url: URL, headers: Mapping[str, str], body_sha256: str) -> str:
    sorted_headers = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    lines = "".join(f"{name}:{value}\n" for name, value in sorted_headers)
    names = ";".join(name for name, _ in sorted_headers)
    return "\n".join((method, url.raw_path, url.raw_query_string, lines, names, body_sha256))
