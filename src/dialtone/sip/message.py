"""SIP messages: parsing, reading and changing headers, printing (RFC 3261 section 7)."""

import re
from collections.abc import Iterator
from typing import Any

from dialtone.sip.errors import ParseError
from dialtone.sip.headers import (
    COMPACT_NAMES,
    NameAddr,
    Via,
    display_name_of_header,
    parse_cseq,
    parse_name_addr,
    parse_number,
    parse_via,
)
from dialtone.sip.parameters import is_token, split_list
from dialtone.sip.reasons import REASON_PHRASES
from dialtone.sip.uri import Uri, parse_uri

MAX_HEAD = 32 * 1024
MAX_BODY = 64 * 1024
MAX_HEADER_LINES = 256
VERSION = "SIP/2.0"

_FOLD = re.compile(r"\r\n[ \t]+")
_COMMON_NAMES = (
    "via from to call-id cseq contact max-forwards route record-route content-type content-length allow supported "
    "require user-agent server expires authorization proxy-authorization www-authenticate proxy-authenticate "
    "session-expires min-se accept event refer-to referred-by replaces reason p-asserted-identity diversion rseq rack "
    "retry-after date warning unsupported subject privacy p-preferred-identity remote-party-id allow-events "
    "history-info"
).split()
_KEYS = {display_name_of_header(name): name for name in _COMMON_NAMES}
_NAMES = {key: name for name, key in _KEYS.items()}


class Message:
    """What requests and responses have in common: headers by lower-case name, each a list of lines, and a body."""

    __slots__ = ("_fields", "_parsed", "body", "length_fault")

    def __init__(self, fields: dict[str, list[str]] | None = None, body: bytes = b"") -> None:
        self._fields: dict[str, list[str]] = {} if fields is None else fields
        self._parsed: dict[str, Any] = {}
        self.body = body
        self.length_fault = False
        """Content-Length was no number, contradicted itself, or promised more than came."""

    def get(self, name: str) -> str | None:
        """The first line of a header; `name` is its long form in lower case."""
        lines = self._fields.get(name)
        return lines[0] if lines else None

    def lines(self, name: str) -> list[str]:
        return self._fields.get(name, [])

    def values(self, name: str) -> list[str]:
        """All values of a comma-separated header, over all its lines. Raises `ParseError`."""
        return [value for line in self._fields.get(name, ()) for value in split_list(line)]

    def tokens(self, name: str) -> set[str]:
        """The values of a header like Supported, in lower case; what is malformed counts as absent."""
        try:
            return {value.partition(";")[0].strip().lower() for value in self.values(name)}
        except ParseError:
            return set()

    def set(self, name: str, value: str) -> None:
        self._fields[name] = [value]
        self._parsed.pop(name, None)

    def add(self, name: str, value: str) -> None:
        self._fields.setdefault(name, []).append(value)
        self._parsed.pop(name, None)

    def set_first(self, name: str, value: str) -> None:
        """The same as `set`, above all other headers, where proxies like to find what they need."""
        self.remove(name)
        self._fields = {name: [value], **self._fields}

    def remove(self, name: str) -> None:
        self._fields.pop(name, None)
        self._parsed.pop(name, None)

    def header_names(self) -> Iterator[str]:
        return iter(self._fields)

    def copied_fields(self) -> dict[str, list[str]]:
        return {name: list(lines) for name, lines in self._fields.items()}

    @property
    def via(self) -> Via:
        """The topmost Via. Raises `ParseError`."""
        via: Via | None = self._parsed.get("via")
        if via is None:
            values = split_list(self.get("via") or "")
            if not values:
                raise ParseError("no Via")
            via = self._parsed["via"] = parse_via(values[0])
        return via

    def replace_via(self, via: Via) -> None:
        """Write the topmost Via anew, for what the transport adds to it."""
        first, *rest = split_list(self._fields["via"][0])
        del first
        self._fields["via"][0] = ", ".join([str(via), *rest])
        self._parsed["via"] = via

    @property
    def from_(self) -> NameAddr:
        return self._address("from")

    @property
    def to(self) -> NameAddr:
        return self._address("to")

    def _address(self, name: str) -> NameAddr:
        address: NameAddr | None = self._parsed.get(name)
        if address is None:
            lines = self._fields.get(name)
            if not lines or len(lines) > 1:
                raise ParseError(f"{name.title()} must be there once")
            address = self._parsed[name] = parse_name_addr(lines[0])
        return address

    @property
    def contacts(self) -> list[NameAddr]:
        """The addresses in Contact; a star is none. Raises `ParseError`."""
        return [parse_name_addr(value) for value in self.values("contact") if value != "*"]

    @property
    def call_id(self) -> str:
        lines = self._fields.get("call-id")
        if not lines or len(lines) > 1 or not lines[0]:
            raise ParseError("Call-ID must be there once")
        return lines[0]

    @property
    def cseq(self) -> tuple[int, str]:
        cseq: tuple[int, str] | None = self._parsed.get("cseq")
        if cseq is None:
            lines = self._fields.get("cseq")
            if not lines or len(lines) > 1:
                raise ParseError("CSeq must be there once")
            cseq = self._parsed["cseq"] = parse_cseq(lines[0])
        return cseq

    @property
    def content_type(self) -> str:
        """The media type of the body, in lower case and without parameters."""
        return (self.get("content-type") or "").partition(";")[0].strip().lower()

    def number(self, name: str, default: int, largest: int = 2**32 - 1) -> int:
        """A numeric header, or `default` where it is absent or malformed."""
        try:
            return parse_number(self.get(name) or "", largest)
        except ParseError:
            return default

    def _start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """The message as it goes over the wire. Raises `ValueError` rather than let a value begin a new line."""
        lines = [self._start_line()]
        for key, values in self._fields.items():
            name = _NAMES.get(key) or display_name_of_header(key)
            for value in values:
                lines.append(f"{name}: {value}")
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise ValueError("a header with a line break in it")
        return head.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    __slots__ = ("_uri", "method", "uri_text", "version")

    def __init__(
        self, method: str, uri: Uri | str, fields: dict[str, list[str]] | None = None, body: bytes = b""
    ) -> None:
        super().__init__(fields, body)
        self.method = method
        self.version = VERSION
        self.uri_text = str(uri)
        self._uri = uri if isinstance(uri, Uri) else None

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises `ParseError`."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    def _start_line(self) -> str:
        return f"{self.method} {self.uri_text} {VERSION}"

    def copy(self) -> "Request":
        return Request(self.method, self.uri_text, self.copied_fields(), self.body)

    def _has_to_tag(self) -> bool:
        try:
            return bool(self.to.tag)
        except ParseError:
            return True  # an address that nobody can read is sent back as it came

    def response(self, status: int, reason: str | None = None, to_tag: str = "") -> "Response":
        """An answer to this request with what RFC 3261 section 8.2.6.2 copies into it."""
        fields = {name: self._fields[name][:1] for name in ("from", "to", "call-id", "cseq")}
        fields = {"via": list(self._fields["via"]), **fields}
        if status > 100 and to_tag and not self._has_to_tag():
            fields["to"] = [f"{fields['to'][0]};tag={to_tag}"]
        if status == 100 and "timestamp" in self._fields:
            fields["timestamp"] = list(self._fields["timestamp"])
        return Response(status, reason, fields)


