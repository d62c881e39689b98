import asyncio
import os
import signal

import pytest

from dialtone.media.audio import MULAW_8K, PCM_16K
from dialtone.providers import local
from dialtone.providers.base import Interim, ProviderError
from dialtone.providers.factory import Vendors
from tests.providers.local.conftest import Hearing, hiss, send_in_frames, spoken

PHRASES = ["I would like to book a table", "for four people", "on Friday", "my name is Alice", "no thank you goodbye"]
CONFIG = {"provider": "local", "model": "pocketsphinx", "language": "en", "keyterms": PHRASES}
SECONDS = 15


async def test_hears_expected_phrases_with_their_spelling_and_times(vendors: Vendors) -> None:
    recogniser = local.speech_to_text(CONFIG, vendors)
    heard = Hearing()
    stream = await recogniser.open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    sent_seconds = 0.0
    for phrase in ("on Friday", "my name is Alice"):
        audio = await spoken(vendors, phrase)
        send_in_frames(stream, audio)
        async with asyncio.timeout(SECONDS):
            final = await heard.finals.get()
        assert final.text == phrase
        assert sent_seconds + 0.3 < final.start < final.end < sent_seconds + PCM_16K.seconds(len(audio)) - 0.7
        sent_seconds += PCM_16K.seconds(len(audio))
    assert any(isinstance(event, Interim) and "Alice" in event.text for event in heard.events)
    await stream.close()


async def test_final_comes_within_400_ms_of_audio_after_the_last_sound(vendors: Vendors) -> None:
    heard = Hearing()
    stream = await local.speech_to_text(CONFIG, vendors).open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    audio = (await spoken(vendors, "on Friday")).rstrip(b"\0")
    send_in_frames(stream, audio + bytes(round(0.4 * PCM_16K.bytes_per_second)))
    async with asyncio.timeout(SECONDS):
        assert (await heard.finals.get()).text == "on Friday"
    await stream.close()


async def test_other_speech_and_noise_are_no_phrase(vendors: Vendors) -> None:
    heard = Hearing()
    stream = await local.speech_to_text(CONFIG, vendors).open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    send_in_frames(stream, await spoken(vendors, "the weather in Paris is lovely today"))
    send_in_frames(stream, hiss(1.0, 1500) + bytes(32000))
    send_in_frames(stream, await spoken(vendors, "on Friday"))
    texts = []
    async with asyncio.timeout(SECONDS):
        while not texts or texts[-1] != "on Friday":
            texts.append((await heard.finals.get()).text)
    assert set(texts[:-1]) <= {""}
    assert len(texts) > 1
    await stream.close()


async def test_a_word_that_no_dictionary_has_is_heard(vendors: Vendors) -> None:
    heard = Hearing()
    config = {**CONFIG, "keyterms": ["connect me to Blorvington", "goodbye"]}
    stream = await local.speech_to_text(config, vendors).open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    send_in_frames(stream, await spoken(vendors, "connect me to Blorvington"))
    async with asyncio.timeout(SECONDS):
        assert (await heard.finals.get()).text == "connect me to Blorvington"
    await stream.close()


async def test_a_killed_worker_is_reported_once_and_replaced(vendors: Vendors) -> None:
    recogniser = local.speech_to_text(CONFIG, vendors)
    heard = Hearing()
    stream = await recogniser.open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    for process_id in _worker_processes():
        os.kill(process_id, signal.SIGKILL)
    async with asyncio.timeout(SECONDS):
        error = await heard.lost.get()
    assert "worker process ended" in str(error)
    assert error.retryable
    stream.send(bytes(640))
    await stream.close()
    assert heard.lost.empty()
    again = await recogniser.open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    send_in_frames(again, await spoken(vendors, "on Friday"))
    async with asyncio.timeout(SECONDS):
        assert (await heard.finals.get()).text == "on Friday"
    await again.close()


def _worker_processes() -> list[int]:
    """Processes that run a recognising worker for this test process."""
    found = []
    for process_id in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{process_id}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{process_id}/cmdline") as file:
                command = file.read()
        except OSError:
            continue
        if parent == os.getpid() and "children.sphinx" in command:
            found.append(int(process_id))
    return found


async def test_closing_ends_the_worker_processes(vendors: Vendors) -> None:
    heard = Hearing()
    stream = await local.speech_to_text(CONFIG, vendors).open(PCM_16K, heard.on_event, heard.lost.put_nowait)
    assert _worker_processes()
    await stream.close()
    await local.close_local()
    assert not _worker_processes()
    await local.close_local()


def test_asks_for_16_khz_pcm(vendors: Vendors) -> None:
    assert local.speech_to_text(CONFIG, vendors).input_format(MULAW_8K) == PCM_16K


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"language": "nl"}, "English only"),
        ({"model": "whisper"}, "auto, sherpa-onnx, pocketsphinx"),
        ({"keyterms": ["word"] * 101}, "at most 100"),
        ({"model": "sherpa-onnx"}, "dialtone models pull"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(vendors: Vendors, change: dict[str, object], words: str) -> None:
    with pytest.raises(ProviderError, match=words) as raised:
        local.speech_to_text({**CONFIG, **change}, vendors)
    assert not raised.value.retryable


async def test_phrases_that_nobody_can_pronounce_are_refused(vendors: Vendors) -> None:
    recogniser = local.speech_to_text({**CONFIG, "keyterms": ["东京"]}, vendors)
    heard = Hearing()
    with pytest.raises(ProviderError, match="pronounced in English"):
        await recogniser.open(PCM_16K, heard.on_event, heard.lost.put_nowait)
