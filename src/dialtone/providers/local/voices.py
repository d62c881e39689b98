"""Which voices the provider `local` has here, and which it could have."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from dialtone.providers.local.espeak import NAME, VOICE_BY_LANGUAGE, chosen_voice
from dialtone.providers.local.model_catalog import CATALOG, CatalogModel
from dialtone.providers.local.sherpa import can_speak
from dialtone.providers.local.voice_names import DUTCH_NAMES
from dialtone.providers.local.worker import Worker

MODULE = "dialtone.providers.local.children.espeak_voices"


@dataclass(frozen=True, slots=True)
class LocalVoice:
    id: str
    """What a `tts_config` of the provider `local` takes as `voice_id`."""
    name: str
    language: str
    """BCP 47, in lower case."""
    english: str
    dutch: str
    """Descriptions in those languages."""
    installed: bool
    """An assistant can speak with it now."""


async def espeak_voices() -> list[LocalVoice]:
    """The voices of espeak-ng. Starts a process for it, since the server itself never loads that library.

    Raises `ProviderError` where espeak-ng is not installed or does not answer.
    """
    worker = await Worker.start(NAME, MODULE, ())
    try:
        found = worker.ready["voices"]
    finally:
        await worker.stop()
    voices = []
    for each in found:
        voice_id = _voice_id(each["voice"])
        if voice_id in DUTCH_NAMES:
            voices.append(_espeak_voice(voice_id, each["name"].strip()))
    return voices


def _voice_id(espeak_name: str) -> str:
    """The `voice_id` that chooses a voice of espeak-ng: its own name, unless that is taken for another language."""
    if chosen_voice({"voice_id": espeak_name}) == espeak_name:
        return espeak_name
    return next(voice_id for voice_id, chosen in VOICE_BY_LANGUAGE.items() if chosen == espeak_name)


def _espeak_voice(voice_id: str, name: str) -> LocalVoice:
    return LocalVoice(
        id=voice_id,
        name=name,
        language=voice_id,
        english=f"{name}. Spoken by espeak-ng, plainly a robot.",
        dutch=f"{DUTCH_NAMES[voice_id]}. Gesproken door espeak-ng, hoorbaar een robot.",
        installed=True,
    )


async def available_voices(espeak: list[LocalVoice], data_dir: Path) -> list[LocalVoice]:
    """Pulled and pullable voices, and those of `espeak` that nothing stands before: where a natural voice of a
    language is installed, the language's code chooses that one.
    """
    return await asyncio.to_thread(_available, espeak, data_dir)


def _available(espeak: list[LocalVoice], data_dir: Path) -> list[LocalVoice]:
    models = [model for model in CATALOG if model.kind == "text-to-speech"]
    natural = [_natural_voice(model, installed=can_speak({"voice_id": model.name}, data_dir)) for model in models]
    covered = {voice.language for voice in natural if voice.installed}
    return [*natural, *(voice for voice in espeak if voice.language.partition("-")[0] not in covered)]


def _natural_voice(model: CatalogModel, *, installed: bool) -> LocalVoice:
    english, dutch = "A natural voice, spoken by sherpa-onnx", "Een natuurlijke stem, gesproken door sherpa-onnx"
    if not installed:
        steps = f"`pip install 'dialtone[sherpa]'` and `dialtone models pull {model.name}`"
        english += f"; it needs {steps}"
        dutch += f"; nodig: {steps.replace(' and ', ' en ')}"
    return LocalVoice(
        id=model.name,
        name=model.about,
        language=model.language,
        english=f"{english}.",
        dutch=f"{dutch}.",
        installed=installed,
    )
