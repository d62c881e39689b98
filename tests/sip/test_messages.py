"""SIP messages: the torture set of RFC 4475, what is read from them, and that they are printed as they were."""

import pytest

from dialtone.sip.errors import ParseError
from dialtone.sip.message import MAX_HEAD, Request, Response, parse_datagram
from dialtone.sip.validation import answerable, fault_of, unsupported_extensions, usable
from tests.sip.torture import VALID
from tests.sip.torture_refused import DROPPED, REFUSED, REFUSED_LATER

WELL_FORMED = VALID | REFUSED_LATER


@pytest.mark.parametrize("name", WELL_FORMED)
def test_what_is_well_formed_is_taken_and_printed_the_same(name: str) -> None:
    message = parse_datagram(WELL_FORMED[name])
    if isinstance(message, Response):
        assert usable(message) == (name != "bcast"), "what has two Vias is for somebody else"
    else:
        assert answerable(message)
        assert fault_of(message) is None
    again = parse_datagram(message.to_bytes())
    assert again.to_bytes() == message.to_bytes()
    assert again.copied_fields() == message.copied_fields()
    assert again.body == message.body


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_answered_with_its_status(name: str) -> None:
    data, status = REFUSED[name]
    request = parse_datagram(data)
    assert isinstance(request, Request)
    assert answerable(request)
    fault = fault_of(request)
    assert fault is not None
    assert fault.status == status
    response = parse_datagram(request.response(*fault, to_tag="mine").to_bytes())
    assert isinstance(response, Response)
    assert response.status == status


@pytest.mark.parametrize("name", DROPPED)
def test_what_nobody_can_use_is_dropped(name: str) -> None:
    try:
        message = parse_datagram(DROPPED[name])
    except ParseError:
        return
    assert not (usable(message) if isinstance(message, Response) else answerable(message))


def request_of(name: str) -> Request:
    message = parse_datagram(WELL_FORMED[name])
    assert isinstance(message, Request)
    return message


def test_the_tortuous_invite_is_understood() -> None:
    request = request_of("wsinv")
    assert (request.method, request.uri.user, request.uri.host) == ("INVITE", "vivekg", "chair-dnrc.example.com")
    assert request.uri.params == {"unknownparam": None}
    assert request.to.tag == "1918181833n"
    assert (request.from_.display_name, request.from_.tag) == ('J Rosenberg \\"', "98asjd8")
    assert request.cseq == (9, "INVITE")
    assert request.number("max-forwards", 70) == 68
    assert (request.via.transport, request.via.host, request.via.branch) == ("UDP", "192.0.2.2", "390skdjuw")
    assert len(request.values("via")) == 3
    assert request.get("newfangledheader") == "newfangled value continued newfangled value"
    assert request.get("unknownheaderwithunusualvalue") == ";;,,;;,;"
    (contact,) = request.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert request.body.startswith(b"v=0\r\no=mhandley")


def test_unusual_characters_keep_their_meaning() -> None:
    request = request_of("intmeth")
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert request.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert request.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert request.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert request.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert request.from_.params["fromparam''~+*_!.-%"] == '"работающий"'
    assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


def test_escapes_are_read_once_and_only_in_uris() -> None:
    request = request_of("esc01")
    assert request.uri.user_name == "sips:user@example.com"
    assert request.from_.uri.user_name == "I have spaces"
    assert request.to.uri.user_name == "user"
    request = request_of("esc02")
    assert request.method == "RE%47IST%45R"
    assert [contact.uri.user for contact in request.contacts] == ["alias1", "alias3"]
    assert [contact.uri.user_name for contact in request_of("escnull").contacts] == ["\x00", "\x00\x00"]


def test_the_second_message_of_a_datagram_is_dropped() -> None:
    request = request_of("dblreq")
    assert (request.method, request.body) == ("REGISTER", b"")


def test_parameters_belong_to_the_header_without_brackets_and_to_the_uri_within() -> None:
    (outside,) = request_of("cparam01").contacts
    assert (outside.params, outside.uri.params) == ({"unknownparam": None}, {})
    (inside,) = request_of("cparam02").contacts
    assert (inside.params, inside.uri.params) == ({}, {"unknownparam": None})
    (escaped,) = request_of("regescrt").contacts
    assert escaped.uri.header_fields == {"route": "<sip:sip.example.com>"}
    assert request_of("semiuri").uri.user == "user;par=u%40example.net"


def test_extensions_that_nobody_supports_are_named() -> None:
    assert unsupported_extensions(request_of("bext01")) == {"nothingsupportsthis", "nothingsupportsthiseither"}


def test_an_answer_copies_what_it_must() -> None:
    request = request_of("wsinv")
    response = request.response(180, to_tag="unused")
    assert response.lines("via") == request.lines("via")
    assert response.get("to") == request.get("to")
    assert request_of("lwsdisp").response(200, to_tag="mine").to.tag == "mine"
    assert request_of("lwsdisp").response(100, to_tag="mine").to.tag == ""


def test_no_value_begins_a_line_of_its_own() -> None:
    request = request_of("lwsdisp")
    request.set("subject", "fine\r\nInjected: header")
    with pytest.raises(ValueError, match="line break"):
        request.to_bytes()
    for data in (b"a\nX: y", b"a\rX: y", b"a\n"):
        with pytest.raises(ParseError):
            parse_datagram(VALID["lwsdisp"].replace(b"Max-Forwards: 70", b"Subject: " + data))


def test_sizes_are_bounded() -> None:
    start = VALID["lwsdisp"].removesuffix(b"\r\n")
    for more in (b"X: " + b"a" * MAX_HEAD + b"\r\n", b"X: a\r\n" * 300):
        with pytest.raises(ParseError):
            parse_datagram(start + more + b"\r\n")
    long = parse_datagram(start.replace(b"lwsdisp.1234abcd", b"a" * 600) + b"\r\n")
    assert isinstance(long, Request)
    fault = fault_of(long)
    assert fault is not None
    assert fault.status == 400
