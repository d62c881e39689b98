"""Regular expressions that are rules of the API: the server holds texts against them, and its description shows them.

Written in what ECMA-262, Python and RE2 have in common, so that generated clients can use them. None is anchored: use
`re.fullmatch`, and `anchored` for JSON Schema, where a pattern may match anywhere in a text.
"""


def anchored(pattern: str) -> str:
    return f"^({pattern})$"


# Hosts

_HEX = "[0-9A-Fa-f]{1,4}"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}"
_LAST_32_BITS = f"({_HEX}:{_HEX}|{IPV4})"


def _behind_double_colon(most_before: int, behind: str) -> str:
    return f"(({_HEX}:){{0,{most_before}}}{_HEX})?::{behind}"


IPV6 = "({})".format(
    "|".join(
        [
            f"({_HEX}:){{6}}{_LAST_32_BITS}",
            f"::({_HEX}:){{5}}{_LAST_32_BITS}",
            *(_behind_double_colon(4 - count, f"({_HEX}:){{{count}}}{_LAST_32_BITS}") for count in range(4, -1, -1)),
            _behind_double_colon(5, _HEX),
            _behind_double_colon(6, ""),
        ]
    )
)
"""RFC 3986 section 3.2.2. Without a zone."""

PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LAST_LABEL = "[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = rf"({_LABEL}\.)*{_LAST_LABEL}"
"""RFC 1123 section 2.1. The last label begins with a letter, or it would be an IPv4 address in disguise."""

# Addresses

_ENCODED = "%[0-9A-Fa-f]{2}"
_UNRESERVED = "A-Za-z0-9._~!$&'()*+,;=\\-"
_USER = f"([{_UNRESERVED}:]|{_ENCODED})*@"
_NAMED_HOST = f"([{_UNRESERVED}]|{_ENCODED})+"
_PATH = f"(/([{_UNRESERVED}:@]|{_ENCODED})*)*"
_REST = f"([{_UNRESERVED}:@/?]|{_ENCODED})*"
_SCHEME = "[Hh][Tt][Tt][Pp][Ss]?://"
WEB_URL = rf"{_SCHEME}({_USER})?({_NAMED_HOST}|\[{IPV6}\])(:{PORT}?)?{_PATH}(\?{_REST})?(#{_REST})?"
"""RFC 3986: an absolute http or https address, with a host."""
_PLACEHOLDER = r"\{\{[A-Za-z_][A-Za-z0-9_.-]{0,127}\}\}"
_PATH_TEMPLATE = f"(/([{_UNRESERVED}:@]|{_ENCODED}|{_PLACEHOLDER})*)*"
TOOL_URL = rf"{_SCHEME}({_USER})?({_NAMED_HOST}|\[{IPV6}\])(:{PORT}?)?{_PATH_TEMPLATE}(\?{_REST})?(#{_REST})?"
"""A `WEB_URL` whose path may hold `{{placeholders}}`."""
WEB_URL_BEGIN = rf"^{_SCHEME}([^/?#@]*@)?([^/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:{PORT}?)?([/?#]|$)"
"""In JSON Schema: what `format: uri` does not say of a `WEB_URL`."""

_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
EMAIL = rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LAST_LABEL}"
"""RFC 5321 section 4.1.2, without quoted names and address literals."""
EMAIL_OUTLINE = r'^[^"@]+@[^@\[]*\.[A-Za-z][A-Za-z0-9-]*$'
"""In JSON Schema: what `format: email` does not say of an `EMAIL`."""

SIP_URI = "[Ss][Ii][Pp][Ss]?:[!#-;=?-~]+"
"""RFC 3261 section 19.1: what follows the scheme is ASCII, without spaces, quotes and angle brackets."""

# Times

_YEAR = "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_OF_31_DAYS, _OF_30_DAYS = "(0[13578]|1[02])", "(0[469]|11)"


def _date(dash: str) -> str:
    """A day that exists (ISO 8601), the year 0 not among them."""
    days = (
        f"{_OF_31_DAYS}{dash}(0[1-9]|[12][0-9]|3[01])",
        f"{_OF_30_DAYS}{dash}(0[1-9]|[12][0-9]|30)",
        f"02{dash}(0[1-9]|1[0-9]|2[0-8])",
    )
    return f"({_YEAR}{dash}({'|'.join(days)})|{_LEAP_YEAR}{dash}02{dash}29)"


_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_SECONDS = r":[0-5][0-9](\.[0-9]+)?"

DATE_TIME = f"{_date('-')}[Tt]{_CLOCK}{_SECONDS}([Zz]|[+-]{_CLOCK})"
"""RFC 3339 section 5.6, without leap seconds."""
DATE_TIME_OUTLINE = f"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}[Tt][0-9]{{2}}:[0-9]{{2}}:[0-5][0-9]"
"""In JSON Schema: what `format: date-time` does not say of a `DATE_TIME`."""

WRITTEN_TIME = f"({_date('-')}|{_date('')})([Tt ]{_CLOCK}({_SECONDS})?([Zz]|[+ -]([01][0-9]|2[0-3]):?[0-5][0-9])?)?"
"""As people write it in an address: a day, or a day and a time, with or without seconds and a zone. A space in place of
the zone's plus is a plus that was not percent-encoded.
"""

# Texts

_NO_SPACE = r"[^\t-\r\x1c-\x20\x85\xa0" + "\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
NOT_BLANK = rf"[\s\S]*{_NO_SPACE}[\s\S]*"
"""A text with a character that is no space; `str.isspace` knows the same spaces."""
