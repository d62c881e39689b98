"""How a receiver knows that a webhook is ours: HMAC-SHA256 over the time it was sent and its exact body."""

import hashlib
import hmac
from collections.abc import Mapping

USER_AGENT = "HMS-Sovereign/1.0"
"""What receivers of the contract's webhooks have always been told to expect."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of `X-Webhook-Signature`. `timestamp` is in Unix seconds, as in `X-Webhook-Timestamp`."""
    signed = str(timestamp).encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def webhook_headers(
    event: str, body: bytes, *, webhook_id: str, timestamp: int, secret: str | None
) -> Mapping[str, str]:
    """All headers of one webhook request. `webhook_id` stays the same when a delivery is tried again.

    `timestamp` is the Unix time of this try, in seconds; receivers refuse old ones. Without a secret the
    request is not signed.
    """
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "X-Webhook-Event": event}
    if secret:
        return headers | signature_headers(body, webhook_id=webhook_id, timestamp=timestamp, secret=secret)
    return {**headers, "X-Webhook-Id": webhook_id, "X-Webhook-Timestamp": str(timestamp)}


def signature_headers(body: bytes, *, webhook_id: str, timestamp: int, secret: str) -> dict[str, str]:
    """What a receiver needs to know that `body`, which may be empty, comes from us, and that it is fresh."""
    return {
        "X-Webhook-Id": webhook_id,
        "X-Webhook-Timestamp": str(timestamp),
        "X-Webhook-Signature": sign(secret, timestamp, body),
    }
