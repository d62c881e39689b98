"""Telephone numbers in SIP addresses."""

import pytest

from dialtone.platform.numbering import INTERNATIONAL
from dialtone.sip.events import IncomingCall
from dialtone.telephony.dialled import called_numbers, caller_of
from tests.sip.stage import OFFER, phone, run
from tests.sip.wire import wire

PUBLIC = "<sip:+31201234567@trunk.example>;tag=wire"


def test_the_number_is_in_the_request_or_in_to() -> None:
    to = "sip:+31201234567@pbx.example.com;user=phone"
    assert called_numbers(INTERNATIONAL, "sip:trunk-user@192.0.2.1", to) == ["+31201234567"]
    assert called_numbers(INTERNATIONAL, "sip:31207654321@192.0.2.1:5060", to) == ["+31207654321", "+31201234567"]
    assert called_numbers(INTERNATIONAL, "tel:+31-20-123-4567", to) == ["+31201234567"]
    assert called_numbers(INTERNATIONAL, "urn:service:sos", "not a URI at all <>") == []


@pytest.mark.parametrize(
    ("caller", "privacy", "number"),
    [
        (PUBLIC, None, "+31612345678"),
        (PUBLIC, "none", "+31612345678"),
        (PUBLIC, "session; critical", "+31612345678"),
        (PUBLIC, "id", None),
        (PUBLIC, "User;critical", None),
        (PUBLIC, "session, header", None),
        ('"Anonymous" <sip:trunk-user@trunk.example>;tag=wire', "id", None),
        ('"Anonymous" <sip:trunk-user@trunk.example>;tag=wire', None, None),
        ("<sip:anonymous@trunk.example>;tag=wire", None, None),
        ("<sip:x@anonymous.invalid>;tag=wire", None, None),
    ],
)
def test_a_caller_who_does_not_want_to_be_shown_has_no_number(
    caller: str, privacy: str | None, number: str | None
) -> None:
    async def main() -> None:
        async with phone() as us, wire() as trunk:
            asserted = "<sip:+31612345678@trunk.example>"
            headers = {"from": caller, "p_asserted_identity": asserted} | ({"privacy": privacy} if privacy else {})
            trunk.send(trunk.new("INVITE", body=OFFER, **headers), us)
            assert caller_of(await us.expect(IncomingCall), INTERNATIONAL) == number

    run(main())
