"""Session descriptions (RFC 8866): reading them leniently and within bounds, and printing them."""

import re
from dataclasses import dataclass, field
from typing import Literal

from dialtone.sip.errors import ParseError

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")

MAX_LENGTH = 32 * 1024
MAX_LINES = 600
MAX_MEDIA = 16
MAX_FORMATS = 64

_ADDRESS = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
_WORD = re.compile(r"[\x21-\x7e]{1,255}")

Attribute = tuple[str, str | None]


@dataclass(slots=True)
class Attributed:
    """What sessions and media have in common: attributes, in order."""

    attributes: list[Attribute] = field(default_factory=list, kw_only=True)

    def attribute(self, name: str) -> str | None:
        """The value of the first such attribute; an empty text for one without a value."""
        return next((value or "" for key, value in self.attributes if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name and value is not None]

    def direction(self) -> Direction | None:
        keys = {key for key, _ in self.attributes}
        return next((direction for direction in DIRECTIONS if direction in keys), None)

    def set_direction(self, direction: Direction) -> None:
        self.attributes = [pair for pair in self.attributes if pair[0] not in DIRECTIONS]
        self.attributes.append((direction, None))


@dataclass(slots=True)
class Media(Attributed):
    """One m= line and what belongs to it."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    address: str | None = None
    """Of its own c= line."""

    def lines(self) -> list[str]:
        lines = [f"m={self.kind} {self.port} {self.protocol} {' '.join(self.formats)}"]
        if self.address is not None:
            lines.append(_connection_line(self.address))
        return lines + _attribute_lines(self.attributes)


@dataclass(slots=True)
class SessionDescription(Attributed):
    session_id: str
    version: int
    origin_address: str
    address: str | None = None
    """Of the session's c= line."""
    media: list[Media] = field(default_factory=list)
    username: str = "-"
    name: str = "-"

    def address_of(self, media: Media) -> str | None:
        return media.address if media.address is not None else self.address

    def direction_of(self, media: Media) -> Direction:
        return media.direction() or self.direction() or "sendrecv"

    def __str__(self) -> str:
        family = _family(self.origin_address)
        lines = [
            "v=0",
            f"o={self.username} {self.session_id} {self.version} IN {family} {self.origin_address}",
            f"s={self.name}",
        ]
        if self.address is not None:
            lines.append(_connection_line(self.address))
        lines += ["t=0 0", *_attribute_lines(self.attributes)]
        for media in self.media:
            lines += media.lines()
        return "\r\n".join(lines) + "\r\n"


def parse_sdp(text: str) -> SessionDescription:
    """Read a session description. Raises `ParseError`."""
    if len(text) > MAX_LENGTH:
        raise ParseError("a session description that is too long")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > MAX_LINES or lines[0].strip() != "v=0":
        raise ParseError("no session description of version 0")
    session: SessionDescription | None = None
    media: Media | None = None
    for line in lines[1:]:
        kind, equals, value = line[:1], line[1:2], line[2:].strip()
        if equals != "=":
            raise ParseError("a line of a session description without a type")
        if kind == "o":
            session = _parse_origin(value)
        elif session is None:
            raise ParseError("a session description without an origin")
        elif kind == "m":
            media = _parse_media(value)
            session.media.append(media)
            if len(session.media) > MAX_MEDIA:
                raise ParseError("too many media")
        elif kind == "c":
            (media or session).address = _parse_connection(value)
        elif kind == "a":
            name, colon, rest = value.partition(":")
            (media or session).attributes.append((name, rest if colon else None))
    if session is None:
        raise ParseError("a session description without an origin")
    return session


def _number(text: str, largest: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20 or int(text) > largest:
        raise ParseError("a malformed number in a session description")
    return int(text)


def _parse_origin(value: str) -> SessionDescription:
    words = value.split()
    if len(words) != 6 or not _ADDRESS.fullmatch(words[5]) or not all(map(_WORD.fullmatch, words)):
        raise ParseError("a malformed origin")
    return SessionDescription(words[1], _number(words[2], 2**64), words[5], username=words[0])


def _parse_connection(value: str) -> str:
    words = value.split()
    if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
        raise ParseError("a malformed connection")
    address = words[2].partition("/")[0]
    if not _ADDRESS.fullmatch(address):
        raise ParseError("a malformed connection address")
    return address


def _parse_media(value: str) -> Media:
    words = value.split()
    if len(words) < 4 or len(words) > MAX_FORMATS + 3 or not all(map(_WORD.fullmatch, words)):
        raise ParseError("a malformed media line")
    port = _number(words[1].partition("/")[0], 65535)
    return Media(words[0], port, words[2], words[3:])


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _connection_line(address: str) -> str:
    return f"c=IN {_family(address)} {address}"


def _attribute_lines(attributes: list[Attribute]) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]


def with_direction(text: str, direction: Direction) -> str:
    """The same session one version later and in another direction: how a call is held and resumed (RFC 3264)."""
    session = parse_sdp(text)
    session.version += 1
    session.attributes = [pair for pair in session.attributes if pair[0] not in DIRECTIONS]
    for media in session.media:
        if media.port:
            media.set_direction(direction)
    return str(session)
