"""Session descriptions, and what two sides agree on."""

import dataclasses

import pytest

from dialtone.sip.crypto_attribute import KEY_BYTES, new_key, parse_crypto
from dialtone.sip.errors import ParseError
from dialtone.sip.offer_answer import (
    AudioOptions,
    LocalAudio,
    NotAcceptableError,
    answer_offer,
    apply_answer,
    make_offer,
)
from dialtone.sip.sdp import parse_sdp, with_direction

HERE, THERE = LocalAudio("192.0.2.1", 10000), LocalAudio("2001:db8::2", 20000)
OPEN = AudioOptions(srtp="off")

PHONE = """v=0
o=- 1 1 IN IP4 198.51.100.7
s=call
c=IN IP4 198.51.100.7
t=0 0
m=video 5000 RTP/AVP 96
m=audio 4000 RTP/AVP 18 8 0 101
a=rtpmap:18 G729/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:30
a=rtcp:4005
a=sendrecv
"""


def test_a_description_is_printed_as_it_was() -> None:
    text = make_offer(HERE, AudioOptions())
    assert str(parse_sdp(text)) == text
    assert str(parse_sdp(text.replace("\r\n", "\n"))) == text


@pytest.mark.parametrize("srtp", ["off", "optional", "required"])
@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722", "opus"])
def test_both_sides_see_the_same_call(codec: str, srtp: str) -> None:
    options = AudioOptions(srtp=srtp)  # type: ignore[arg-type]
    offer = make_offer(HERE, options)
    answer, theirs = answer_offer(offer, THERE, dataclasses.replace(options, codecs=(codec,)))
    ours = apply_answer(offer, answer, options)
    assert (ours.codec, theirs.codec) == (codec, codec)
    assert (ours.remote_address, ours.remote_port) == ("2001:db8::2", 20000)
    assert (theirs.remote_address, theirs.remote_port) == ("192.0.2.1", 10000)
    assert ours.receive_payload_types == {theirs.send_payload_type: codec}
    assert theirs.receive_payload_types == {ours.send_payload_type: codec}
    assert ours.send_event_type == theirs.receive_event_type == (110 if codec == "opus" else 101)
    assert (ours.send_key, ours.receive_key) == (theirs.receive_key, theirs.send_key)
    assert (ours.send_key is None) == (srtp == "off")
    assert "RTP/SAVP" in answer or srtp != "required"


def test_a_phone_is_answered_with_what_it_knows() -> None:
    answer, agreed = answer_offer(PHONE, HERE, AudioOptions())
    session = parse_sdp(answer)
    assert [(media.kind, media.port) for media in session.media] == [("video", 0), ("audio", 10000)]
    assert session.media[1].formats == ["8", "101"]
    assert (agreed.codec, agreed.packet_ms, agreed.remote_control_port) == ("PCMA", 30, 4005)
    assert (agreed.remote_address, agreed.send_key) == ("198.51.100.7", None)


@pytest.mark.parametrize(
    ("lines", "packet_ms"),
    [
        ("a=ptime:10", 10),
        ("a=ptime:60", 60),
        ("a=ptime:30.0", 30),
        ("a=ptime:20\na=maxptime:150", 20),
        ("a=maxptime:10", 10),
        ("a=maxptime:150", 20),
        ("a=ptime:60\na=maxptime:30", 30),
        ("a=ptime:120", 60),
        ("a=ptime:50", 40),
        ("a=ptime:25", 20),
        ("a=ptime:5", 10),
        ("a=ptime:0", 20),
        ("a=ptime:-30", 20),
        ("a=ptime:3e1", 20),
        ("a=ptime", 20),
        ("a=sendrecv", 20),
    ],
)
def test_packets_are_as_long_as_they_are_wanted(lines: str, packet_ms: int) -> None:
    theirs = PHONE.replace("a=ptime:30", lines)
    answer, agreed = answer_offer(theirs, HERE, OPEN)
    assert agreed.packet_ms == packet_ms
    assert "a=ptime:20\r\n" in answer  # what we would like to get ourselves
    offer = make_offer(HERE, OPEN)
    assert "a=ptime:20\r\n" in offer
    audio = theirs.replace("m=video 5000 RTP/AVP 96\n", "")
    assert apply_answer(offer, audio, OPEN).packet_ms == packet_ms


