"""SignalWire: its Compatibility API, which copies Twilio's (https://signalwire.com/docs/compatibility-api).

Differences: each customer has a space, whose name begins the API's host; requests are signed with a key of their own;
the callback of a number that is called names no direction; messages of a stream may be wrapped.
"""

from typing import Any
from urllib.parse import quote

from dialtone.lines.carriers.twilio import Twilio, TwilioStream
from dialtone.platform.carriers import CarrierAccount


class SignalWire(Twilio):
    """A `Carrier`."""

    label = "SignalWire"
    signature_headers = ("x-signalwire-signature", "x-twilio-signature")
    stream_attributes = ' realtime="true"'
    """Without it SignalWire keeps the caller's audio back, to play out jitter."""
    sip_status_field = "SipResultCode"
    """https://signalwire.com/docs/compatibility-api/rest/calls/webhooks/voice-status-callback"""

    def signing_key(self, account: CarrierAccount) -> str:
        """https://signalwire.com/docs/server-sdks/reference/python/core/security"""
        return account.settings["signing_key"]

    def account_id(self, account: CarrierAccount) -> str:
        return account.settings["project_id"]

    def calls_url(self, account: CarrierAccount) -> str:
        project = quote(self.account_id(account), safe="")
        return f"{account.base_url}/api/laml/2010-04-01/Accounts/{project}/Calls"

    def open_stream(self) -> TwilioStream:
        """See `Carrier.open_stream`."""
        return SignalWireStream()


class SignalWireStream(TwilioStream):
    """A `Stream`. https://signalwire.com/docs/compatibility-api/cxml/reference/voice/stream shows each event in the
    `rawEvent` of a message, and only the start says which stream it is of; other pages of SignalWire's show it bare.
    """

    def _event(self, document: Any) -> Any:
        return document.get("rawEvent", document) if isinstance(document, dict) else document
