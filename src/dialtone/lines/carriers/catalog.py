"""The carriers that are there."""

from collections.abc import Mapping

from dialtone.lines.carriers.base import Carrier
from dialtone.lines.carriers.plivo import Plivo
from dialtone.lines.carriers.signalwire import SignalWire
from dialtone.lines.carriers.telnyx import Telnyx
from dialtone.lines.carriers.twilio import Twilio
from dialtone.lines.carriers.vonage import Vonage
from dialtone.platform.guarded_http import GuardedHttp


def make_carriers(http: GuardedHttp) -> Mapping[str, Carrier]:
    """By their names in `platform/carriers.py`."""
    made: dict[str, Carrier] = {
        "twilio": Twilio(http),
        "signalwire": SignalWire(http),
        "telnyx": Telnyx(http),
        "plivo": Plivo(http),
        "vonage": Vonage(http),
    }
    return made
