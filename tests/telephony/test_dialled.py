"""Telephone numbers in SIP addresses."""

from dialtone.platform.numbering import INTERNATIONAL
from dialtone.telephony.dialled import called_numbers


def test_the_number_is_in_the_request_or_in_to() -> None:
    to = "sip:+31201234567@pbx.example.com;user=phone"
    assert called_numbers(INTERNATIONAL, "sip:trunk-user@192.0.2.1", to) == ["+31201234567"]
    assert called_numbers(INTERNATIONAL, "sip:31207654321@192.0.2.1:5060", to) == ["+31207654321", "+31201234567"]
    assert called_numbers(INTERNATIONAL, "tel:+31-20-123-4567", to) == ["+31201234567"]
    assert called_numbers(INTERNATIONAL, "urn:service:sos", "not a URI at all <>") == []
