import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.providers import local
from dialtone.providers.base import Final, ProviderError, SpeechChunk, TextToSpeech, TranscriptEvent
from dialtone.providers.factory import Vendors


@pytest.fixture
async def vendors(tmp_path: Path) -> AsyncIterator[Vendors]:
    """Vendors without any key, whose local workers end with the test."""
    async with aiohttp.ClientSession() as http:
        yield Vendors(http, {}, {}, tmp_path)
    await local.close_local()


async def speak(vendor: TextToSpeech, texts: Sequence[str], audio: AudioFormat) -> list[SpeechChunk]:
    """All chunks of one utterance."""
    session = await vendor.open(audio)
    utterance = session.speak()
    for text in texts:
        utterance.push(text)
    utterance.finish()
    chunks = [chunk async for chunk in utterance]
    await session.close()
    return chunks


async def spoken(vendors: Vendors, text: str, voice: str = "en-us") -> bytes:
    """`text` spoken by espeak-ng, with silence around it, as 16 kHz PCM."""
    config = {"model": "espeak-ng", "voice_id": voice, "speed": 0.9}
    chunks = await speak(local.text_to_speech(config, vendors), [text], PCM_16K)
    silence = bytes(PCM_16K.bytes_per_second // 2)
    return silence + b"".join(chunk.audio for chunk in chunks) + silence + silence


class Hearing:
    """What a stream reported; `wait_final` waits for the next `Final` beyond those already taken."""

    def __init__(self) -> None:
        self.events: list[TranscriptEvent] = []
        self.finals: asyncio.Queue[Final] = asyncio.Queue()
        self.lost: asyncio.Queue[ProviderError] = asyncio.Queue()

    def on_event(self, event: TranscriptEvent) -> None:
        self.events.append(event)
        if isinstance(event, Final):
            self.finals.put_nowait(event)


def send_in_frames(stream: Any, audio: bytes) -> None:
    for offset in range(0, len(audio), PCM_16K.frame_bytes):
        stream.send(audio[offset : offset + PCM_16K.frame_bytes])


def hiss(seconds: float, amplitude: float) -> bytes:
    """White noise as 16 kHz PCM."""
    samples = np.random.default_rng(7).normal(0, amplitude, int(seconds * PCM_16K.sample_rate))
    return samples.clip(-32768, 32767).astype("<i2").tobytes()
