"""A call whose audio flows in one direction at most (RFC 3264 section 8.4)."""

import pytest

from tests.media.rtp.audio import SPEECH
from tests.media.rtp.network import CALLER, End, parameters


def test_on_hold_nothing_is_sent(time):
    end = End(time, parameters(sends=False))
    end.run(1.0, say=SPEECH)
    assert end.rtp.sent == []
    end.session.update(parameters())
    end.run(1.0)
    assert len(end.rtp.sent) == 50


@pytest.mark.parametrize(
    "held",
    [{"sends": False}, {"receives": False}, {"remote": ("0.0.0.0", 4000), "sends": False}],
    ids=["sendonly", "recvonly", "null address"],
)
def test_a_call_that_is_held_without_music_goes_on(time, held):
    end = End(time, parameters(**held), media_timeout=10.0)
    end.run(60.0)
    assert end.owner.timeouts == 0
    end.session.update(parameters())
    end.run(12.0)
    assert end.owner.timeouts == 1


@pytest.mark.parametrize("mux", [False, True])
def test_no_report_goes_to_the_null_address(time, mux):
    end = End(time, parameters(remote=("0.0.0.0", 4000), sends=False, rtcp_mux=mux))
    end.run(20.0)
    assert end.rtp.sent == end.rtcp.sent == []
    end.session.update(parameters(rtcp_mux=mux))
    end.run(1.0)
    assert {to for _, to in end.rtp.sent + end.rtcp.sent} == {CALLER} | (set() if mux else {(CALLER[0], CALLER[1] + 1)})
