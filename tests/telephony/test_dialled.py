"""Telephone numbers in SIP addresses."""

import pytest

from dialtone.telephony.dialled import called_numbers, number_of


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("+31201234567", "+31201234567"),
        ("0031201234567", "+31201234567"),
        ("31201234567", "+31201234567"),
        ("0201234567", None),  # of which country?
        ("100", None),
        ("+0123", None),
        ("alice", None),
        ("３１２０１２３４５６７", None),
        ("1" * 40, None),
        ("", None),
    ],
)
def test_a_number_has_one_form(user: str, number: str | None) -> None:
    assert number_of(user) == number


def test_the_number_is_in_the_request_or_in_to() -> None:
    to = "sip:+31201234567@pbx.example.com;user=phone"
    assert called_numbers("sip:trunk-user@192.0.2.1", to) == ["+31201234567"]
    assert called_numbers("sip:31207654321@192.0.2.1:5060", to) == ["+31207654321", "+31201234567"]
    assert called_numbers("tel:+31-20-123-4567", to) == ["+31201234567"]
    assert called_numbers("urn:service:sos", "not a URI at all <>") == []
