"""Voices: what the speech of this machine has to offer."""

import asyncio
import logging
from pathlib import Path

from dialtone.providers.base import ProviderError
from dialtone.providers.local.voices import LocalVoice, available_voices, espeak_voices
from dialtone.voices.schemas import VoiceDescription, VoiceObject

log = logging.getLogger(__name__)


class Voices:
    """The voices that need no vendor, the same for every organization."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._asking = asyncio.Lock()
        self._espeak: list[LocalVoice] | None = None

    async def list_all(self) -> list[VoiceObject]:
        voices = await available_voices(await self._of_espeak(), self._data_dir)
        return [
            VoiceObject(
                id=voice.id,
                name=voice.name,
                language=voice.language,
                description=VoiceDescription(en=voice.english, nl=voice.dutch),
                installed=voice.installed,
            )
            for voice in voices
        ]

    async def _of_espeak(self) -> list[LocalVoice]:
        """Asked once in a process's life: it starts a process of its own, and the answer changes only when packages
        are installed. A failure that may pass is not remembered.
        """
        async with self._asking:
            if self._espeak is None:
                try:
                    self._espeak = await espeak_voices()
                except ProviderError as error:
                    log.info("no voices of espeak-ng: %s", error)
                    if error.retryable:
                        return []
                    self._espeak = []
            return self._espeak
