"""Carriers that connect calls over media streams, and an organization's account at one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Carrier = Literal["twilio", "signalwire", "telnyx", "plivo", "vonage"]

CARRIERS: tuple[Carrier, ...] = get_args(Carrier)


@dataclass(frozen=True, slots=True)
class CarrierAccount:
    """What is needed to speak with a carrier for an organization, and to know it when it speaks."""

    organization_id: str
    carrier: str
    key: str = field(repr=False)
    """The `api_key` of `POST /byok`."""
    settings: Mapping[str, str] = field(repr=False)
    """Those of `POST /byok/config`, secrets in the clear; all that the carrier needs are there."""
    base_url: str
    """Where the carrier's API is, without a slash at its end."""
