"""SIP, SIPS and tel URIs (RFC 3261 section 19, RFC 3966), and any other URI as an opaque text."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from dialtone.sip.errors import ParseError
from dialtone.sip.parameters import Parameters, parse_parameters, print_parameters

_SIP = re.compile(
    r"(?:(?P<user>[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]*)(?::(?P<password>[A-Za-z0-9\-_.!~*'()&=+$,%]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<params>;[^?@<>\"\s]*)?"
    r"(?:\?(?P<headers>[^<>\"\s]*))?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,63}")
_TEL = re.compile(r"(?P<number>[0-9A-Fa-f*#+().-]{1,64})(?P<params>;[^<>\"\s]*)?")
_OPAQUE = re.compile(r"[^<>\"\s]+")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER_SAFE = "-_.!~*'()&=+$,;?/"


@dataclass(slots=True)
class Uri:
    """A URI in its parts, as they are written: `user` keeps its escapes, `host` an IPv6 address its brackets."""

    scheme: str
    user: str = ""
    host: str = ""
    """Empty for every scheme but sip and sips."""
    port: int | None = None
    params: Parameters = field(default_factory=dict)
    password: str = ""
    headers: str = ""
    """What follows the question mark, still escaped."""
    opaque: str = ""
    """All that follows the scheme where that is neither sip, sips nor tel."""

    @property
    def is_sip(self) -> bool:
        return self.scheme in ("sip", "sips")

    @property
    def user_name(self) -> str:
        """The user (or the telephone number) without escapes and without parameters of its own."""
        return unquote(self.user.partition(";")[0], errors="surrogateescape")

    @property
    def bare_host(self) -> str:
        """The host, an IPv6 address without its brackets."""
        return self.host.strip("[]")

    @property
    def transport(self) -> str | None:
        value = self.params.get("transport")
        return value.lower() if value else None

    @property
    def header_fields(self) -> dict[str, str]:
        """The headers that the URI asks to be put into the request, unescaped; names in lower case."""
        pairs = (part.partition("=") for part in self.headers.split("&")[:32] if part)
        return {unquote(name).lower(): unquote(value) for name, _, value in pairs}

    def without_headers(self) -> "Uri":
        return Uri(self.scheme, self.user, self.host, self.port, dict(self.params), self.password, "", self.opaque)

    def __str__(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        text = f"{self.scheme}:{self.user}"
        if self.host:
            if self.password:
                text += f":{self.password}"
            if self.user or self.password:
                text += "@"
            text += self.host if self.port is None else f"{self.host}:{self.port}"
        if self.params:
            text += print_parameters(self.params)
        return f"{text}?{self.headers}" if self.headers else text


def parse_uri(text: str) -> Uri:
    """Read a URI. Raises `ParseError`."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme):
        raise ParseError("a URI without a scheme")
    scheme = scheme.lower()
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    if "%" in rest and _BAD_ESCAPE.search(rest):
        raise ParseError("a URI with a broken escape")
    if scheme == "tel":
        match = _TEL.fullmatch(rest)
        if match is None:
            raise ParseError("a malformed tel URI")
        return Uri(scheme, match["number"], params=parse_parameters(match["params"] or ""))
    if not _OPAQUE.fullmatch(rest):
        raise ParseError("a malformed URI")
    return Uri(scheme, opaque=rest)


def _parse_sip(scheme: str, rest: str) -> Uri:
    match = _SIP.fullmatch(rest)
    if match is None or ("%" in rest and _BAD_ESCAPE.search(rest)):
        raise ParseError("a malformed SIP URI")
    user, password, host, port_text, params, headers = match.groups()
    port = int(port_text) if port_text else None
    if port is not None and not 0 < port < 65536:
        raise ParseError("a SIP URI with an impossible port")
    return Uri(
        scheme, user or "", host, port, parse_parameters(params) if params else {}, password or "", headers or ""
    )


def escape_user(text: str) -> str:
    """`text` as the user part of a SIP URI."""
    return quote(text, safe=_USER_SAFE)


def host_in_uri(host: str) -> str:
    """A host as it is written in a URI or a Via: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
