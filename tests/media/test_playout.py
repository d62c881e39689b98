import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.media.playout import Playout


@given(chunks=st.lists(st.binary(max_size=500), max_size=20))
def test_what_goes_in_comes_out_in_order_and_padded_once(chunks):
    playout = Playout(MULAW_8K)
    for chunk in chunks:
        playout.append(chunk)
    playout.finish()
    whole = b"".join(chunks)
    frames = []
    while (frame := playout.next_frame()) is not None:
        assert len(frame) == 160
        frames.append(frame)
    assert b"".join(frames) == whole + b"\xff" * (-len(whole) % 160)
    assert playout.played_bytes == len(whole)
    assert playout.queued_bytes == 0
    assert playout.finished


def test_a_partial_frame_waits_until_there_is_more():
    playout = Playout(PCM_16K)
    playout.append(b"a" * 600)
    assert playout.next_frame() is None
    playout.append(b"b" * 100)
    assert playout.next_frame() == b"a" * 600 + b"b" * 40
    assert (playout.next_frame(), playout.queued_bytes, playout.finished) == (None, 60, False)
    playout.finish()
    assert not playout.finished
    assert playout.next_frame() == b"b" * 60 + bytes(580)
    assert playout.finished


def test_a_pause_holds_everything_back():
    playout = Playout(MULAW_8K)
    playout.append(b"x" * 160)
    playout.pause()
    assert (playout.next_frame(), playout.paused, playout.queued_bytes) == (None, True, 160)
    playout.resume()
    assert playout.next_frame() == b"x" * 160


def test_cleared_audio_is_never_played():
    playout = Playout(MULAW_8K)
    playout.append(b"old" * 100)
    assert playout.next_frame() == (b"old" * 100)[:160]
    playout.clear()
    assert (playout.queued_bytes, playout.played_bytes) == (0, 160)
    playout.finish()
    assert playout.next_frame() is None
    playout.append(b"new" * 60)
    assert not playout.finished
    assert playout.next_frame() == (b"new" * 60)[:160]


@pytest.mark.parametrize("called", [True, False])
def test_an_empty_queue_is_finished_only_by_finish(called):
    playout = Playout(MULAW_8K)
    if called:
        playout.finish()
    assert playout.finished is called
    assert playout.next_frame() is None
