"""Parameters behind semicolons, quoted strings, and lists behind commas: what most SIP headers are made of."""

import re

from dialtone.sip.errors import ParseError

Parameters = dict[str, str | None]
"""By name in lower case. Values as written, a quoted string with its quotes; None for a parameter without one."""

MAX_PARAMETERS = 64
MAX_VALUES = 128
"""In one comma-separated header."""

# A quotation mark without its partner takes all that follows, so that no text is read more than twice.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[^";]+|;|".*', re.DOTALL)
_LIST_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|[^",<]+|,|".*', re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def parse_parameters(text: str) -> Parameters:
    """Read `;name=value;name`. Raises `ParseError`."""
    text = text.strip()
    if not text:
        return {}
    if not text.startswith(";"):
        raise ParseError("parameters without a semicolon")
    pieces = text[1:].split(";") if '"' not in text else _quote_aware(text[1:])
    if len(pieces) > MAX_PARAMETERS:
        raise ParseError("too many parameters")
    params: Parameters = {}
    if pieces[-1].strip() == "":
        pieces.pop()  # one semicolon too many at the end is wrong and common
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name = name.strip().lower()
        if not name:
            raise ParseError("a parameter without a name")
        params.setdefault(name, value.strip() if equals else None)
    return params


def _quote_aware(text: str) -> list[str]:
    pieces = [""]
    for piece in _all_pieces(_PIECE, text):
        if piece == ";":
            pieces.append("")
        else:
            pieces[-1] += piece
    return pieces


def _all_pieces(pattern: re.Pattern[str], text: str) -> list[str]:
    pieces = pattern.findall(text)
    unclosed = pieces and pieces[-1][0] == '"' and not _QUOTED.fullmatch(pieces[-1])
    if unclosed or sum(map(len, pieces)) != len(text):
        raise ParseError("a quotation mark or bracket without its partner")
    return pieces


def print_parameters(params: Parameters) -> str:
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])


def split_list(text: str) -> list[str]:
    """The values of a comma-separated header; commas in quotation marks or angle brackets do not separate."""
    if "," not in text:
        return [text] if text else []
    values = [""]
    for piece in _all_pieces(_LIST_PIECE, text):
        if piece == ",":
            values.append("")
        else:
            values[-1] += piece
    if len(values) > MAX_VALUES:
        raise ParseError("too many values in a header")
    return [value.strip() for value in values if value.strip()]


def unquote(text: str) -> str:
    """The text of a quoted string; anything else as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        text = text[1:-1]
        return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text
    return text


def quoted(text: str) -> str:
    """`text` as a quoted string, on one line and without control characters."""
    printable = "".join([character if character.isprintable() else " " for character in text])
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
