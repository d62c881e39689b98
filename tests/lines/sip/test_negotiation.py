"""What SDP agrees on reaches the audio."""

import pytest

from dialtone.lines.sip.negotiation import Negotiation
from dialtone.sip.offer_answer import AudioOptions, LocalAudio

THEIRS = """v=0\r
o=- 1 1 IN IP4 192.0.2.7\r
s=-\r
c=IN IP4 192.0.2.7\r
t=0 0\r
m=audio 4000 RTP/AVP {formats}\r
{attributes}"""


def end(*codecs: str) -> Negotiation:
    return Negotiation(LocalAudio("192.0.2.1", 20000), AudioOptions(codecs or ("PCMU",), "off"), "192.0.2.7")


def theirs(formats: str, *attributes: str) -> str:
    return THEIRS.format(formats=formats, attributes="".join(f"a={each}\r\n" for each in attributes))


@pytest.mark.parametrize(
    ("formats", "attributes", "sent", "received"),
    [
        ("0 101", ["rtpmap:101 telephone-event/8000"], 101, 101),
        ("0 96", ["rtpmap:96 telephone-event/8000"], 96, 101),
        ("0", [], None, None),
    ],
)
def test_keys_are_sent_as_the_answer_numbers_them_and_as_tones_where_it_knows_none(
    formats: str, attributes: list[str], sent: int | None, received: int | None
) -> None:
    ours = end()
    assert "a=rtpmap:101 telephone-event/8000" in ours.offer()
    agreed = ours.answered(theirs(formats, *attributes))
    assert (agreed.sent_event, agreed.received_event) == (sent, received)


@pytest.mark.parametrize(
    ("formats", "attributes", "number"),
    [("0 13", [], 13), ("0 97", ["rtpmap:97 CN/8000"], 97), ("0 97", ["rtpmap:97 CN/16000"], None), ("0", [], None)],
)
def test_comfort_noise_is_done_where_it_is_asked_for(formats: str, attributes: list[str], number: int | None) -> None:
    answer, agreed = end().answer(theirs(formats, *attributes))
    assert agreed.comfort_noise == number
    assert ("CN/8000" in answer) == (number is not None)
    assert "CN/" not in end().offer()


def test_an_answer_that_is_offered_again_to_refresh_the_session_agrees_on_the_same() -> None:
    ours, description = end(), theirs("0 13 96", "rtpmap:96 telephone-event/8000")
    answer, agreed = ours.answer(description)
    ours.keep(answer)
    assert ours.answered(description) == agreed
    assert ours.answered(theirs("0")).comfort_noise is None


@pytest.mark.parametrize(
    ("formats", "codec", "received"),
    [("0 8", "PCMU", {0: "PCMU", 8: "PCMA"}), ("8 9 0", "PCMA", {0: "PCMU", 8: "PCMA"}), ("9 8", "G722", {9: "G722"})],
)
def test_each_codec_that_the_answer_lists_in_the_format_of_the_line_is_heard(
    formats: str, codec: str, received: dict[int, str]
) -> None:
    ours = end("PCMU", "PCMA", "G722")
    ours.offer()
    agreed = ours.answered(theirs(formats))
    assert (agreed.codec, agreed.received) == (codec, received)