def test_their_numbers_for_payloads_are_kept() -> None:
    offer = PHONE.replace("18 8 0 101", "118 119").replace("18 G729/8000", "118 opus/48000/2").replace(
        "101 telephone-event/8000", "119 telephone-event/48000"
    )  # fmt: skip
    answer, agreed = answer_offer(offer, HERE, AudioOptions())
    assert (agreed.codec, agreed.send_payload_type, agreed.send_event_type) == ("opus", 118, 119)
    assert "a=rtpmap:118 opus/48000/2" in answer


@pytest.mark.parametrize(
    ("formats", "codec", "received"),
    [
        ("0 8 101", "PCMU", {0: "PCMU", 8: "PCMA"}),
        ("8 0 101", "PCMA", {0: "PCMU", 8: "PCMA"}),
        ("9 96 101", "G722", {9: "G722", 111: "opus"}),  # Opus comes under the number of our offer
        ("18 8 101", "PCMA", {8: "PCMA"}),
    ],
)
def test_whatever_codec_an_answer_lists_may_come(formats: str, codec: str, received: dict[int, str]) -> None:
    offer = make_offer(HERE, OPEN)
    answer = f"v=0\no=- 1 1 IN IP4 192.0.2.7\nc=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP {formats}\n"
    agreed = apply_answer(offer, answer + "a=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/8000\n", OPEN)
    assert (agreed.codec, agreed.receive_payload_types) == (codec, received)


def test_a_codec_of_an_answer_that_was_not_offered_counts_only_where_it_is_the_only_one() -> None:
    offer = make_offer(HERE, AudioOptions(("PCMA",), "off"))
    answer = "v=0\no=- 1 1 IN IP4 192.0.2.7\nc=IN IP4 192.0.2.7\nm=audio 4000 RTP/AVP {}\n"
    both, other = (apply_answer(offer, answer.format(formats), OPEN) for formats in ("0 8", "0"))
    assert (both.codec, both.receive_payload_types) == ("PCMA", {8: "PCMA"})
    assert (other.codec, other.receive_payload_types) == ("PCMU", {0: "PCMU"})


