"""Telephone numbers in their one form: a plus sign and digits, as ITU-T E.164 numbers them
(https://www.itu.int/rec/T-REC-E.164).
"""

import re

E164_PATTERN = r"\+[1-9][0-9]{1,14}"
DIALLABLE_PATTERN = r"\+[1-9][0-9]{6,14}"
"""A number that may be called: the shortest there are have 7 digits with the country's code (Niue's, 4 after 683).
Fewer are a country's code with a part of a number.
"""

_SEPARATOR = "[\t \u00a0./\u2010-\u2015-]"  # spaces, dots, slashes, all dashes
_NATIONAL_ZERO = "(0)"
_GAP = rf"({_SEPARATOR}|[()]|\(0\))*"
_DIGIT = rf"({_GAP}[1-9]|({_GAP}({_SEPARATOR}|\)|\(0\)))?0)"
_INTERNATIONALLY = rf"{_SEPARATOR}*(\+|0{_SEPARATOR}*0){_SEPARATOR}*"
WRITTEN_PATTERN = rf"{_INTERNATIONALLY}[1-9]{_DIGIT}{{1,14}}{_GAP}"
"""A number as people write it. `(0)` is the zero that is dialled only inside a country; parentheses never open with
another zero, so that every `(0)` means that."""
WRITTEN_DIALLABLE = rf"{_INTERNATIONALLY}[1-9]{_DIGIT}{{6,14}}{_GAP}"
"""A `DIALLABLE_PATTERN` as people write it."""

_WRITTEN = re.compile(WRITTEN_PATTERN)


def canonical(written: str) -> str | None:
    """The number as people write it, in E.164 form: `+31 (0)20 123-4567` and `0031201234567` are `+31201234567`.

    None for what is not an international number: without a country a national one could be anybody's.
    """
    if not _WRITTEN.fullmatch(written):
        return None
    digits = "".join(character for character in written.replace(_NATIONAL_ZERO, "") if character in "0123456789")
    return f"+{digits.removeprefix('00')}"


def mention_of(number: str) -> re.Pattern[str]:
    """Finds an international number in a text, however people write it: `+31 (0)6-2373 1537`, `0031623731537`, or
    without any sign before it. Inside a longer number it is not found. A SIP URI is found as it is.
    """
    if not number.startswith("+"):
        return re.compile(re.escape(number), re.IGNORECASE)
    # Possessive: what stands between two digits is taken one way only, so that no text makes the search slow.
    gap = rf"(?:\(0\)|{_SEPARATOR}|[()])*+"
    digits = gap.join(number.removeprefix("+"))
    return re.compile(rf"(?<![0-9])(?:0{gap}0{gap})?{digits}(?![0-9])")
