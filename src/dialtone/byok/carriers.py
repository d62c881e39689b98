"""The carriers whose keys can be brought: what their API needs to know beside the key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dialtone.platform.crypto import MASK
from dialtone.platform.patterns import anchored
from dialtone.platform.problems import problem
from dialtone.settings import Settings


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of an account."""

    pattern: str
    rule: str
    """The pattern in words, after "must be"."""
    description: str
    secret: bool = False
    """Stored encrypted, and shown masked."""

    def schema(self) -> dict[str, Any]:
        """As JSON Schema; null removes the setting."""
        return {"type": ["string", "null"], "pattern": anchored(self.pattern), "description": self.description}


@dataclass(frozen=True, slots=True)
class CarrierEntry:
    label: str
    settings: Mapping[str, Setting]
    """All are needed for calls."""
    base_url: str
    """Where its API is; may hold `{setting}`."""


_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SECRET = r"[!-~]{8,256}"
_SECRET_RULE = "8 to 256 ASCII characters without spaces"

ENTRIES: Mapping[str, CarrierEntry] = {
    "twilio": CarrierEntry(
        "Twilio",
        {
            "account_sid": Setting(
                r"AC[0-9a-fA-F]{32}",
                "AC and 32 hexadecimal digits",
                "Twilio: the account's SID. The key is its auth token.",
            )
        },
        "https://api.twilio.com",
    ),
    "signalwire": CarrierEntry(
        "SignalWire",
        {
            "space": Setting(
                r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
                "the name before .signalwire.com",
                "SignalWire: the space, what stands before `.signalwire.com`. The key is an API token.",
            ),
            "project_id": Setting(_UUID, "a UUID", "SignalWire: the project's id."),
            "signing_key": Setting(
                _SECRET, _SECRET_RULE, "SignalWire: the signing key of the API page; shown masked.", secret=True
            ),
        },
        "https://{space}.signalwire.com",
    ),
    "telnyx": CarrierEntry(
        "Telnyx",
        {
            "connection_id": Setting(
                r"[0-9A-Za-z-]{1,64}",
                "1 to 64 letters, digits and dashes",
                "Telnyx: the id of the Voice API application. The key is an API key (v2).",
            ),
            "public_key": Setting(
                r"[A-Za-z0-9+/]{43}=",
                "44 characters of base64",
                "Telnyx: the account's public key, by which its webhooks are known.",
            ),
        },
        "https://api.telnyx.com",
    ),
    "plivo": CarrierEntry(
        "Plivo",
        {
            "auth_id": Setting(
                r"[MS]A[A-Z0-9]{18}",
                "MA or SA and 18 capital letters and digits",
                "Plivo: the Auth ID of the account or subaccount. The key is its Auth Token.",
            )
        },
        "https://api.plivo.com",
    ),
    "vonage": CarrierEntry(
        "Vonage",
        {
            "application_id": Setting(
                _UUID, "a UUID", "Vonage: the application's id. The key is its private key, in PEM."
            ),
            "signature_secret": Setting(
                _SECRET, _SECRET_RULE, "Vonage: the account's signature secret; shown masked.", secret=True
            ),
        },
        "https://api.nexmo.com",
    ),
}


def settings_of(provider: str) -> Mapping[str, Setting]:
    """Empty for vendors that are no carriers."""
    entry = ENTRIES.get(provider)
    return {} if entry is None else entry.settings


def problems_of(provider: str, config: Mapping[str, Any]) -> list[str]:
    """What breaks rules. No value of a secret setting is named."""
    return [
        problem(f"config.{name}", f"must be {setting.rule}", *([] if setting.secret else [config[name]]))
        for name, setting in settings_of(provider).items()
        if config.get(name) is not None and not _fits(setting, config[name])
    ]


def _fits(setting: Setting, value: object) -> bool:
    is_mask = setting.secret and value == MASK
    return is_mask or (isinstance(value, str) and re.fullmatch(setting.pattern, value) is not None)


def base_url(carrier: str, config: Mapping[str, str], settings: Settings | None) -> str:
    """Where the carrier's API is, without a slash at its end. `settings`: those of the deployment, where they count."""
    deployment: str | None = None if settings is None else getattr(settings, f"{carrier}_base_url")
    return (config.get("base_url") or deployment or ENTRIES[carrier].base_url.format_map(config)).rstrip("/")
