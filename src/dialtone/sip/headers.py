"""The headers with a form of their own: addresses, Via, CSeq, and the names of all headers."""

import re
from dataclasses import dataclass, field

from dialtone.sip.errors import ParseError
from dialtone.sip.parameters import Parameters, parse_parameters, print_parameters, quoted, unquote
from dialtone.sip.uri import Uri, parse_uri

COMPACT_NAMES = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""The registered short forms of header names (RFC 3261 section 7.3.3 and later)."""

IRREGULAR_NAMES = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "www-authenticate": "WWW-Authenticate",
    "mime-version": "MIME-Version",
    "rack": "RAck",
    "rseq": "RSeq",
    "min-se": "Min-SE",
    "p-asserted-identity": "P-Asserted-Identity",
    "p-called-party-id": "P-Called-Party-ID",
    "sip-etag": "SIP-ETag",
    "sip-if-match": "SIP-If-Match",
}
"""Names that are not written with a capital at the start of each word only."""

_NAME_ADDR = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"\s*|[^"<>]*)<(?P<uri>[^<>]*)>(?P<params>.*)', re.DOTALL)
_VIA = re.compile(
    r"(?P<name>[A-Za-z0-9\-.!%*_+`'~]+)\s*/\s*(?P<version>[A-Za-z0-9\-.!%*_+`'~]+)\s*/\s*"
    r"(?P<transport>[A-Za-z0-9\-.!%*_+`'~]+)\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})\s*(?::\s*(?P<port>[0-9]{1,5})\s*)?(?P<params>;.*)?",
    re.DOTALL,
)
_CSEQ = re.compile(r"([0-9]{1,10})\s+(\S+)")
_MAX_SEQUENCE = 2**31 - 1
"""RFC 3261 section 8.1.1.5."""


@dataclass(slots=True)
class NameAddr:
    """An address with an optional display name, as in From, To, Contact, Route (RFC 3261 section 20)."""

    uri: Uri
    display_name: str = ""
    params: Parameters = field(default_factory=dict)

    @property
    def tag(self) -> str:
        return self.params.get("tag") or ""

    def __str__(self) -> str:
        name = f"{quoted(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri}>{print_parameters(self.params)}"


def parse_name_addr(text: str) -> NameAddr:
    """Read a name-addr or an addr-spec. Raises `ParseError`."""
    if "<" not in text:
        # Without brackets all parameters are the header's (RFC 3261 section 20.10).
        uri, semicolon, params = text.strip().partition(";")
        uri = uri.rstrip()
        if "?" in uri or "," in uri:
            raise ParseError("an address that needs angle brackets")
        return NameAddr(parse_uri(uri), "", parse_parameters(semicolon + params))
    match = _NAME_ADDR.fullmatch(text.strip())
    if match is None:
        raise ParseError("a malformed address")
    name, uri, params = match.groups()
    return NameAddr(
        parse_uri(uri.strip()),
        unquote(name.strip()) if name else "",
        parse_parameters(params) if params else {},
    )


@dataclass(slots=True)
class Via:
    """One hop that a request took (RFC 3261 section 20.42)."""

    transport: str
    """In capitals."""
    host: str
    port: int | None
    params: Parameters

    @property
    def branch(self) -> str:
        return self.params.get("branch") or ""

    @property
    def sent_by(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{print_parameters(self.params)}"


def parse_via(text: str) -> Via:
    """Read one value of Via. Raises `ParseError`."""
    match = _VIA.fullmatch(text.strip())
    if match is None or match["name"].upper() != "SIP" or match["version"] != "2.0":
        raise ParseError("a malformed Via")
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise ParseError("a Via with an impossible port")
    return Via(match["transport"].upper(), match["host"], port, parse_parameters(match["params"] or ""))


def parse_cseq(text: str) -> tuple[int, str]:
    """The number and the method of a CSeq. Raises `ParseError`."""
    match = _CSEQ.fullmatch(text)
    if match is None or int(match[1]) > _MAX_SEQUENCE:
        raise ParseError("a malformed CSeq")
    return int(match[1]), match[2]


def parse_number(text: str, largest: int) -> int:
    """A header that is a plain number, like Expires; parameters behind it are left aside. Raises `ParseError`."""
    digits = text.partition(";")[0].strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 20 or int(digits) > largest:
        raise ParseError("a malformed number")
    return int(digits)


def display_name_of_header(key: str) -> str:
    """How a header's name is usually written, from its lower case."""
    return IRREGULAR_NAMES.get(key) or key.title()
