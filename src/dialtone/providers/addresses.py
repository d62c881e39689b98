"""Where the vendors are: their APIs, the domains that are theirs alone, and their documentation."""

import re
from collections.abc import Mapping

from dialtone.platform.addresses import check_url

BASE_URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "xai": "https://api.x.ai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepgram": "https://api.deepgram.com",
    "elevenlabs": "https://api.elevenlabs.io",
}
"""The default address of each vendor that this server speaks with."""

DOMAINS: Mapping[str, str] = {
    "deepgram": "deepgram.com",
    "openai": "openai.com",
    "elevenlabs": "elevenlabs.io",
    "inworld": "inworld.ai",
    "resend": "resend.com",
    "xai": "x.ai",
    "gladia": "gladia.io",
    "mistral": "mistral.ai",
    "google": "googleapis.com",
    "google_vertex": "googleapis.com",
    "twilio": "twilio.com",
    "signalwire": "signalwire.com",
    "telnyx": "telnyx.com",
    "plivo": "plivo.com",
    "vonage": "vonage.com",
}
"""Vendors serve regions under names of their own domain, such as api.eu.deepgram.com
(https://developers.deepgram.com/reference/regional-endpoints)."""

DOCUMENTATION: Mapping[str, str] = {
    "deepgram": "https://developers.deepgram.com/docs",
    "openai": "https://platform.openai.com/docs",
    "elevenlabs": "https://elevenlabs.io/docs",
    "inworld": "https://docs.inworld.ai",
    "resend": "https://resend.com/docs",
    "xai": "https://docs.x.ai",
    "gladia": "https://docs.gladia.io",
    "mistral": "https://docs.mistral.ai",
    "google": "https://ai.google.dev/gemini-api/docs",
    "google_vertex": "https://cloud.google.com/vertex-ai/docs",
    "twilio": "https://www.twilio.com/docs/voice",
    "signalwire": "https://signalwire.com/docs/compatibility-api",
    "telnyx": "https://developers.telnyx.com/docs/voice/programmable-voice",
    "plivo": "https://www.plivo.com/docs/voice",
    "vonage": "https://developer.vonage.com/en/voice/voice-api/overview",
}


def own_address(domain: str) -> str:
    """Pattern of an https address below a domain: without a query, a fragment, or a port of its own."""
    return rf"https://([A-Za-z0-9-]+\.)*{re.escape(domain)}(:443)?(/[A-Za-z0-9._~-]+)*/?"


def check_own_address(provider: str, url: str) -> None:
    """Raises `ValueError`, in words fit for an API's error, for a URL that is not the vendor's own."""
    parsed = check_url(url, allow_private_addresses=False)
    domain = DOMAINS[provider]
    host = (parsed.raw_host or "").lower()
    if parsed.scheme != "https" or parsed.port != 443 or not (host == domain or host.endswith(f".{domain}")):
        raise ValueError(f"must be an https address of the vendor's own, below {domain}")
    if parsed.raw_query_string or parsed.raw_fragment:
        raise ValueError("must have no query and no fragment")
    if not re.fullmatch(own_address(domain), url):
        raise ValueError("must be written in letters, digits and the signs - . _ ~")
