"""How one side of a line writes telephone numbers: internationally, or as people dial them inside a country.

ITU-T E.164 numbers a telephone; what is dialled before the number to stay in a country or to leave it (the national and
the international prefix, https://www.itu.int/rec/T-REC-E.164 section 3) differs by country.
"""

import re
from dataclasses import dataclass
from typing import Literal

from dialtone.platform.phone_numbers import canonical

OutboundFormat = Literal["e164", "e164_without_plus", "national", "international_prefix"]

SHORTEST = 8
"""Digits with the country's code. Fewer, written without a plus or an international prefix, are an extension or a
service."""

_SEPARATORS = re.compile(r"\(0\)|[-.() ]")
"""RFC 3966 section 3, and the zero that some write behind a country's code."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers of a trunk. By default only international forms are understood: a national number could be
    anybody's.
    """

    country_code: str | None = None
    """Of the country whose national numbers are understood: `31`."""
    national_prefix: str = "0"
    """Before a national number; empty where there is none, as in Italy or for the ten digits of North America."""
    international_prefix: str = "00"
    outbound_format: OutboundFormat = "e164"
    """How numbers are written to the trunk."""

    def e164(self, written: str) -> str | None:
        """The number in E.164 form; None for what is none."""
        if written.startswith("+"):
            return canonical(written)
        digits = _SEPARATORS.sub("", written)
        if not (digits.isascii() and digits.isdigit()):
            return None
        if digits.startswith(self.international_prefix):
            return canonical("+" + digits.removeprefix(self.international_prefix))
        international = self._with_country(digits)
        return canonical("+" + international) if len(international) >= SHORTEST else None

    def _with_country(self, digits: str) -> str:
        """Digits alone that begin with the country's code are taken for a whole number, unless the national prefix
        is before them.
        """
        country, prefix = self.country_code, self.national_prefix
        if country is None:
            return digits
        if prefix and digits.startswith(prefix):
            return country + digits.removeprefix(prefix)
        if not prefix and not digits.startswith(country):
            return country + digits
        return digits

    def dialled(self, number: str) -> str:
        """A number in E.164 form as the trunk wants it written."""
        digits = number.removeprefix("+")
        if self.outbound_format == "e164":
            return number
        if self.outbound_format == "e164_without_plus":
            return digits
        if self.outbound_format == "national" and self.country_code and digits.startswith(self.country_code):
            return self.national_prefix + digits.removeprefix(self.country_code)
        return self.international_prefix + digits


INTERNATIONAL = Numbering()
