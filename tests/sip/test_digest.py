"""Digest: the examples of the RFCs, and our two sides against one another."""

import pytest

from dialtone.sip.digest import Challenge, Credentials, DigestClient, RealmKey, digest_response, parse_challenge
from dialtone.sip.digest_server import NONCE_SECONDS, DigestServer
from dialtone.sip.errors import ParseError
from dialtone.sip.message import Request, Response

MUFASA = Credentials("Mufasa", "Circle of Life")


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, expected: str) -> None:
    challenge = Challenge(
        "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", algorithm, "auth", None, stale=False
    )
    client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    assert digest_response(challenge, MUFASA, "GET", "/dir/index.html", b"", "00000001", client_nonce) == expected


def test_the_example_of_rfc_2617_without_quality_of_protection() -> None:
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "MD5", "", None, stale=False)
    proof = digest_response(challenge, Credentials("Mufasa", "CircleOfLife"), "GET", "/dir/index.html", b"", "", "")
    assert proof == "1949323746fe6a43ef61f9606e7febea"


def request() -> Request:
    return Request("REGISTER", "sip:example.com", {"call-id": ["1"]}, b"body")


def refusal(*lines: str, proxy: bool = False) -> Response:
    response = Response(407 if proxy else 401)
    for line in lines:
        response.add("proxy-authenticate" if proxy else "www-authenticate", line)
    return response


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_password_opens_the_door_and_its_nonce_is_used_again() -> None:
    server, client = DigestServer(Clock()), DigestClient(Credentials('al"ice', "pass:word"))
    first = request()
    assert server.claimed(first) is None
    assert client.learn(refusal(*server.challenges('a "realm"')), set())
    for _ in range(3):
        again = request()
        client.authorize(again)
        assert server.claimed(again) == ('al"ice', 'a "realm"')
        assert "algorithm=SHA-256" in (again.get("authorization") or "")
        assert server.verify(again, 'a "realm"', "pass:word") == "right"
        assert server.verify(again, 'a "realm"', "pass:word") == "stale", "the same answer counts only once"
        assert server.verify(again, 'a "realm"', "other") == "wrong"


def test_an_old_nonce_is_stale_and_the_next_one_helps() -> None:
    clock = Clock()
    server, client = DigestServer(clock), DigestClient(MUFASA)
    answered: set[RealmKey] = set()
    client.learn(refusal(*server.challenges("r")), answered)
    clock.now += NONCE_SECONDS + 1
    late = request()
    client.authorize(late)
    assert server.verify(late, "r", MUFASA.password) == "stale"
    assert client.learn(refusal(*server.challenges("r", stale=True)), answered)
    client.authorize(late)
    assert server.verify(late, "r", MUFASA.password) == "right"


def test_a_refused_password_is_not_tried_again() -> None:
    client, answered = DigestClient(MUFASA), set[RealmKey]()
    challenge = 'Digest realm="r", nonce="{}", algorithm=MD5, qop="auth"'
    assert client.learn(refusal(challenge.format(1)), answered)
    assert client.learn(refusal(challenge.format(2) + ", stale=TRUE"), answered)
    assert client.learn(refusal(challenge.format(2), proxy=True), answered), "a proxy before the server asks, too"
    assert not client.learn(refusal(challenge.format(3)), answered), "a new nonce does not make the password right"
    later = request()
    client.authorize(later)
    assert later.lines("authorization") == [], "what was refused is not sent with the next request"
    assert len(later.lines("proxy-authorization")) == 1


def test_what_was_kept_may_be_refused_once() -> None:
    client = DigestClient(MUFASA)
    challenge = 'Digest realm="r", nonce="same", algorithm=MD5, qop="auth"'
    for _ in range(2):
        answered = set[RealmKey]()
        assert client.learn(refusal(challenge), answered)
        assert not client.learn(refusal(challenge), answered)


def test_what_nobody_can_answer_is_left_alone() -> None:
    unknown = refusal("Basic realm=x", 'Digest realm="r", nonce="n", algorithm=ROT13')
    assert not DigestClient(MUFASA).learn(unknown, set())


def test_registrar_and_proxy_are_answered_side_by_side() -> None:
    client = DigestClient(MUFASA)
    client.learn(refusal('Digest realm="a", nonce="1", opaque="o"'), set())
    client.learn(refusal('Digest realm="b", nonce="2", qop="auth-int,auth"', proxy=True), set())
    asked = request()
    client.authorize(asked)
    assert 'nonce="1"' in asked.lines("authorization")[0]
    assert 'opaque="o"' in asked.lines("authorization")[0]
    assert "qop" not in asked.lines("authorization")[0]
    assert "qop=auth, nc=00000001" in asked.lines("proxy-authorization")[0]


def test_a_forged_nonce_or_request_is_refused() -> None:
    server, other = DigestServer(Clock()), DigestServer(Clock())
    client = DigestClient(MUFASA)
    client.learn(refusal(*other.challenges("r")), set())
    forged = request()
    client.authorize(forged)
    assert server.verify(forged, "r", MUFASA.password) == "wrong"
    client = DigestClient(MUFASA)
    client.learn(refusal(*server.challenges("r")), set())
    moved = request()
    client.authorize(moved)
    moved.method = "INVITE"
    assert server.verify(moved, "r", MUFASA.password) == "wrong"


@pytest.mark.parametrize(
    "text",
    ["", "Basic x", "Digest", 'Digest realm="a"', 'Digest realm="a", nonce="', "Digest realm=a nonce=b",
     'Digest realm="a", nonce="b", qop="other"'],
)  # fmt: skip
def test_what_is_no_challenge_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_challenge(text)
