import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.media.framing import CallerAudio


@given(chunks=st.lists(st.binary(max_size=700), max_size=20), pulls=st.integers(0, 5))
def test_frames_are_the_audio_in_order_whatever_its_pieces(chunks, pulls):
    queue = CallerAudio(MULAW_8K, seconds=10)
    frames = []
    for chunk in chunks:
        queue.push(chunk)
        frames += [queue.next_frame() for _ in range(pulls)]
    while queue.queued_bytes >= 160:
        frames.append(queue.next_frame())
    whole = b"".join(chunks)
    assert b"".join(frame for frame in frames if frame) == whole[: len(whole) // 160 * 160]
    assert queue.next_frame() is None
    assert queue.dropped_bytes == 0


@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_it_keeps_the_newest_and_counts_what_it_dropped(sizes):
    queue = CallerAudio(MULAW_8K, seconds=0.1)
    whole = b"".join(bytes([index]) * size for index, size in enumerate(sizes))
    for index, size in enumerate(sizes):
        queue.push(bytes([index]) * size)
        assert queue.queued_bytes <= 800
    assert queue.dropped_bytes == max(0, len(whole) - 800)
    kept = b"".join(iter(queue.next_frame, None))
    assert kept == whole[queue.dropped_bytes :][: len(kept)]


def test_the_limit_keeps_samples_whole():
    queue = CallerAudio(PCM_16K, seconds=0.020033)
    queue.push(bytes(range(256)) * 3)
    assert queue.dropped_bytes % 2 == 0


def test_a_queue_too_short_for_a_frame_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        CallerAudio(MULAW_8K, seconds=0.01)
