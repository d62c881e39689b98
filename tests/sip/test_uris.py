"""URIs in all their forms."""

import pytest

from dialtone.sip.errors import ParseError
from dialtone.sip.headers import parse_cseq, parse_name_addr, parse_via
from dialtone.sip.parameters import quoted, split_list, unquote
from dialtone.sip.uri import escape_user, parse_uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp;lr?Subject=hello&Priority=urgent",
        "sip:+31201234567;phone-context=example.com@example.com;user=phone",
        "sip:[2001:db8::1]:5070;transport=tls",
        "sip:example.com",
        "sip:*98#@10.0.0.1",
        "tel:+31-20-123-4567",
        "tel:7042;phone-context=example.com",
        "urn:service:sos",
        "http://example.com/x?y=z",
    ],
)
def test_uris_are_printed_as_they_were(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_the_parts_of_a_uri() -> None:
    uri = parse_uri("SIPS:a%6Cice:pw@[2001:db8::1]:5061;Transport=TLS;lr?Replaces=a%40b")
    assert (uri.scheme, uri.user_name, uri.password, uri.bare_host, uri.port) == (
        "sips", "alice", "pw", "2001:db8::1", 5061,
    )  # fmt: skip
    assert uri.transport == "tls"
    assert uri.header_fields == {"replaces": "a@b"}
    assert parse_uri("sip:7042;phone-context=x@example.com").user_name == "7042"
    assert parse_uri(f"sip:{escape_user('a b@c')}@example.com").user_name == "a b@c"


@pytest.mark.parametrize(
    "text",
    [
        "", "alice@example.com", "sip:", "sip:alice@", "sip:@", "sip:a b@example.com", "sip:alice@example.com:0",
        "sip:alice@example.com:65536", "sip:alice@exa mple.com", "sip:alice%4@example.com", "sip:al<ice@example.com",
        "tel:", "tel:alice", "sip:a@b@c", "1sip:a@b", "sip:alice@[::1", "x:",
    ],
)  # fmt: skip
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_uri(text)


def test_addresses_with_and_without_brackets() -> None:
    address = parse_name_addr('"Bell, \\"A\\"" <sip:bell@example.com;lr>;tag=1')
    assert (address.display_name, address.tag, address.uri.params) == ('Bell, "A"', "1", {"lr": None})
    assert str(address) == '"Bell, \\"A\\"" <sip:bell@example.com;lr>;tag=1'
    assert parse_name_addr("sip:bell@example.com;tag=2").tag == "2"
    for text in ("<sip:a@b", "sip:a@b>", '"x <sip:a@b>', "<sip:a@b> x", "sip:a@b?x=y", "*"):
        with pytest.raises(ParseError):
            parse_name_addr(text)


def test_a_via_says_where_the_answer_goes() -> None:
    via = parse_via("SIP/2.0/TLS [2001:db8::9]:5061;branch=z9hG4bKx;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("TLS", "[2001:db8::9]", 5061, "z9hG4bKx")
    assert str(via) == "SIP/2.0/TLS [2001:db8::9]:5061;branch=z9hG4bKx;rport"
    for text in ("SIP/3.0/UDP a", "SIP/2.0/UDP", "HTTP/2.0/UDP a", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a b"):
        with pytest.raises(ParseError):
            parse_via(text)


def test_numbers_have_their_range() -> None:
    assert parse_cseq("2147483647 INVITE") == (2147483647, "INVITE")
    for text in ("2147483648 INVITE", "-1 INVITE", "1", "INVITE 1", "١ INVITE"):
        with pytest.raises(ParseError):
            parse_cseq(text)


def test_lists_are_cut_at_their_own_commas() -> None:
    assert split_list('"a, b" <sip:a,b@c>;x=",", <sip:d@e>,,f') == ['"a, b" <sip:a,b@c>;x=","', "<sip:d@e>", "f"]
    for text in ('"a, b', "<sip:a@b, c", ",".join("a" * 200)):
        with pytest.raises(ParseError):
            split_list(text)
    assert unquote(quoted('a "b" \\c\r\nd')) == 'a "b" \\c  d'


@pytest.mark.parametrize("piece", ['\\"', '"', "<", ",", ";", "=", " ", "\t", '",', "<,", '"<'])
def test_no_run_of_characters_takes_long(piece: str) -> None:
    """32 KiB of any of these would take minutes in an expression that tries every way to cut them."""
    text = piece * (32768 // len(piece))
    for parse in (split_list, parse_name_addr, parse_via, parse_uri, parse_cseq):
        for start in ("", '"', "<", "SIP/2.0/UDP a;", "sip:"):
            try:
                parse(start + text)
            except ParseError:
                continue
