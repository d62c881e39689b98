"""How trunks write telephone numbers: what is read is E.164, and what is written is read back as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.platform.numbering import INTERNATIONAL, Numbering

NETHERLANDS = Numbering("31")
UNITED_STATES = Numbering("1", national_prefix="", international_prefix="011")
ITALY = Numbering("39", national_prefix="")
RUSSIA = Numbering("7", national_prefix="8", international_prefix="810")


@pytest.mark.parametrize(
    ("numbering", "written", "number"),
    [
        (INTERNATIONAL, "+31201234567", "+31201234567"),
        (INTERNATIONAL, "0031201234567", "+31201234567"),
        (INTERNATIONAL, "31201234567", "+31201234567"),
        (INTERNATIONAL, "+31 (0)20-123 4567", "+31201234567"),
        (INTERNATIONAL, "0201234567", None),  # of which country?
        *(
            (INTERNATIONAL, written, None)
            for written in ("100", "+0123", "alice", "３１２０１２３４５６７", "1" * 40, "")
        ),
        (NETHERLANDS, "0201234567", "+31201234567"),
        (NETHERLANDS, "020 1234567", "+31201234567"),
        (NETHERLANDS, "0031201234567", "+31201234567"),
        (NETHERLANDS, "31201234567", "+31201234567"),
        (NETHERLANDS, "004930123456", "+4930123456"),
        (NETHERLANDS, "112", None),
        (NETHERLANDS, "0112", None),
        (UNITED_STATES, "2125551234", "+12125551234"),
        (UNITED_STATES, "12125551234", "+12125551234"),
        (UNITED_STATES, "011442071234567", "+442071234567"),
        (UNITED_STATES, "911", None),
        (ITALY, "0612345678", "+390612345678"),
        (ITALY, "3331234567", "+393331234567"),
        (RUSSIA, "84951234567", "+74951234567"),
        (RUSSIA, "81031201234567", "+31201234567"),
    ],
)
def test_a_number_has_one_form(numbering: Numbering, written: str, number: str | None) -> None:
    assert numbering.e164(written) == number


@pytest.mark.parametrize(
    ("form", "at_home", "abroad"),
    [
        ("e164", "+31201234567", "+4930123456"),
        ("e164_without_plus", "31201234567", "4930123456"),
        ("national", "0201234567", "004930123456"),
        ("international_prefix", "0031201234567", "004930123456"),
    ],
)
def test_numbers_are_written_as_the_trunk_wants_them(form: str, at_home: str, abroad: str) -> None:
    numbering = Numbering("31", outbound_format=form)  # type: ignore[arg-type]
    assert numbering.dialled("+31201234567") == at_home
    assert numbering.dialled("+4930123456") == abroad


COUNTRIES = ["1", "7", "31", "39", "49", "358", "420"]
"""No country's code begins with another's."""
FORMS = ["e164", "e164_without_plus", "national", "international_prefix"]


@st.composite
def numbers(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(COUNTRIES))
    return f"+{country}{draw(st.from_regex('[1-9][0-9]{6,10}', fullmatch=True))}"


@given(
    number=numbers(),
    country=st.sampled_from(COUNTRIES),
    prefixes=st.sampled_from([("0", "00"), ("8", "810"), ("0", "011"), ("06", "00")]),
    form=st.sampled_from(FORMS),
)
def test_what_is_written_is_read_back(number: str, country: str, prefixes: tuple[str, str], form: str) -> None:
    numbering = Numbering(country, *prefixes, outbound_format=form)  # type: ignore[arg-type]
    written = numbering.dialled(number)
    # Digits alone may begin like a prefix; which of the two is meant, no trunk can tell either.
    if form == "e164_without_plus" and written.startswith(prefixes):
        return
    if form == "national" and written.startswith(prefixes[1]) and number.startswith(f"+{country}"):
        return
    assert numbering.e164(written) == number


@given(number=numbers())
def test_ten_digits_of_north_america_are_read_back(number: str) -> None:
    numbering = Numbering("1", "", "011", "national")
    written = numbering.dialled(number)
    if not number.startswith("+11"):  # no area code begins with 1
        assert numbering.e164(written) == number


@given(written=st.text(alphabet="+0123456789-. ()a", max_size=24), country=st.sampled_from([None, *COUNTRIES]))
def test_whatever_is_read_is_a_number_or_nothing(written: str, country: str | None) -> None:
    number = Numbering(country).e164(written)
    assert number is None or (number.startswith("+") and number[1:].isdecimal() and 2 <= len(number) <= 16)
