import asyncio
import os
import subprocess
import sys
import threading
import wave

import numpy as np
import pytest

from dialtone.media import recorder as recorder_module
from dialtone.media import recording_file
from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.media.g711 import decode_mulaw, encode_mulaw
from dialtone.media.recorder import MAX_WAITING_BATCHES, RecordingWriter
from dialtone.media.recording_file import HEADER_BYTES, AlignedTrack, RecordingFile, StillWrittenError, settle

FRAME = MULAW_8K.frame_bytes


def read(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        return file.getframerate(), samples[:, 0], samples[:, 1]


@pytest.fixture
async def writer():
    writer = RecordingWriter()
    yield writer
    await asyncio.wait_for(writer.close(), 10)


async def test_the_caller_is_left_and_the_assistant_right(writer, tmp_path):
    left, right = np.random.default_rng(1).integers(0, 256, (2, 123 * FRAME), dtype=np.uint8)
    path = tmp_path / "some" / "where" / "call.wav"
    recorder = writer.open(path, MULAW_8K)
    for start in range(0, left.size, FRAME):
        recorder.write(left[start : start + FRAME].tobytes(), right[start : start + FRAME].tobytes())
    assert await recorder.close() == pytest.approx(123 * 0.02)
    rate, got_left, got_right = read(path)
    assert rate == 8000
    assert np.array_equal(got_left, decode_mulaw(left.tobytes()))
    assert np.array_equal(got_right, decode_mulaw(right.tobytes()))
    assert await recorder.close() == pytest.approx(123 * 0.02)
    assert recorder.failure is None


async def test_none_is_silence_and_wide_audio_keeps_its_rate(writer, tmp_path):
    recorder = writer.open(tmp_path / "call.wav", PCM_16K)
    tone = (np.arange(320) * 50).astype("<i2")
    recorder.write(tone.tobytes(), None)
    recorder.write(None, tone.tobytes())
    recorder.write(None, None)
    recorder.write(None, tone.tobytes())
    await recorder.close()
    rate, left, right = read(tmp_path / "call.wav")
    quiet = np.zeros(320)
    assert rate == 16000
    assert np.array_equal(left, np.concatenate((tone, quiet, quiet, quiet)))
    assert np.array_equal(right, np.concatenate((quiet, tone, quiet, tone)))


def audio(*values):
    """A frame of each value."""
    return b"".join(bytes([value]) * FRAME for value in values)


def test_late_audio_closes_up_and_early_audio_runs_on():
    pieces = [audio(1), None, audio(2, 3), audio(4), audio(5, 6), None, audio(7)]
    assert AlignedTrack(MULAW_8K, 5).align(pieces) == audio(1, 2, 3, 4, 5, 6, 7)


def test_without_jitter_every_piece_stays_in_its_tick():
    pieces = [None, audio(1), None, audio(2)]
    assert AlignedTrack(MULAW_8K, 0).align(pieces) == audio(255, 1, 255, 2)


def test_a_real_gap_stays_a_gap():
    pieces = [audio(1), *[None] * 10, audio(2), audio(3)]
    assert AlignedTrack(MULAW_8K, 5).align(pieces) == audio(1) + b"\xff" * (10 * FRAME) + audio(2, 3)


def test_what_runs_ahead_carries_over_to_the_next_batch_up_to_a_second():
    track = AlignedTrack(MULAW_8K, 5)
    assert track.align([audio(1, 2, 3)]) == audio(1)
    assert track.align([None, None, None]) == audio(2, 3) + b"\xff" * FRAME
    assert track.align([audio(*range(1, 101))]) == audio(1)
    assert track.align([None] * 60) == audio(*range(2, 52)) + b"\xff" * (10 * FRAME)


def test_pieces_need_not_be_frames():
    track = AlignedTrack(MULAW_8K, 5)
    whole = bytes(range(256)) * 5
    pieces = [whole[i : i + 128] for i in range(0, 1280, 128)]
    out = track.align(pieces[:5]) + track.align(pieces[5:])
    assert len(out) == 10 * FRAME
    assert out.replace(b"\xff" * 32, b"").count(whole[:100]) == 5


async def test_the_file_plays_while_the_call_runs(writer, tmp_path):
    path = tmp_path / "call.wav"
    recorder = writer.open(path, MULAW_8K)
    for batch in range(1, 4):
        for _ in range(recorder_module.BATCH_TICKS):
            recorder.write(b"\x00" * FRAME, None)
        written = asyncio.Event()
        recorder._jobs.put(lambda event=written: recorder._on_loop(event.set))
        await written.wait()
        _, left, _ = read(path)
        assert left.size == batch * 8000
        assert (left == -32124).all()
    await recorder.close()


def test_a_killed_process_leaves_a_file_that_plays(tmp_path):
    path = tmp_path / "call.wav"
    script = (
        "import asyncio, os, pathlib\n"
        "from dialtone.media.audio import MULAW_8K\n"
        "from dialtone.media.recorder import RecordingWriter\n"
        "async def main():\n"
        f"    recorder = RecordingWriter().open(pathlib.Path({str(path)!r}), MULAW_8K)\n"
        "    for _ in range(120): recorder.write(bytes(160), bytes(160))\n"
        "    done = asyncio.Event()\n"
        "    recorder._jobs.put(lambda: recorder._on_loop(done.set))\n"
        "    await done.wait()\n"
        "    os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=30).returncode == 9
    _, left, right = read(path)
    assert left.size == right.size == 2 * 8000


async def test_a_directory_that_cannot_be_made_is_told_and_the_call_goes_on(writer, tmp_path):
    (tmp_path / "file").write_text("in the way")
    told = asyncio.get_running_loop().create_future()
    recorder = writer.open(tmp_path / "file" / "call.wav", MULAW_8K, told.set_result)
    reason = await asyncio.wait_for(told, 5)
    assert reason.startswith("the recording stopped after 0 s: ")
    assert str(tmp_path) not in reason
    assert recorder.failure == reason
    for _ in range(200):
        recorder.write(audio(1), audio(2))
    assert await recorder.close() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
async def test_a_full_disk_is_told_once(writer, tmp_path, monkeypatch):
    reasons = []
    recorder = writer.open(tmp_path / "call.wav", MULAW_8K, reasons.append)
    for _ in range(50):
        recorder.write(audio(1), audio(2))
    swapped = asyncio.Event()

    def fill_disk():
        recorder._file._file.close()
        recorder._file._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        recorder._on_loop(swapped.set)

    recorder._jobs.put(fill_disk)
    await swapped.wait()
    for _ in range(150):
        recorder.write(audio(1), audio(2))
    assert await recorder.close() == 1.0
    assert reasons == ["the recording stopped after 1 s: No space left on device"]
    assert read(tmp_path / "call.wav")[1].size == 8000


async def test_a_disk_that_hangs_stops_the_recording_not_the_memory(writer, tmp_path):
    release = threading.Event()
    reasons = []
    recorder = writer.open(tmp_path / "call.wav", MULAW_8K, reasons.append)
    recorder._jobs.put(release.wait)
    for _ in range((MAX_WAITING_BATCHES + 5) * recorder_module.BATCH_TICKS):
        recorder.write(audio(1), audio(2))
    await asyncio.sleep(0)
    assert reasons == ["the recording stopped: the disk is too slow"]
    assert recorder._left == []
    release.set()
    assert await recorder.close() == MAX_WAITING_BATCHES
    assert read(tmp_path / "call.wav")[1].size == MAX_WAITING_BATCHES * 8000


async def test_a_full_wav_file_stops_cleanly(writer, tmp_path, monkeypatch):
    monkeypatch.setattr(recording_file, "MAX_DATA_BYTES", 100_000)
    reasons = []
    recorder = writer.open(tmp_path / "call.wav", MULAW_8K, reasons.append)
    for _ in range(500):
        recorder.write(audio(1), audio(2))
    assert await recorder.close() == 3.0
    assert reasons == ["the recording stopped after 3 s: a WAV file holds at most 4 GiB"]
    assert read(tmp_path / "call.wav")[1].size == 3 * 8000


async def test_closing_the_writer_closes_what_is_open(tmp_path):
    writer = RecordingWriter()
    recorders = [writer.open(tmp_path / f"{index}.wav", MULAW_8K) for index in range(3)]
    for recorder in recorders:
        recorder.write(encode_mulaw(np.full(FRAME, 1000, np.int16)), None)
    await asyncio.wait_for(writer.close(), 10)
    assert [await recorder.close() for recorder in recorders] == [0.02] * 3
    assert all(read(tmp_path / f"{index}.wav")[1].size == FRAME for index in range(3))


def test_the_header_says_what_the_standard_asks(tmp_path):
    file = RecordingFile(tmp_path / "call.wav", MULAW_8K)
    file.write([audio(1)], [audio(1)])
    file.close()
    data = (tmp_path / "call.wav").read_bytes()
    assert len(data) == 44 + 640
    assert data[:4] + data[8:16] == b"RIFFWAVEfmt "
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert int.from_bytes(data[40:44], "little") == 640


def begun(path):
    """A recording of a second that somebody writes to."""
    file = RecordingFile(path, MULAW_8K)
    file.write([bytes(FRAME)] * 50, [bytes(FRAME)] * 50)
    return file


@pytest.mark.parametrize("more", [0, 3, 4, 32_003])
def test_a_header_is_made_to_tell_what_a_killed_process_wrote(tmp_path, more):
    path = tmp_path / "call.wav"
    begun(path).close()
    with path.open("ab") as file:
        file.write(bytes(more))
    assert settle(path) == pytest.approx(1 + more // 4 / 8000)
    rate, left, _ = read(path)
    assert (rate, len(left)) == (8000, 8000 + more // 4)
    assert path.stat().st_size == HEADER_BYTES + 4 * len(left)
    assert settle(path) == pytest.approx(1 + more // 4 / 8000)


def test_nothing_is_changed_while_somebody_writes(tmp_path):
    path = tmp_path / "call.wav"
    file = begun(path)
    with pytest.raises(StillWrittenError):
        settle(path)
    file.close()
    assert settle(path) == 1


def test_what_is_no_recording_is_left_as_it_is(tmp_path):
    path = tmp_path / "call.wav"
    path.write_bytes(b"RIF")
    assert settle(path) == 0
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="not a recording"):
        settle(path)
    assert path.read_bytes() == bytes(100)
    with pytest.raises(FileNotFoundError):
        settle(tmp_path / "none.wav")
