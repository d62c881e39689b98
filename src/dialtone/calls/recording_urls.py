"""The signed addresses that open a call's recording."""

import hashlib
import hmac
import time

from dialtone.platform.crypto import Secrets

PURPOSE = "recording urls"


class RecordingUrls:
    """Addresses that open one call's recording for a while, to whoever holds them."""

    def __init__(self, secrets: Secrets, seconds: int) -> None:
        self._secrets = secrets
        self._seconds = seconds

    def sign(self, base: str, call_id: str, seconds: int | None = None) -> str:
        """An absolute URL below `base` (scheme and host). It works for `seconds`, else for as long as all others."""
        expires = int(time.time()) + (self._seconds if seconds is None else seconds)
        signature = _signature(self._secrets.derive(PURPOSE), call_id, str(expires))
        return f"{base}/api/v1/calls/{call_id}/recording?expires={expires}&signature={signature}"

    def seconds_left(self, expires: str) -> int:
        """For how long an address that `problem` finds good may still lead to a recording; at most as long as one that
        is signed now works.
        """
        return max(1, min(int(expires) - int(time.time()), self._seconds))

    def problem(self, call_id: str, expires: str, signature: str) -> str | None:
        """Why this address opens nothing, in words; None where it is good."""
        given = signature.encode("utf-8", "replace")
        expected = (_signature(key, call_id, expires).encode() for key in self._secrets.derive_all(PURPOSE))
        if not any(hmac.compare_digest(one, given) for one in expected):
            return "The signature does not fit; take recording_url from the call as it is."
        if int(expires) < time.time():
            return "This address has expired; the call's recording_url is renewed on every request."
        return None


def _signature(key: bytes, call_id: str, expires: str) -> str:
    return hmac.new(key, f"{call_id}:{expires}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