@pytest.mark.parametrize(
    ("wish", "seen"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_holding_reverses_the_direction(wish: str, seen: str) -> None:
    offer = with_direction(make_offer(HERE, OPEN), wish)  # type: ignore[arg-type]
    answer, theirs = answer_offer(offer, THERE, OPEN)
    assert theirs.direction == seen
    assert apply_answer(offer, answer, OPEN).direction == wish


def test_an_address_of_zeros_holds_too() -> None:
    assert answer_offer(PHONE.replace("IP4 198.51.100.7\nt", "IP4 0.0.0.0\nt"), HERE, OPEN)[1].direction == "recvonly"


def test_versions_count_and_media_stay_in_their_places() -> None:
    first, _ = answer_offer(PHONE, HERE, OPEN)
    held = parse_sdp(with_direction(first, "sendonly"))
    moved = parse_sdp(make_offer(LocalAudio("192.0.2.9", 30000), OPEN, str(held)))
    assert [held.version, moved.version] == [parse_sdp(first).version + 1, parse_sdp(first).version + 2]
    assert moved.session_id == held.session_id == parse_sdp(first).session_id
    assert [(media.kind, media.port) for media in moved.media] == [("video", 0), ("audio", 30000)]
    assert held.media[0].direction() is None


def test_what_cannot_be_agreed_on_is_refused() -> None:
    secure = make_offer(HERE, AudioOptions(srtp="required"))
    refused = [
        (PHONE, AudioOptions(codecs=("opus",), srtp="off")),
        (PHONE, AudioOptions(srtp="required")),
        (secure, OPEN),
        (secure.replace("a=crypto", "a=other"), AudioOptions()),
        (PHONE.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"), AudioOptions()),
        (PHONE.replace("m=audio 4000", "m=audio 0"), AudioOptions()),
        (PHONE.replace("c=IN IP4 198.51.100.7\n", ""), AudioOptions()),
    ]
    for offer, options in refused:
        with pytest.raises(NotAcceptableError):
            answer_offer(offer, HERE, options)
    with pytest.raises(NotAcceptableError):
        apply_answer(secure, make_offer(THERE, AudioOptions(srtp="required")).replace("crypto:", "crypto:9"), OPEN)
    with pytest.raises(NotAcceptableError):
        apply_answer(secure, make_offer(THERE, OPEN), AudioOptions(srtp="required"))


@pytest.mark.parametrize("suite", KEY_BYTES)
def test_keys_are_read_as_they_were_written(suite: str) -> None:
    key = new_key(7, suite)
    assert parse_crypto(str(key)) == key
    assert parse_crypto(f"{key}|2^20") == key
    assert key.key.hex() not in repr(key)


@pytest.mark.parametrize(
    "value",
    ["", "1 AES_CM_128_HMAC_SHA1_80", "1 F8_128_HMAC_SHA1_80 inline:" + "A" * 40,
     "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
     "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "|2^20|1:4",
     "1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + " UNENCRYPTED_SRTP"],
)  # fmt: skip
def test_keys_that_we_cannot_use_are_refused(value: str) -> None:
    with pytest.raises(ParseError):
        parse_crypto(value)


@pytest.mark.parametrize(
    "text",
    ["", "v=1\no=- 1 1 IN IP4 a\n", "v=0\n", "v=0\nm=audio 1 RTP/AVP 0\n", "v=0\no=- 1 1 IN IP4\n",
     "v=0\no=- x 1 IN IP4 a\nc=IN IP4 a b\n", "v=0\no=- 1 1 IN IP4 a\nm=audio 70000 RTP/AVP 0\n",
     "v=0\no=- 1 1 IN IP4 a\nm=audio x RTP/AVP 0\n", "v=0\no=- 1 1 IN IP4 a\nnonsense\n",
     "v=0\no=- 1 1 IN IP4 a\n" + "m=audio 1 RTP/AVP 0\n" * 20, "v=0\no=- 1 1 IN IP4 a\n" + "a=x\n" * 1000],
)  # fmt: skip
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_sdp(text)


def test_only_encryption_that_the_media_can_do_is_offered_and_taken() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    able = AudioOptions(srtp="optional", suites=(suite,))
    assert "AES_256" not in make_offer(HERE, able)
    offer = make_offer(HERE, AudioOptions(srtp="required"))
    assert "AES_256" in offer
    _, agreed = answer_offer(offer, HERE, able)
    assert agreed.receive_key is not None
    assert agreed.receive_key.suite == suite


def keys_of(description: str) -> list[str]:
    return parse_sdp(description).media[0].all("crypto")


def test_our_key_stays_as_long_as_we_stay_where_we_are() -> None:
    options = AudioOptions(srtp="required")
    offer = make_offer(THERE, options)
    first, _ = answer_offer(offer, HERE, options)
    held, agreed = answer_offer(with_direction(offer, "sendonly"), HERE, options, first)
    assert keys_of(held) == keys_of(first)
    assert agreed.send_key is not None
    assert keys_of(held) == [str(agreed.send_key)]
    renumbered, _ = answer_offer(offer.replace("a=crypto:1 ", "a=crypto:7 "), HERE, options, held)
    assert keys_of(renumbered) == [keys_of(first)[0].replace("1 ", "7 ", 1)]
    weaker, _ = answer_offer(make_offer(THERE, AudioOptions(suites=(list(KEY_BYTES)[2],))), HERE, options, held)
    moved, _ = answer_offer(offer, LocalAudio(HERE.address, HERE.port + 2), options, held)
    for other in (weaker, moved):
        assert not set(keys_of(other)) & set(keys_of(first))


@pytest.mark.parametrize(
    ("first", "protocol"),
    [
        (make_offer(THERE, AudioOptions(srtp="required")), "RTP/SAVP"),
        (make_offer(THERE, AudioOptions(srtp="required")).replace("RTP/SAVP", "RTP/SAVPF"), "RTP/SAVPF"),
        (make_offer(THERE, AudioOptions(srtp="optional")), "RTP/AVP"),
        (make_offer(THERE, OPEN), "RTP/AVP"),
    ],
)
def test_a_later_offer_is_protected_as_was_agreed(first: str, protocol: str) -> None:
    answer, _ = answer_offer(first, HERE, AudioOptions(srtp="optional"))
    later = make_offer(HERE, AudioOptions(srtp="optional"), answer)
    assert parse_sdp(later).media[0].protocol == protocol
    assert keys_of(later) == keys_of(answer)
    assert bool(keys_of(later)) == bool(keys_of(first))
    moved = make_offer(LocalAudio("192.0.2.9", 10000), AudioOptions(srtp="optional"), answer)
    assert len(keys_of(moved)) == len(keys_of(answer))
    assert not set(keys_of(moved)) & set(keys_of(answer))


def test_offers_of_ours_in_a_call_that_we_made_keep_their_keys() -> None:
    first = make_offer(HERE, AudioOptions(srtp="required"))
    later = make_offer(HERE, AudioOptions(srtp="required"), first)
    assert keys_of(later) == keys_of(first)
    assert len(set(keys_of(first))) == len(KEY_BYTES)