class Response(Message):
    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str | None = None, fields: dict[str, list[str]] | None = None, body: bytes = b""
    ) -> None:
        super().__init__(fields, body)
        self.status = status
        self.reason = REASON_PHRASES.get(status, "") if reason is None else reason

    def _start_line(self) -> str:
        return f"{VERSION} {self.status} {self.reason}"


def parse_head(head: bytes) -> Request | Response:
    """Read a start line and headers, without the empty line behind them and without a body. Raises `ParseError`."""
    if len(head) > MAX_HEAD:
        raise ParseError("a header that is too long")
    text = head.decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n")
    # A lone CR or LF would become a line of its own in what we print.
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ParseError("a line break that is none")
    if len(lines) > MAX_HEADER_LINES:
        raise ParseError("too many headers")
    message = _parse_start_line(lines[0])
    fields = message._fields
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = _KEYS.get(name) or _key(name)
        if not colon or not key:
            raise ParseError("a malformed header")
        present = fields.get(key)
        if present is None:
            fields[key] = [value.strip(" \t")]
        else:
            present.append(value.strip(" \t"))
    return message


def _key(name: str) -> str:
    name = name.rstrip(" \t").lower()
    if not is_token(name):
        return ""
    return COMPACT_NAMES.get(name, name)


def _parse_start_line(line: str) -> Request | Response:
    if line[:4].upper() == "SIP/":
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        if version.upper() != VERSION or len(status) != 3 or not status.isascii() or not status.isdigit():
            raise ParseError("a malformed status line")
        if not 100 <= int(status) <= 699:
            raise ParseError("a status that does not exist")
        return Response(int(status), reason)
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rpartition(" ")
    if not is_token(method) or len(method) > 64 or version[:4].upper() != "SIP/":
        raise ParseError("a malformed request line")
    request = Request(method, uri)
    request.version = version.upper()
    return request


def content_length(message: Message) -> int | None:
    """What Content-Length says; None where it is absent. Raises `ParseError`."""
    lines = message.lines("content-length")
    if not lines:
        return None
    lengths = {parse_number(line, 2**31) for line in lines}
    if len(lengths) != 1:
        raise ParseError("Content-Length contradicts itself")
    return lengths.pop()


def parse_datagram(data: bytes) -> Request | Response:
    """Read the one message in a datagram; what follows its body is dropped (RFC 3261 section 18.3).

    Raises `ParseError`. A wrong Content-Length only sets `length_fault`, since a request with one can be answered.
    """
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
    if end < 0:
        raise ParseError("no end of the headers")
    message = parse_head(data[:end])
    body = data[end + 4 :]
    try:
        length = content_length(message)
    except ParseError:
        length = None
        message.length_fault = True
    if length is not None:
        message.length_fault = length > len(body)
        body = body[:length]
    message.remove("content-length")
    message.body = body
    return message
