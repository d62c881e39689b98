"""Telephone numbers in their one form: a plus sign and digits, as ITU-T E.164 numbers them
(https://www.itu.int/rec/T-REC-E.164).
"""

import re

E164 = re.compile(r"\+[1-9][0-9]{1,14}")

_SEPARATORS = re.compile(r"[\s./()\u2010-\u2015-]+")  # spaces, dots, slashes, parentheses, all dashes
_NATIONAL_ZERO = re.compile(r"\(0\)")


def canonical(written: str) -> str | None:
    """The number as people write it, in E.164 form: `+31 (0)20 123-4567` and `0031201234567` are `+31201234567`.

    `(0)` is the zero that is dialled only inside a country. None for what is not an international number: without a
    country a national one could be anybody's.
    """
    number = _SEPARATORS.sub("", _NATIONAL_ZERO.sub("", written))
    if number.startswith("00"):
        number = f"+{number[2:]}"
    return number if E164.fullmatch(number) else None
