"""Phone numbers as they are kept of calls whose content is not kept: the country code and the last two digits."""

ONE_DIGIT = frozenset("17")
TWO_DIGITS = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 "
    "90 91 92 93 94 95 98".split()
)
"""Country codes of ITU-T E.164 (list of assigned codes, E.164D); all others have three digits."""


def masked(number: str) -> str:
    """`+31623731537` as `+31*******37`; of a SIP URI nothing but that it is one."""
    scheme, is_uri, _ = number.partition(":")
    if is_uri:
        return f"{scheme.lower()}:***"
    digits = number.removeprefix("+")
    code = 1 if digits[:1] in ONE_DIGIT else 2 if digits[:2] in TWO_DIGITS else 3
    hidden = max(0, len(digits) - code - 2)
    return f"+{digits[:code]}{'*' * hidden}{digits[code + hidden :]}"
